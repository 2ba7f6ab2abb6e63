"""Checks of which some findings can be mended by a statement and others can't; and what they say when they can't see.

Their stories name every kind of finding; here each remedy that is offered is taken, and where none is, that is right.
"""

from __future__ import annotations

import psycopg
import pytest

from asking import ask, checks, found
from conftest import Database
from readiness.model import Examined, Observation, Reason, Unknown
from readiness.pack import for_psql


def findings(check: str, database: Database) -> dict[str, Observation]:
    outcome = ask(check, database.dsn())
    assert isinstance(outcome, Examined), outcome
    return {o.subject: o for o in outcome.findings}


def test_a_unique_index_is_adopted_as_primary_key(database: Database):
    check = "schema/table-without-primary-key"
    database.run(
        """
        create table plain (a int not null, b int not null);
        create unique index "ix, ""q"" 1" on plain (b, a);
        create table backs_a_constraint (a int not null unique);
        create table nullable (a int);
        create unique index on nullable (a);
        create table partial (a int not null);
        create unique index on partial (a) where a > 0;
        create table expression (a int not null);
        create unique index on expression ((a + 1));
        create table descending (a int not null);
        create unique index on descending (a desc);
        create table included (a int not null, b int);
        create unique index on included (a) include (b);
        create table root (a int not null) partition by range (a);
        create unique index on root (a);
        """
    )
    offered = {subject: o.remedy for subject, o in findings(check, database).items()}
    assert {subject for subject, remedy in offered.items() if remedy} == {"public.plain", "public.included"}
    database.run(offered["public.plain"] or "")
    database.run(offered["public.included"] or "")
    assert {"public.plain", "public.included"}.isdisjoint(findings(check, database))


def test_identity_takes_over_where_the_sequence_was(database: Database):
    check = "schema/serial-primary-key"
    database.run(
        """
        create schema "Odd ""S";
        create table "Odd ""S"."T, 'x'" ("i'd ""q"" 1" serial primary key, n int);
        insert into "Odd ""S"."T, 'x'" (n) values (1), (2);
        create table by_two (id serial primary key);
        create table reads_it (n int default nextval('by_two_id_seq'));
        create table crossed (id serial primary key);
        create sequence another;
        alter table crossed alter column id set default nextval('another');
        create table parted (id serial primary key) partition by range (id);
        create table viewed (id serial primary key);
        create view of_sequence as select last_value from viewed_id_seq;
        create domain number as int;
        """
    )
    offered = {subject: o.remedy for subject, o in findings(check, database).items()}
    name = '"Odd ""S"."T, \'x\'"'
    assert set(offered) == {name, "public.by_two", "public.crossed", "public.parted", "public.viewed"}
    assert {subject for subject, remedy in offered.items() if remedy} == {name}
    database.run(offered[name] or "")
    database.run(f"insert into {name} (n) values (3)")
    with database.connect() as connection:
        rows = connection.execute(f"select * from {name} order by n".encode()).fetchall()
    assert [tuple(row) for row in rows] == [(1, 1), (2, 2), (3, 3)]
    assert name not in findings(check, database)


@pytest.mark.parametrize(
    ("check", "type_name"),
    [("schema/timestamp-without-time-zone", "timestamp"), ("schema/json-not-jsonb", "json")],
)
def test_no_remedy_where_something_holds_the_type(check: str, type_name: str, database: Database):
    database.run(
        f"""
        create domain d as {type_name};
        create table held (
            id int primary key, viewed {type_name}, watched {type_name}, read_by_function {type_name},
            of_domain d, free {type_name}
        );
        create view v as select viewed from held;
        create function f() returns trigger language plpgsql as 'begin return new; end';
        create trigger t before update of watched on held for each row execute function f();
        create function g() returns bigint language sql return (select count(read_by_function) from held);
        create table source (a {type_name}, length int generated always as (case when a is null then 0 else 1 end) stored);
        create table parent (a {type_name});
        create table child () inherits (parent);
        """
    )
    offered = {subject.removeprefix("public."): o.remedy for subject, o in findings(check, database).items()}
    assert {subject for subject, remedy in offered.items() if remedy} == {"held.free", "parent.a"}
    assert {subject for subject, remedy in offered.items() if not remedy} == {
        "held.viewed",
        "held.watched",
        "held.read_by_function",
        "held.of_domain",
        "source.a",
        "child.a",
    }
    for remedy in offered.values():
        database.run(remedy or "")
    assert {"public.held.free", "public.parent.a", "public.child.a"}.isdisjoint(findings(check, database))


def test_a_length_is_lifted_where_nothing_holds_the_type(database: Database):
    """And to varchar, not to text: the two sides of a foreign key keep one type."""
    check = "schema/varchar-n-column"
    database.run(
        """
        create table free (id varchar(9) primary key, up varchar(9) references free, lower varchar(9));
        create index on free (upper(lower)) where lower <> '';
        create table held (viewed varchar(9), ruled varchar(9), source varchar(9), made text generated always as (source) stored);
        create view v as select viewed from held;
        create policy p on held using (ruled = current_user);
        create table root (name varchar(9)) partition by list (name);
        """
    )
    offered = {subject: o.remedy for subject, o in findings(check, database).items()}
    free = {"public.free.id", "public.free.up", "public.free.lower"}
    assert {subject for subject, remedy in offered.items() if remedy} == free
    assert set(offered) - free == {"public.held.viewed", "public.held.ruled", "public.held.source", "public.root.name"}
    for remedy in offered.values():
        database.run(remedy or "")
    assert free.isdisjoint(findings(check, database))
    assert findings("schema/foreign-key-type-mismatch", database) == {}


def test_no_remedy_where_an_index_or_a_check_would_not_be_built_again(database: Database):
    """What is immutable of a timestamp isn't of a timestamptz; what takes json may not take jsonb."""
    database.run(
        """
        create table times (
            plain timestamp, is_null timestamp, compared timestamp, cut timestamp, parent timestamp unique references times (parent),
            checked timestamp check (checked > '2000-01-01'), called timestamp check (lower(tsrange(called, null)) = called)
        );
        create index on times (plain) where is_null is null;
        create index on times (compared) where compared > '2020-01-01';
        create index on times (date_trunc('day', cut));
        create table documents (asked json, called json, checked json check (json_typeof(checked) = 'object'));
        create index on documents ((asked ->> 'a'));
        create index on documents (json_extract_path_text(called, 'a'));
        """
    )
    for check, free in (
        ("schema/timestamp-without-time-zone", {"plain", "is_null", "checked"}),
        ("schema/json-not-jsonb", {"asked"}),
    ):
        offered = {subject.split(".")[-1]: o.remedy for subject, o in findings(check, database).items()}
        assert {column for column, remedy in offered.items() if remedy} == free
        for remedy in offered.values():
            database.run(remedy or "")
        assert {subject.split(".")[-1] for subject in findings(check, database)} == set(offered) - free


def test_times_are_looked_for_in_partition_keys_arrays_and_ranges(database: Database):
    check = "schema/timestamp-without-time-zone"
    database.run(
        """
        create table root (id int, at timestamp) partition by range (at);
        create table others (a timestamp[], r tsrange, g timestamp generated always as (timestamp '2020-01-01') stored);
        """
    )
    offered = findings(check, database)
    assert set(offered) == {"public.root.at", "public.others.a", "public.others.r", "public.others.g"}
    assert not any(o.remedy for o in offered.values())


def test_utc_is_what_the_stored_times_are_taken_for(database: Database):
    check = "schema/timestamp-without-time-zone"
    database.run("create table t (at timestamp(0)); insert into t values ('2024-07-01 12:00')")
    database.run(findings(check, database)["public.t.at"].remedy or "")
    with database.connect() as connection:
        row = connection.execute("select at = '2024-07-01 12:00+00', pg_typeof(at)::text from t").fetchone()
    assert row is not None
    assert tuple(row) == (True, "timestamp with time zone")


def test_unlogged_tables_are_set_logged_in_order(database: Database):
    check = "schema/unlogged-table"
    database.run("create unlogged table a (id int primary key); create unlogged table b (id int references a)")
    first = findings(check, database)
    assert first["public.b"].remedy is None
    database.run(first["public.a"].remedy or "")
    database.run(findings(check, database)["public.b"].remedy or "")
    assert findings(check, database) == {}


def test_no_bound_for_a_sequence_that_started_past_it(database: Database):
    database.run("create sequence s start 3000000000; create table t (id int default nextval('s'))")
    assert findings("schema/sequence-wider-than-column", database)["public.s"].remedy is None


def test_foreign_keys_that_act_differently_are_not_dropped(database: Database):
    database.run(
        """
        create table p (id int primary key);
        create table c (
            p int, constraint a foreign key (p) references p on delete cascade, constraint b foreign key (p) references p
        );
        """
    )
    assert [o.remedy for o in findings("schema/duplicate-foreign-key", database).values()] == [None, None]


def test_a_sequence_out_of_sight_is_never_well(database: Database):
    check = "schema/sequence-exhaustion"
    database.run("create table t (id serial primary key)")
    unseen = ask(check, database.bare_dsn())
    assert isinstance(unseen, Unknown)
    assert unseen.reason is Reason.NO_PERMISSION
    database.run(unseen.unlock or "")
    assert found(ask(check, database.bare_dsn())) == set()


def test_a_sequence_that_is_being_altered_is_not_waited_for(database: Database):
    check = "schema/sequence-exhaustion"
    database.run("create sequence busy; create sequence full_one maxvalue 10; select setval('full_one', 10)")
    with database.connect() as other, other.transaction():
        other.execute("alter sequence busy maxvalue 1000")
        outcome = ask(check, database.dsn())
    assert isinstance(outcome, Examined)
    assert {o.subject for o in outcome.findings} == {"public.full_one"}
    assert [(u.subject, u.reason) for u in outcome.unseen] == [("public.busy", Reason.LOCKED)]


@pytest.mark.parametrize("check", ["performance/dead-tuple-bloat", "performance/never-analyzed-table"])
def test_statistics_that_are_off_tell_nothing(check: str, database: Database):
    database.run("create table t (id int)")
    database.run(f"alter database {database.name} set track_counts = off")
    outcome = ask(check, database.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NOT_CONFIGURED


def test_a_twin_in_an_ignored_schema_is_no_twin(database: Database):
    check = "schema/dual-definition"
    database.run('create schema "Tenant 1"; create table users (id int); create table "Tenant 1".users (id int)')
    assert found(ask(check, database.dsn())) == {"public.users", '"Tenant 1".users'}
    assert found(ask(check, database.dsn(), ignored_schemas=("other", "Tenant 1"))) == set()
    with database.connect() as psql:
        alone = psql.execute(for_psql(checks()[check].source, ("Tenant 1",)).encode()).fetchall()
    assert [row[:3] for row in alone] == [(1, 1, 0)]  # examined, healthy, unseen


def test_what_18_added_to_constraints(embedded_database: Database):
    embedded_database.run(
        """
        create table t (a int, b int not null, c int);
        alter table t add constraint late not null a not valid;
        alter table t add constraint wish check (c > 0) not enforced;
        """
    )
    check = "schema/not-valid-constraint"
    remedies = {subject: o.remedy for subject, o in findings(check, embedded_database).items()}
    assert set(remedies) == {"public.t:late"}
    embedded_database.run(remedies["public.t:late"] or "")
    assert found(ask(check, embedded_database.dsn())) == set()


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        ("schema/timestamp-without-time-zone", "timestamp"),
        ("schema/json-not-jsonb", "json"),
        ("schema/varchar-n-column", "varchar(9)"),
    ],
)
def test_a_column_that_a_view_reads_of_an_heir_is_not_changed_at_its_parent(
    embedded_database: Database, check: str, kind: str
):
    embedded_database.run(
        f"""
        create table parent (x {kind}, free {kind});
        create table child (own int) inherits (parent);
        create table grandchild () inherits (child);
        create view reads as select x from grandchild;
        create table root (id int, x {kind}) partition by range (id);
        create table part partition of root default;
        create view parts as select x from part;
        create table alone (x {kind});
        create view looks as select x from alone;
        """
    )
    outcome = ask(check, embedded_database.dsn())
    assert isinstance(outcome, Examined)
    given = {o.subject: o.remedy for o in outcome.findings if o.remedy}
    assert set(given) == {"public.parent.free"}
    embedded_database.run(str(given["public.parent.free"]))
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="used by a view"):
        embedded_database.run("alter table parent alter column x type text")
