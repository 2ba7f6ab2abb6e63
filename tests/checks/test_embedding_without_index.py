"""Embedding columns by the names that pgvector's types and access methods have: stand-ins, since it isn't installed here.

The type is one of Postgres' own under that name, and the access method is GiST's under `hnsw`; the check reads the catalog
alone, where both look as pgvector's do.
"""

from __future__ import annotations

from asking import ask, found
from conftest import Database

CHECK = "performance/embedding-without-index"
STAND_IN = """
create type vector;
create function vector_in(cstring) returns vector language internal immutable strict as 'point_in';
create function vector_out(vector) returns cstring language internal immutable strict as 'point_out';
create type vector (input = vector_in, output = vector_out, like = point);
create cast (vector as point) without function;
create access method hnsw type index handler gisthandler;
create operator family vector_ops using hnsw;
"""


def test_a_large_table_without_one_is_found(database: Database):
    database.run(
        STAND_IN
        + """
        create table "Odd, ""T" (id int, "E, 🔑" vector);
        insert into "Odd, ""T" select g, '(1,2)' from generate_series(1, 12000) as g;
        create table few (id int, e vector);
        insert into few select g, '(1,2)' from generate_series(1, 100) as g;
        create table root (id int, e vector) partition by range (id);
        create table part partition of root for values from (0) to (10);
        create table plain (id int, e point);
        analyze;
        """
    )
    assert found(ask(CHECK, database.dsn())) == {'public."Odd, ""T"."E, 🔑"'}
    assert found(ask(CHECK, database.bare_dsn())) == {'public."Odd, ""T"."E, 🔑"'}
    assert found(ask(CHECK, database.dsn(), parameters={"rows": 100})) == {'public."Odd, ""T"."E, 🔑"', "public.few.e"}


def test_an_index_of_another_method_than_btree_serves(database: Database):
    database.run(
        STAND_IN
        + """
        create table indexed (id int, e vector);
        insert into indexed select g, '(1,2)' from generate_series(1, 12000) as g;
        create table by_half (id int, e vector);
        insert into by_half select g, '(1,2)' from generate_series(1, 12000) as g;
        analyze;
        create index on indexed (id);
        create index whole on indexed using gist ((e::point));
        create index half on by_half using gist ((e::point)) where id > 5;
        """
    )
    named = {"public.indexed.e", "public.by_half.e"}
    assert found(ask(CHECK, database.dsn())) == named, "an index of an expression is not the column's"
    # As an index on the column itself stands in the catalog.
    database.run(
        "update pg_index set indkey = '2', indexprs = null where indexrelid::regclass::text in ('whole', 'half')"
    )
    assert found(ask(CHECK, database.dsn())) == {"public.by_half.e"}, "half of the rows is not all of them"
