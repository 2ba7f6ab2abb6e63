"""The content comparison: it finds the smallest loss, and does not cry over what is none."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

import stage
from conftest import Database
from readiness.drills import DrillError, snapshot
from readiness.drills.snapshot import Changes, Comparison
from readiness.embedded import Cluster
from readiness.facts import content
from readiness.facts.content import Method

BASE = """
create type mood as enum ('calm', 'glad');
create table people (
    id int primary key, name text, email varchar(80) collate "C", f double precision, r real, n numeric, at timestamptz, mood mood,
    doc jsonb, raw json, tags text[], bin bytea, span interval, big text, p point, l bigint, "Odd "" Name" char(5)
);
insert into people
select
    g, 'name ' || g, g || '@example.org', g * 0.1, g * 0.1, g * 1.10, '2025-01-01 00:00:00.000001+00'::timestamptz + g * interval '1 day',
    'calm', jsonb_build_object('a', g), '{"b": 1}', array['x', g::text], decode(md5(g::text), 'hex'), g * interval '1 hour',
    repeat(md5(g::text), 400), point(g, g), 1, 'ab'
from generate_series(1, 200) as g;
create table pairs (a int, b text, c int, primary key (a, b));
insert into pairs select g, 'k' || g, g from generate_series(1, 20) as g;
create table loose (a text, b text);
insert into loose select 'a' || g % 3, 'b' from generate_series(1, 30) as g;
create table parts (id int, v text) partition by range (id);
create table parts_1 partition of parts for values from (0) to (100);
create table parts_2 partition of parts for values from (100) to (200);
insert into parts select g, 'v' from generate_series(1, 150) as g;
create sequence counter; select nextval('counter'), nextval('counter');
"""


def take(database: Database, path: Path, **options: Any) -> Path:
    snapshot.take(database.dsn(), path, **options)
    return path


def said(found: Comparison) -> list[str]:
    return [str(d) for d in found.differences]


CHANGES = {
    "update people set bin = set_byte(bin, 15, get_byte(bin, 15) # 1) where id = 7": "public.people: 1 changed of 200 rows (changed 7)",
    "update people set name = '' where id = 7": "public.people: 1 changed of 200 rows (changed 7)",
    "update people set name = null where id = 7": "public.people: 1 changed of 200 rows (changed 7)",
    "update people set big = overlay(big placing '!' from 9000) where id = 8": "public.people: 1 changed of 200 rows (changed 8)",
    "delete from people where id in (3, 5)": "public.people: 2 missing of 200 rows (missing 3, 5)",
    "insert into people (id) values (999)": "public.people: 1 added of 200 rows (added 999)",
    "update people set f = f + 1e-15 where id = 1": "public.people: 1 changed of 200 rows (changed 1)",
    "update people set r = r + 1e-8::real where id = 1": "public.people: 1 changed of 200 rows (changed 1)",
    "update people set at = at + interval '1 microsecond' where id = 4": "public.people: 1 changed of 200 rows (changed 4)",
    "update people set l = 4294967296 where id = 6": "public.people: 1 changed of 200 rows (changed 6)",
    "update people set n = n::numeric(20, 5) where id = 4": "public.people: 1 changed of 200 rows (changed 4)",
    "update people set span = '1 day' where id = 24": "public.people: 1 changed of 200 rows (changed 24)",
    "update people set mood = 'glad' where id = 4": "public.people: 1 changed of 200 rows (changed 4)",
    "update people set raw = '{\"b\":1}' where id = 4": "public.people: 1 changed of 200 rows (changed 4)",
    "update people set doc = '{\"a\": 4.0}' where id = 4": "public.people: 1 changed of 200 rows (changed 4)",
    "update people set tags = '[0:1]={x,4}' where id = 4": "public.people: 1 changed of 200 rows (changed 4)",
    "update people a set name = b.name from people b where (a.id, b.id) in ((1, 2), (2, 1))": (
        "public.people: 2 changed of 200 rows (changed 1, 2)"
    ),
    "update pairs set c = 0 where a = 3": "public.pairs: 1 changed of 20 rows (changed (3,k3))",
    "delete from loose where ctid = (select min(ctid) from loose)": (
        "public.loose: 1 missing of 30 rows (it has no primary key to name them by)"
    ),
    "insert into loose select * from loose limit 1": "public.loose: 1 added of 30 rows (it has no primary key to name them by)",
    "update loose set b = a, a = b where ctid = (select min(ctid) from loose)": (
        "public.loose: 1 missing, 1 added of 30 rows (it has no primary key to name them by)"
    ),
    "delete from parts where id = 120": "public.parts: 1 missing of 150 rows (it has no primary key to name them by)",
    "drop table pairs": "public.pairs: the table is missing, with 20 rows",
    "alter table pairs drop column c": "public.pairs: has other columns (c); take the second snapshot with --before and --changes",
    "select setval('counter', 1)": "public.counter: the sequence fell back from 2 to 1",
    "select lo_create(0)": "large objects: 0 became 1",
}


@pytest.fixture(scope="module")
def base(embedded_cluster: Cluster) -> Iterator[Database]:
    with embedded_cluster.connect() as admin:
        admin.execute("drop database if exists content_base with (force)")
        admin.execute("create database content_base template template0")
    made = Database(embedded_cluster, "content_base")
    made.run(BASE)
    yield made
    with embedded_cluster.connect() as admin:
        admin.execute("drop database content_base with (force)")
        admin.execute("drop database if exists content_copy with (force)")


@pytest.fixture(scope="module")
def before(base: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[Method, Path]:
    folder = tmp_path_factory.mktemp("before")
    return {m: take(base, folder / f"{m.name}.snapshot", method=m) for m in Method}


def test_the_smallest_change_is_found(base: Database, before: dict[Method, Path], tmp_path: Path):
    for number, (change, expected) in enumerate(CHANGES.items()):
        for method in Method:
            path = tmp_path / f"{number}-{method.name}"
            after = changed(base, change, path, method) if method is Method.FAST else copied(base, path, method)
            assert said(snapshot.compare(before[method], after)) == [expected], (change, method)
            if method is Method.FAST:
                assert not same_sums(before[method], after), change  # found by the sums alone, as in a large table


def same_sums(one: Path, other: Path) -> bool:
    """Whether two snapshots' tables are alike but for the rows that are kept of them."""
    told = []
    for path in (one, other):
        db = sqlite3.connect(path)
        tables = db.execute("select name, rows, high, low, columns from tables order by name").fetchall()
        rest = db.execute("select name, last_value from sequences").fetchall()
        told.append((tables, rest, db.execute("select value from meta where name = 'large_objects'").fetchall()))
        db.close()
    return told[0] == told[1]


def copied(base: Database, path: Path, method: Method) -> Path:
    return take(Database(base.cluster, "content_copy"), path, method=method)


def changed(base: Database, change: str, path: Path, method: Method) -> Path:
    with base.cluster.connect() as admin:
        admin.execute("drop database if exists content_copy with (force)")
        admin.execute("create database content_copy template content_base strategy file_copy")
    copy = Database(base.cluster, "content_copy")
    copy.run(change)
    return take(copy, path, method=method)


def test_minus_zero_is_not_zero(base: Database, tmp_path: Path):
    zero = changed(base, "update people set f = 0 where id = 1", tmp_path / "zero", Method.FAST)
    minus = changed(base, "update people set f = '-0' where id = 1", tmp_path / "minus", Method.FAST)
    assert said(snapshot.compare(zero, minus)) == ["public.people: 1 changed of 200 rows (changed 1)"]


@pytest.mark.parametrize("method", Method)
def test_what_is_no_loss_is_not_told(method: Method, base: Database, before: dict[Method, Path], tmp_path: Path):
    nothing = """
    alter database content_copy set timezone = 'Asia/Tokyo'; alter database content_copy set extra_float_digits = 0;
    alter database content_copy set datestyle = 'German'; alter database content_copy set bytea_output = 'escape';
    alter database content_copy set client_encoding = 'LATIN1'; alter database content_copy set intervalstyle = 'iso_8601';
    alter table people alter column big set storage external; alter table people alter column name set storage plain;
    update people set big = big || '', name = name; create table t as select * from people order by random();
    truncate people; insert into people select * from t; drop table t; vacuum full people; analyze;
    create table new_one (id int); create index on people (name); alter table parts detach partition parts_2;
    alter table parts attach partition parts_2 for values from (100) to (200)
    """
    after = changed(base, nothing, tmp_path / "after.snapshot", method)
    found = snapshot.compare(before[method], after)
    assert said(found) == []
    assert found.passed
    assert (found.same, found.rows) == (4, 400)


def test_declared_changes_are_tolerated_and_the_rest_is_exact(base: Database, tmp_path: Path):
    changes = Changes.model_validate(
        {
            "tables": {
                "public.people": {
                    "to": "auth.users",
                    "columns": {
                        "id": {"key_map": {"table": "public.new_ids", "old": "old", "new": "new"}},
                        "name": {"name": "username"},
                        "email": {"retyped": True},
                        "at": {"using": "t.at at time zone 'UTC'"},
                        "p": {"dropped": True},
                    },
                },
                "public.loose": {"dropped": True},
                "public.pairs": {
                    "columns": {"a": {"using": "(select old from public.new_ids as n where n.new = t.a)"}}
                },
            }
        }
    )
    before = take(base, tmp_path / "before", changes=changes)
    migration = """
    create schema auth; create table new_ids (old int primary key, new uuid unique default gen_random_uuid());
    insert into new_ids (old) select id from people; alter table people drop constraint people_pkey;
    alter table people add column new uuid; update people set new = n.new from new_ids as n where n.old = id;
    alter table people drop column id; alter table people rename new to id; alter table people add primary key (id);
    alter table people rename name to username; alter table people alter column email type text; alter table people drop column p;
    alter table people alter column at type timestamp using at at time zone 'UTC'; alter table people add column added int default 7;
    alter table people set schema auth; alter table auth.people rename to users; drop table loose;
    alter table pairs add column m uuid; update pairs set m = n.new from new_ids as n where n.old = a;
    alter table pairs drop column a; alter table pairs rename m to a; alter table pairs add primary key (a, b);
    """
    after = changed_with(base, migration, tmp_path / "after", before, changes)
    found = snapshot.compare(before, after)
    assert said(found) == []
    assert found.passed
    damage = "update auth.users set username = 'x' from new_ids where new = id and old = 42; delete from auth.users using new_ids where new = id and old = 43"
    damaged = changed_with(base, f"{migration}; {damage}", tmp_path / "damaged", before, changes)
    assert said(snapshot.compare(before, damaged)) == [
        "public.people: 1 missing, 1 changed of 200 rows (missing 43; changed 42)"
    ]
    undeclared = changed_with(
        base, f"{migration}; alter table auth.users alter column f type numeric", tmp_path / "u", before, changes
    )
    assert said(snapshot.compare(before, undeclared)) == [
        "public.people: could not be compared: its column f was double precision and is numeric, which the changes don't declare"
    ]


def test_what_now_bears_the_old_name_is_not_what_was_moved(base: Database, tmp_path: Path):
    changes = Changes.model_validate({"tables": {"public.people": {"to": "public.persons"}}})
    before = take(base, tmp_path / "before", changes=changes)
    moved = "alter table people rename to persons; create table people (id int primary key)"
    assert said(snapshot.compare(before, changed_with(base, moved, tmp_path / "moved", before, changes))) == []
    still = changed_with(base, "select 1", tmp_path / "still", before, changes)
    assert said(snapshot.compare(before, still)) == ["public.people: the table is missing, with 200 rows"]


def changed_with(base: Database, change: str, path: Path, before: Path, changes: Changes) -> Path:
    with base.cluster.connect() as admin:
        admin.execute("drop database if exists content_copy with (force)")
        admin.execute("create database content_copy template content_base strategy file_copy")
    copy = Database(base.cluster, "content_copy")
    copy.run(change)
    return take(copy, path, before=before, changes=changes)


def test_tables_are_read_by_version_where_rows_are_whole_in_their_pages(
    base: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(content, "CHUNK_BLOCKS", 0)
    base.run(
        "create table plain as select g as id, 'x' as v from generate_series(1, 10) as g; create table grown as select 1 as id; "
        "alter table grown add column later int default 7; "
        "create table long (id int, v text) partition by range (id); "
        "create table long_1 partition of long for values from (0) to (100); "
        "insert into long select 1, string_agg(md5(g::text), '') from generate_series(1, 500) as g"
    )
    with content.session(base.dsn(), seconds=60) as asked:
        tables, _ = content.tables(asked)
        by_version = {t.name: t for t in content.by_version(asked, tables, "salt") if t.salt is not None}
        whole = {
            f"public.{name}" for name in ("loose", "pairs", "parts", "people", "plain")
        }  # people's are compressed there
        assert by_version.keys() == whole
        plain = by_version["public.plain"]
        (chunk,) = content.chunks(plain)
        found = set()
        for salt in range(100):
            sums = content.sums(asked, replace(plain, salt=str(salt)), chunk, Method.FAST, "UTF8")
            found.add(sums)
        assert len(found) == 2  # by version, and every now and then by content
        assert content.sums(asked, replace(plain, salt=None), chunk, Method.FAST, "UTF8") in found
    base.run("drop table plain, grown, long")


def test_blocks_and_rows_of_many_ranges_are_those_of_the_whole_table(base: Database):
    """Each by one statement that reads these blocks alone, of names that need quotes, of a table's end and of a partition."""
    base.run(
        'create schema "it\'s"; create table "it\'s"."a ""table" (id int primary key, v text); '
        'insert into "it\'s"."a ""table" select g, repeat(\'v\', 100) from generate_series(1, 1000) as g; '
        'delete from "it\'s"."a ""table" where id between 300 and 500; '
        "create table split (id int primary key, v text) partition by range (id); "
        "create table split_1 partition of split for values from (0) to (500); "
        "create table split_2 partition of split for values from (500) to (5000); "
        "insert into split select g, repeat('v', 100) from generate_series(1, 1000) as g"
    )
    try:
        with content.session(base.dsn(), seconds=60) as asked:
            tables = {t.name: t for t in content.tables(asked)[0]}
            for name, method in itertools.product(('"it\'s"."a ""table"', "public.split"), Method):
                table = tables[name]
                whole = content.chunks(table)
                rows = sorted(content.versions(asked, table, whole, method, "UTF8"))
                assert len(rows) == (799 if "it's" in name else 1000)
                assert [r[:3] for r in rows] == sorted(
                    r for chunk in whole for r in content.rows(asked, table, chunk, method, "UTF8")
                )
                single = content.chunks(table, blocks=1)
                assert len(single) > 10
                assert sorted(content.versions(asked, table, single, method, "UTF8")) == rows
                several = content.chunks(table, blocks=4)  # the last one's blocks are several, too
                assert sorted(content.versions(asked, table, several, method, "UTF8")) == rows
                for chunk in whole:
                    sums = content.sums(asked, table, chunk, method, "UTF8")
                    blocks = content.blocks(asked, table, chunk, method, "UTF8")
                    parts = [
                        (c.first, content.sums(asked, table, c, method, "UTF8"))
                        for c in single
                        if c.relation == chunk.relation
                    ]
                    assert blocks == {(b, s.rows, str(s.high), str(s.low)) for b, s in parts if s.rows}
                    assert sum(rows for _, rows, *_ in blocks) == sums.rows
            some = [c for c in content.chunks(tables["public.split"], blocks=1) if c.first % 3 == 1]
            found = list(content.versions(asked, tables["public.split"], some, Method.FAST, "UTF8"))
            assert 0 < len(found) < 500
            # Whoever has enough leaves off, and goes on in the same session.
            assert next(content.versions(asked, tables["public.split"], some, Method.FAST, "UTF8")) == found[0]
            assert list(content.versions(asked, tables["public.split"], some, Method.FAST, "UTF8")) == found
    finally:
        base.run('drop schema "it\'s" cascade; drop table split')


def test_whoever_has_enough_goes_on_in_the_same_session(base: Database):
    """Of more than what lies on the way is sent no more; and what is refused ends nothing either."""
    base.run(
        "create table long (id text primary key); insert into long select repeat(md5(g::text), 50) from generate_series(1, 9) as g"
    )
    try:
        with content.session(base.dsn(), seconds=60) as asked:
            (table,) = (t for t in content.tables(asked)[0] if t.name == "public.long")
            long = replace(table, key=("pg_catalog.repeat(t.id, 1000)",))
            assert next(content.versions(asked, long, content.chunks(long), Method.FAST, "UTF8"))
            assert len(content.blocks(asked, table, content.chunks(table)[0], Method.FAST, "UTF8")) == 3
            wrong = replace(
                table, key=("t.id::int",), columns=(replace(table.columns[0], expression="t.id::int::text"),)
            )
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                content.blocks(asked, wrong, content.chunks(wrong)[0], Method.FAST, "UTF8")
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                list(content.versions(asked, wrong, content.chunks(wrong), Method.FAST, "UTF8"))
            assert len(list(content.versions(asked, table, content.chunks(table), Method.FAST, "UTF8"))) == 9
    finally:
        base.run("drop table long")


@pytest.mark.parametrize("turned_off", [(), ("enable_tidscan",)])
def test_a_range_of_blocks_is_not_looked_for_in_the_whole_table(base: Database, turned_off: tuple[str, ...]):
    """What was read is told by the pages that the server touched."""
    base.run("create table wide as select g as id, repeat('v', 1000) as v from generate_series(1, 7000) as g")
    try:
        for setting in turned_off:
            base.run(f"alter database {base.name} set {setting} = off")
        with content.session(base.dsn(), seconds=60) as asked:
            table = next(t for t in content.tables(asked)[0] if t.name == "public.wide")
            assert table.relations[0][1] >= 1000
            some = [c for c in content.chunks(table, blocks=1) if c.first % 100 == 0]
            noted: list[str] = []
            asked.add_notice_handler(lambda n: noted.append(n.message_primary or ""))
            asked.execute("load 'auto_explain'")
            for name, value in (("min_duration", "0"), ("analyze", "on"), ("buffers", "on"), ("level", "notice")):
                asked.execute(f"set local auto_explain.log_{name} = {value}".encode())
            asked.execute("set local client_min_messages = notice")
            assert len(list(content.versions(asked, table, some, Method.FAST, "UTF8"))) > 0
            part = content.Chunk(relation="public.wide", first=100, end=200)
            assert len(content.blocks(asked, table, part, Method.FAST, "UTF8")) == 100
        plans = [n for n in noted if "on wide t" in n or "Scan" in n]
        assert len(plans) == 2, noted
        for plan, most in zip(plans, (len(some), 100), strict=True):
            touched = sum(
                int(n) for n in re.findall(r"(?:hit|read)=(\d+)", plan.partition("Buffers:")[2].partition("\n")[0])
            )
            assert 0 < touched <= most + 100, plan  # of a thousand, and some of the catalog
    finally:
        for setting in turned_off:
            base.run(f"alter database {base.name} reset {setting}")
        base.run("drop table wide")


def test_another_access_method_is_read_in_one_go(base: Database):
    base.run(
        "create access method other type table handler heap_tableam_handler; create table odd (id int primary key) using other; "
        "insert into odd select generate_series(1, 3000); create table mixed (id int) partition by range (id); "
        "create table mixed_1 partition of mixed for values from (0) to (5000) using other; insert into mixed select id from odd"
    )
    try:
        with content.session(base.dsn(), seconds=60) as asked:
            tables = {t.name: t for t in content.tables(asked)[0]}
            assert {n for n, t in tables.items() if not t.by_range} == {"public.odd", "public.mixed"}
            assert [len(content.chunks(tables[f"public.{n}"], blocks=1)) for n in ("odd", "mixed")] == [1, 1]
    finally:
        base.run("drop table odd, mixed; drop access method other")


def test_between_versions_by_the_portable_method(
    base: Database,
    before: dict[Method, Path],
    debian_cluster: Cluster,
    make_database: Callable[[Cluster], Database],
    tmp_path: Path,
):
    other = make_database(debian_cluster)
    other.run(BASE)
    assert snapshot.compare(before[Method.PORTABLE], take(other, tmp_path / "p", method=Method.PORTABLE)).passed
    with pytest.raises(DrillError, match="--portable"):
        snapshot.compare(before[Method.FAST], take(other, tmp_path / "f"))


def test_digests_that_were_made_otherwise_do_not_compare(before: dict[Method, Path], tmp_path: Path):
    shutil.copyfile(before[Method.FAST], tmp_path / "older")
    with contextlib.closing(sqlite3.connect(tmp_path / "older")) as db, db:
        db.execute("update meta set value = 'fast' where name = 'method'")
    with pytest.raises(DrillError, match=r"differ in method \(fast, fast/2\); take both with --portable"):
        snapshot.compare(tmp_path / "older", before[Method.FAST])


def test_every_version_of_the_server(
    older_cluster: Cluster, make_database: Callable[[Cluster], Database], tmp_path: Path
):
    made = make_database(older_cluster)
    made.run(BASE)
    one = take(made, tmp_path / "one")
    assert snapshot.compare(one, take(made, tmp_path / "same", chunk_blocks=1)).passed
    made.run("update people set at = at + interval '1 microsecond' where id = 3")
    found = snapshot.compare(one, take(made, tmp_path / "two"))
    assert said(found) == ["public.people: 1 changed of 200 rows (changed 3)"]


def test_by_chunks_side_by_side_and_gone_on_with(base: Database, before: dict[Method, Path], tmp_path: Path):
    """A snapshot that is broken off is taken to its end by the same command; what was written to since is read again."""
    path, read = tmp_path / "s", list[str]()

    def break_off(step: str) -> None:
        read.append(step)
        if len(read) > 5:
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        snapshot.take(base.dsn(), path, chunk_blocks=1, told=break_off)
    with pytest.raises(DrillError, match="was broken off"):
        snapshot.compare(before[Method.FAST], path)
    again: list[str] = []
    taken = snapshot.take(base.dsn(), path, chunk_blocks=1, workers=3, told=again.append)
    assert taken.resumed
    assert len(again) > 0
    assert not {*again} & {*read[:3]}  # what was finished is not read twice
    found = snapshot.compare(before[Method.FAST], path)
    assert said(found) == []
    assert found.notes == [f"{path}: taken in two goes"]
    with pytest.raises(DrillError, match="finished"):
        snapshot.take(base.dsn(), path)


def test_a_large_table_is_compared_without_its_keys(base: Database, tmp_path: Path):
    one = take(base, tmp_path / "one", rows_up_to=0)
    after = changed(base, "update people set name = 'x' where id = 9", tmp_path / "all", Method.FAST)
    (told,) = said(snapshot.compare(one, after))
    assert told.startswith("public.people: 200 rows, not the same; no keys were kept")
    db = sqlite3.connect(one)
    assert db.execute("select count(*) from rows").fetchone() == (0,)
    db.close()


def test_one_snapshot_whatever_is_written_meanwhile(base: Database, before: dict[Method, Path], tmp_path: Path):
    with base.connect() as writer:

        def write(_step: str) -> None:
            writer.execute("insert into people (id) select coalesce(max(id), 0) + 1 from people")

        try:
            snapshot.take(base.dsn(), tmp_path / "s", chunk_blocks=2, told=write)
        finally:
            writer.execute("delete from people where id > 200")
    assert said(snapshot.compare(before[Method.FAST], tmp_path / "s")) == []


def test_a_table_without_partitions_has_no_rows(embedded_database: Database, tmp_path: Path):
    embedded_database.run("create table bare (id int) partition by range (id); create table other (id int)")
    for name in ("a", "b"):
        snapshot.take(embedded_database.dsn(), tmp_path / name)
    found = snapshot.compare(tmp_path / "a", tmp_path / "b")
    assert (found.passed, found.same, found.rows) == (True, 2, 0)


def test_a_table_that_is_locked_is_told_and_keeps_nobody_from_the_rest(embedded_database: Database, tmp_path: Path):
    """Its size alone can't be asked for."""
    embedded_database.run(
        "create table rewritten (id int); create table other (id int); create table parts (id int) partition by range (id);"
        "create table parts_1 partition of parts for values from (0) to (9)"
    )
    with embedded_database.connect() as writer:
        writer.execute("begin; lock table rewritten")
        taken = snapshot.take(embedded_database.dsn(), tmp_path / "s")
    assert taken.unseen == {"public.rewritten": "canceling statement due to lock timeout"}
    assert taken.tables == 2


def test_what_may_not_be_read_is_told_and_fails(embedded_database: Database, tmp_path: Path):
    embedded_database.run(
        f"create table seen (id int); grant select on seen to {embedded_database.bare_role}; create table hidden (id int);"
        f"create table filtered (id int); grant select on filtered to {embedded_database.bare_role};"
        "alter table filtered enable row level security"
    )
    taken = snapshot.take(embedded_database.bare_dsn(), tmp_path / "s")
    assert set(taken.unseen) == {"public.hidden", "public.filtered"}
    found = snapshot.compare(tmp_path / "s", tmp_path / "s")
    assert not found.passed
    assert len(found.differences) == 2


# -- the command line ------------------------------------------------------------------------------------------


def test_the_proof_is_kept_and_counts(embedded_database: Database, tmp_path: Path):
    embedded_database.run("create table t (id int primary key, a text); insert into t values (1, 'x'), (2, 'y')")
    (tmp_path / "readiness.yaml").write_text("name: shop\n")
    env, dsn = stage.environment(tmp_path), embedded_database.dsn()

    def run(*words: str) -> stage.Done:
        return stage.run(*words, env=env, cwd=tmp_path)

    assert run("snapshot", "before", "-d", dsn).code == 0
    assert run("snapshot", "after", "-d", dsn).code == 0
    done = run("compare", "before", "after")
    assert (done.code, done.out.startswith("PASSED: 1 tables hold the same 2 rows")) == (0, True), done.said

    def status() -> str:
        found = run("score", "--only", "migration/data-loss-unproven", "-f", "json", "-d", dsn)
        (check,) = [c for c in found.document["checks"] if c["id"] == "migration/data-loss-unproven"]
        return str(check["status"])

    assert status() == "pass"
    embedded_database.run("delete from t where id = 2")
    assert run("snapshot", "later", "-d", dsn).code == 0
    lost = run("compare", "before", "later")
    assert lost.code == 1
    assert "public.t: 1 missing of 2 rows (missing 2)" in lost.out
    assert status() == "fail"
    assert run("compare", "before", "nowhere").code == 2
    (tmp_path / "text").write_text("no snapshot")
    assert run("compare", "before", "text").code == 2
