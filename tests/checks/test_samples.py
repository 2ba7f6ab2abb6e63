"""What text columns hold: JSON, lists and UUIDs are found by sampled values, and what only looks like them is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from asking import NOW, ask, found, remedies
from conftest import Database
from readiness.facts.postgres import Postgres
from readiness.facts.samples import TextSamples, is_json, lists_in
from readiness.facts.target import Target
from readiness.model import Examined, Reason, Unknown
from readiness.profile import Profile
from stage import at_work

JSON, LISTS, UUIDS = "schema/json-in-text", "schema/list-in-text", "schema/uuid-in-text"


def test_json_in_text(database: Database):
    database.run(
        """
        create table "T, x" (id int, doc text default '{}', "Odd ""c" varchar, words text, real jsonb, half text);
        insert into "T, x" select g, '{"a": ' || g || '}', '[' || g || ']', 'word ' || g, '{}',
            case when g % 2 = 0 then '{}' else 'no' end from generate_series(1, 50) g;
        create table few (doc text);
        insert into few values ('{}'), ('{}');
        create table viewed (note text);
        insert into viewed values ('a'), ('b'), ('c');
        create view v as select '{}'::text as doc from viewed;
        create table parent (id int, doc text) partition by range (id);
        create table child partition of parent for values from (0) to (10);
        insert into parent select g, '{"a": 1}' from generate_series(1, 5) g;
        """
    )
    outcome = ask(JSON, database.dsn())
    assert found(outcome) == {'public."T, x".doc', 'public."T, x"."Odd ""c"', "public.parent.doc"}
    assert isinstance(outcome, Examined)
    assert not any("{" in str(o.evidence).replace("'shape': '{\"...\": ...}'", "")[1:] for o in outcome.findings), (
        "content"
    )
    bare = ask(JSON, database.bare_dsn())
    assert isinstance(bare, Unknown)
    assert bare.reason is Reason.NO_PERMISSION
    assert f"grant select on all tables in schema public to {database.bare_role};" in (bare.unlock or "")
    database.run(bare.unlock or "")
    assert found(ask(JSON, database.bare_dsn())) == found(outcome)
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask(JSON, database.dsn())) == set()


def test_list_in_text(database: Database):
    database.run(
        """
        create table t (id int, roles text default 'a', tags varchar(90), piped text, name text, place text, money text);
        insert into t select g, case when g % 3 = 0 then 'admin,editor' else 'viewer' end, 'a, b, c' || g,
            'x|y' || repeat('|z', g % 3), 'Doe,John', '52.5,13.4', '1,234.50' from generate_series(1, 60) g;
        """
    )
    outcome = ask(LISTS, database.dsn())
    assert found(outcome) == {"public.t.roles", "public.t.tags", "public.t.piped"}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask(LISTS, database.dsn())) == set()
    with database.connect() as connection:
        row = connection.execute("select roles, tags, piped from t where id = 3").fetchone()
    assert row == (["admin", "editor"], ["a", "b", "c3"], ["x", "y"])


def test_uuid_in_text(database: Database):
    database.run(
        """
        create table t (id text, bare text, mixed text, real uuid);
        insert into t select gen_random_uuid(), md5(g::text), case when g = 7 then 'x' else md5(g::text) end,
            gen_random_uuid() from generate_series(1, 9) g;
        """
    )
    outcome = ask(UUIDS, database.dsn())
    assert found(outcome) == {"public.t.id", "public.t.bare"}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask(UUIDS, database.dsn())) == set()


def test_no_remedy_where_something_holds_the_type(database: Database):
    database.run(
        """
        create table t (id text primary key, viewed text, checked text check (length(checked) > 1), indexed text,
            by_pattern text, read_by text, g int generated always as (length(read_by)) stored, free text default '{}',
            "unique" text unique);
        create index on t (indexed);
        create index on t (by_pattern text_pattern_ops);
        create view v as select viewed from t;
        create table child () inherits (t);
        create table refers (id text references t);
        create table root (l text) partition by list (l);
        create table part partition of root default;
        insert into t (id, viewed, checked, indexed, by_pattern, read_by, free, "unique")
            select gen_random_uuid(), d, d, d, d, d, d, '{"a": ' || g || '}'
            from generate_series(1, 5) g, lateral (select '{"a": 1}') as x (d);
        insert into refers select id from t;
        insert into root values ('a,b,c'), ('d'), ('e,f');
        """
    )
    offered: dict[str, str | None] = {}
    for check in (JSON, LISTS, UUIDS):
        outcome = ask(check, database.dsn())
        assert isinstance(outcome, Examined)
        offered |= {o.subject.removeprefix("public."): o.remedy for o in outcome.findings}
    held = {"t.id", "t.viewed", "t.checked", "t.by_pattern", "t.read_by", "refers.id", "root.l"}
    assert {subject for subject, remedy in offered.items() if not remedy} == held
    assert {subject for subject, remedy in offered.items() if remedy} == {"t.indexed", "t.free", 't."unique"'}
    assert "Its default goes" in (offered["t.free"] or "")
    for remedy in offered.values():
        database.run(remedy or "")
    assert found(ask(JSON, database.dsn())) == {f"public.{s}" for s in held if s not in ("t.id", "refers.id", "root.l")}


def test_a_large_table_is_sampled_and_says_so(database: Database):
    database.run("create table big (doc text)")
    database.run(
        "insert into big select '{\"n\": ' || g || ', \"pad\": \"' || repeat('x', 500) || '\"}' from generate_series(1, 20000) g"
    )
    database.run("analyze big")
    outcome = ask(JSON, database.dsn())
    assert isinstance(outcome, Examined)
    (finding,) = outcome.findings
    assert finding.evidence["sample"] == "200 values drawn in about 20,000 rows"


def test_the_time_for_sampling_is_bounded(database: Database):
    database.run("create table a (x text); create table b (x text)")
    hurried = Profile.model_validate({"name": "t", "probing": {"sample_seconds": 0.000001}})
    outcome = ask(JSON, database.dsn(), profile=hurried)
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.TIMEOUT


def test_rests_are_not_of_that_time(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("readiness.facts.pace.WORTH_A_LOOK", 0)
    for n in range(8):
        database.run(f"create table t{n} (doc text); insert into t{n} select '{{}}' from generate_series(1, 5)")
    profile = Profile.model_validate({"name": "test", "probing": {"sample_seconds": 0.5}})
    target = Target(profile=profile, folder=Path(), now=NOW)
    with at_work(database):
        postgres = Postgres(database.dsn(), share_when_busy=0.01)
        samples = TextSamples.take(postgres, target)
        assert postgres.rested_seconds > 0.5
        assert (len(samples.columns), samples.unseen) == (8, ())
        postgres.close()


def test_a_locked_table_is_named_and_the_others_are_looked_at(database: Database):
    database.run("create table a (x text); create table b (x text)")
    database.run(
        "insert into a select '{}' from generate_series(1, 9); insert into b select '{}' from generate_series(1, 9)"
    )
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("lock table a in access exclusive mode")
        outcome = ask(JSON, database.dsn())
    assert found(outcome) == {"public.b.x"}
    assert isinstance(outcome, Examined)
    assert [(u.subject, u.reason) for u in outcome.unseen] == [("public.a", Reason.LOCKED)]


def test_foreign_partitions_are_never_read(debian_database: Database):
    debian_database.run(
        """
        create extension postgres_fdw;
        create server nowhere foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1');
        create table p (id int, doc text) partition by range (id);
        create foreign table f partition of p for values from (0) to (10) server nowhere;
        """
    )
    outcome = ask(JSON, debian_database.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NOT_OBSERVABLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', True),
        ("  [1, 2]\n", True),
        ("[]", True),
        ('"word"', False),
        ("12", False),
        ("null", False),
        ("[link](https://example.org)", False),
        ("{1,2}", False),
        ("{ color: red }", False),
        ('{"open": ', False),
        ("[" * 100_000, False),
    ],
)
def test_what_is_json(text: str, expected: bool):
    assert is_json(text, text[-1], len(text)) is expected


def test_long_json_is_told_by_its_ends():
    assert is_json('{"a": "xxx', "}", 9_000)
    assert not is_json("{ color: red", "}", 9_000)
    assert not is_json('{"a": "xxx', "x", 9_000)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a,b,c", "d", "e,f"], True),
        (["1;2;3", "4;5"], True),
        (["x | y | z"] * 5, True),
        (["Doe,John", "Roe,Jane"], False),
        (["52.5,13.4", "1.5,2.5"], False),
        (["1,234", "12,345,678"], False),
        (["12", "12,5", "3,75"], False),
        (["12", "12,5", "3,7,5"], True),
        (["1001", "1002,1003", "1004,1005"], True),
        (["First we went, then we slept", "No, never"], False),
        (["a", "b", "c"], False),
    ],
)
def test_what_is_a_list(texts: list[str], expected: bool):
    _, several, tokens, varied = lists_in(texts)
    assert (tokens >= 0.9 * len(texts) and several >= max(2, len(texts) / 10) and varied) is expected
