"""The two doors for a check: what a file must say, what its answer becomes, and what no check is let see."""

from __future__ import annotations

import contextlib
import math
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import psycopg
import pytest

import stage
from conftest import Database
from readiness import pack, policy, runner
from readiness.authoring import Awaited, Check, PackError, Unobservable
from readiness.embedded import Cluster
from readiness.facts import anchors as anchors_of
from readiness.facts.anchors import Anchors
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import (
    RATIO,
    Category,
    CheckInfo,
    Count,
    Effort,
    Examined,
    NotApplicable,
    Observation,
    Outcome,
    Priority,
    Ramp,
    Reason,
    Scalar,
    Unknown,
    Unseen,
)
from readiness.profile import Profile
from readiness.yamldoc import ConfigError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def made(query: str, *, variants: Mapping[int, str] | None = None, **header: Any) -> Check:
    return pack.sql_check(Category.SCHEMA, "odd", stage.sql_check(query, **header), variants or {}, pack="mine")


def ask(
    check: Check,
    dsn: str,
    parameters: Mapping[str, Scalar] | None = None,
    *,
    ignored: tuple[str, ...] = (),
    owned: frozenset[str] = frozenset(),
) -> Outcome:
    """Asked both ways, of a small database and of one with too much to tell apart: the answer is the same."""
    told_apart, counted = both_ways(check, dsn, parameters, ignored=ignored, owned=owned)
    if isinstance(told_apart, Unknown) and told_apart.reason in (Reason.ERROR, Reason.UNSUPPORTED):
        assert isinstance(counted, Unknown)
        assert counted.reason is told_apart.reason
    else:
        assert told_apart == counted
    return told_apart


def both_ways(
    check: Check,
    dsn: str,
    parameters: Mapping[str, Scalar] | None = None,
    *,
    ignored: tuple[str, ...] = (),
    owned: frozenset[str] = frozenset(),
    anchors: Anchors | None = None,
) -> tuple[Outcome, Outcome]:
    postgres = Postgres(dsn)
    target = Target(profile=Profile(name="t"), folder=Path(), now=NOW, ignored_schemas=ignored, owned_tables=owned)
    few = anchors or Anchors.take(postgres, target)
    assert few.few
    try:
        one, other, looked_up = (
            runner.ask(check, runner.Facts({Target: target, Postgres: postgres, Anchors: given}), parameters or {})
            for given in (few, Anchors(few=False), replace(few, few=False))
        )
    finally:
        postgres.close()
    assert other == looked_up
    return one, other


def look(query: str, dsn: str, parameters: Mapping[str, Scalar] | None = None, **header: Any) -> Outcome:
    return ask(made(query, **header), dsn, parameters)


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with stage.database(cluster) as made_here:
        yield made_here


@pytest.fixture(scope="module")
def one(embedded_cluster: Cluster) -> Iterator[Database]:
    """One server is enough where the other would say the same."""
    with stage.database(embedded_cluster) as made_here:
        made_here.run("""
            create schema app; create table app.a (n int); create table app.b (n int); create table app."Odd ""one" (n int);
            create schema other; create table other.a (n int);
            create schema legacy; create table legacy.a (n int);
            create table public.pgmigrations (id int, name text, run_on timestamp);
            create table public.z (n int);
            create extension pg_stat_statements;
        """)
        yield made_here


TABLES = """
    select
        pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
        c.oid as objid,
        {ok} as ok
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where c.relkind in ({kinds})
    order by subject
"""


def tables(ok: str = "true", kinds: str = "'r', 'p'") -> str:
    return TABLES.format(ok=ok, kinds=kinds)


def subjects(outcome: Outcome) -> set[str]:
    assert isinstance(outcome, Examined), outcome
    return {o.subject for o in outcome.observations}


# -- what the columns become -----------------------------------------------------------------------------------


def test_each_row_is_a_subject_and_other_columns_are_its_evidence(one: Database):
    outcome = look(
        """
        select * from (values
            ('bad', false, 'mend;', 7, 'seven', null::text), ('good', true, 'mend;', 8, 'eight', null)
        ) as v (subject, ok, remedy, n, said, nothing)
        """,
        one.dsn(),
    )
    assert outcome == Examined(
        observations=(
            Observation(subject="bad", ok=False, remedy="mend;", evidence={"n": 7, "said": "seven", "nothing": None}),
            Observation(subject="good", ok=True, evidence={"n": 8, "said": "eight", "nothing": None}),
        ),
        tally={"bad": Count(examined=1, ok=0), "good": Count(examined=1, ok=1)},
    )


def test_ok_null_is_unseen_with_its_reason_and_its_unlock(one: Database):
    hidden = "select 'a' as subject, null::bool as ok, 'locked' as unseen, 'wait' as unlock, 3 as n"
    outcome = look(hidden, one.dsn())
    assert isinstance(outcome, Unknown)
    assert (outcome.reason, outcome.unlock) == (Reason.LOCKED, "wait")
    assert [(u.subject, u.evidence) for u in outcome.unseen] == [("a", {"n": 3})]
    outcome = look("select 'a' as subject, null::bool as ok", one.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NO_PERMISSION


def test_a_finding_beside_what_is_unseen_decides_and_earns_nothing(one: Database):
    outcome = look("select * from (values ('a', null::bool), ('b', false), ('c', true)) as v (subject, ok)", one.dsn())
    assert isinstance(outcome, Examined)
    assert (outcome.examined, outcome.healthy, outcome.hidden) == (2, 1, 1)
    assert [u.subject for u in outcome.unseen] == ["a"]


def test_no_row_is_not_applicable_and_never_a_pass(one: Database):
    none = "select 'x' as subject, true as ok where false"
    assert look(none, one.dsn()) == NotApplicable("0 settings")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 'a' as subject, true as ok union all select 'a', false", "stands twice"),
        ("select null::text as subject, true as ok", "the check broke"),
        ("select '' as subject, true as ok", "a subject has a name"),
        ("select 'a' as subject, null::bool as ok, 'no such reason' as unseen", "no such reason"),
        ("select 'a' as subject, true as ok, 'no such kind' as subject_kind", "is no kind of subject"),
        ("select 'a' as subject", "ok does not exist"),
        ("select true as ok", "subject"),
        ("select 'a' as subject, 'yes' as ok", "boolean"),
        ("select 'a' as subject, true as ok, 1 as n, 2 as n", "n"),
        ("select 'a' as subject, true as ok, 1 as _rank", "_rank"),
        ("select 'a' as subject, true as ok, 1 as _scope", "_scope"),
        ("select 'a' as subject, true as ok, 1 as _unseen", "_unseen"),
        ("select 'a' as subject, true as ok; drop table app.a", "syntax error"),
        ("select 'a' as subject, true as ok) select 1; drop table app.a; select (1", "syntax error"),
        ("insert into app.a values (1) returning 'a' as subject, true as ok", "syntax error"),
        ("selct", "syntax error"),
    ],
)
def test_a_query_that_breaks_the_contract_is_unknown_and_says_why(one: Database, query: str, said: str):
    for outcome in both_ways(made(query), one.dsn()):
        assert isinstance(outcome, Unknown), outcome
        assert outcome.reason in (Reason.ERROR, Reason.UNSUPPORTED)
        assert said in outcome.detail


@pytest.mark.parametrize("each", [10, 400])
def test_a_join_that_repeats_its_rows_is_seen_however_many_they_are(embedded_cluster: Cluster, each: int):
    """Told apart by us where they are few, counted by the server where they are more."""
    query = f"""
        select c.relname || '.' || g as subject, c.oid as objid, true as ok
        from pg_catalog.pg_class as c
        cross join pg_catalog.generate_series(1, {each}) as g
        where c.relnamespace = 'public'::regnamespace
    """
    with stage.database(embedded_cluster) as many:
        many.run(
            "do $$ begin for n in 1..32 loop execute format('create table public.t%s (n int)', n); end loop; end $$"
        )
        once = look(query, many.dsn(), subject="column")
        twice = look(f"{query} union all {query}", many.dsn(), subject="column")
    assert isinstance(once, Examined), once
    assert once.healthy == 32 * each
    assert isinstance(twice, Unknown), twice
    assert "a subject stands twice" in twice.detail


def test_a_subject_that_is_in_no_catalog_does_not_fall_out_of_sight(one: Database):
    outcome = look("select 'app.a' as subject, 1::oid as objid, false as ok", one.dsn(), subject="table")
    assert isinstance(outcome, Unknown)
    assert "objid is not in pg_class" in outcome.detail


def test_the_frame_leaves_no_trace_in_the_evidence(one: Database):
    outcome = look(tables("c.relname <> 'a'"), one.dsn(), subject="table")
    assert isinstance(outcome, Examined)
    assert len(outcome.observations) > 4
    assert {name for o in outcome.observations for name in o.evidence} == set()


@pytest.mark.parametrize(
    "tail",
    [
        ";",
        "  ;\n\n",
        "; -- done",
        ";\n-- done\n-- really; yes\n",
        " -- done",
        "; /* done; */",
        ";\n/* done\n;*/ -- really",
        " /* done */",
    ],
)
def test_what_stands_behind_the_query(one: Database, tail: str):
    assert subjects(look(f"select 'a' as subject, true as ok{tail}", one.dsn())) == {"a"}


@pytest.mark.parametrize(
    "query",
    [
        "select 'a' as subject, '--' <> '-- x'",
        "select 'a' as subject, 'x -- y' = 'x -- y'",
        "select 'a' as subject, '/* x' <> '; -- y'",
        "select 'a' as subject, 50 % 4 = 2 and '%' <> '%%' and '%s' <> '%I'",
        "select 'a' as subject, '$1' || '$10' = pg_catalog.concat('$', '1$', '10')",
        "select 'a' as subject, 'back\\slash' like '%\\\\%'",
        "with x as (select 'a' as subject) select x.subject, true from x",
        "values ('a', true)",
    ],
)
def test_a_query_is_taken_as_it_is_written(one: Database, query: str):
    if query.startswith("values"):
        query = f"select v.subject, v.ok from ({query}) as v (subject, ok)"
    else:
        query = f"select q.subject, q.ok from ({query}) as q (subject, ok) where '--' <> ';--'"
    assert subjects(look(query, one.dsn())) == {"a"}
    shown = pack.for_psql(stage.sql_check(query))
    done = subprocess.run(
        ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", one.dsn()],
        input=f"{shown};",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1|1|0|")


def test_a_variant_runs_from_its_version_on(database: Database):
    def named(name: str) -> str:
        return f"select '{name}' as subject, true as ok"

    variants = {14: named("from 14"), 16: named("from 16"), 18: named("from 18"), 99: named("from 99")}
    major = 15 if "15" in str(database.cluster.runtime.bindir) else 18
    expected = {15: "from 14", 18: "from 18"}[major]
    assert subjects(ask(made(named("base"), variants=variants), database.dsn())) == {expected}
    assert subjects(ask(made(named("base"), variants={99: "nonsense"}), database.dsn())) == {"base"}


# -- what no check is let see ----------------------------------------------------------------------------------


def test_tables_that_nobody_wrote_are_left_out(one: Database):
    """The system's own, temporary ones of any session, what an extension brought."""
    with one.connect() as other:
        other.execute("create temporary table somebodys (n int)")
        found = subjects(look(tables(kinds="'r', 'p', 'v'"), one.dsn(), subject="table"))
    assert found == {*("app.a", "app.b", 'app."Odd ""one"', "other.a", "legacy.a", "public.pgmigrations", "public.z")}


def test_functions_types_and_schemas_likewise(one: Database):
    one.run("create function app.f(int) returns int language sql as 'select 1'; create type app.mood as enum ('x')")
    functions = """
        select pg_catalog.format('%I.%I', ns.nspname, f.proname) as subject, f.oid as objid, true as ok
        from pg_catalog.pg_proc as f inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
    """
    assert subjects(look(functions, one.dsn(), subject="function")) == {"app.f"}
    types = """
        select pg_catalog.format('%I.%I', ns.nspname, t.typname) as subject, t.oid as objid, true as ok
        from pg_catalog.pg_type as t inner join pg_catalog.pg_namespace as ns on t.typnamespace = ns.oid
        where t.typtype = 'e'
    """
    assert subjects(look(types, one.dsn(), subject="type")) == {"app.mood"}
    schemas = """
        select pg_catalog.quote_ident(ns.nspname) as subject, ns.oid as objid, true as ok from pg_catalog.pg_namespace as ns
    """
    assert subjects(look(schemas, one.dsn(), subject="schema")) == {"app", "other", "legacy", "public"}


def test_ignored_schemas_are_left_out_of_every_check_and_told(one: Database):
    check = made(tables(), subject="table", universe="tables")
    left = subjects(ask(check, one.dsn(), ignored=("legacy", "oth'er", "other")))
    assert left == {"app.a", "app.b", 'app."Odd ""one"', "public.pgmigrations", "public.z"}
    everything = ("app", "other", "legacy", "public")
    assert ask(check, one.dsn(), ignored=everything) == NotApplicable(f"0 tables (ignored: {', '.join(everything)})")


def test_bookkeeping_is_spared_where_the_check_says_so(one: Database):
    spared = subjects(look(tables(), one.dsn(), subject="table", spares_bookkeeping=True))
    assert "public.pgmigrations" not in spared
    assert "public.z" in spared


def test_bookkeeping_of_a_common_name_is_told_by_its_columns(embedded_database: Database):
    embedded_database.run("""
        create schema typeorm; create table typeorm.migrations (id serial, "timestamp" bigint, name text);
        create schema storage; create table storage.migrations (id int, name text, hash text, executed_at timestamp);
        create schema ours;
        create table ours.migrations (id int, name text, hash text, executed_at timestamp, bird int);
        create schema bare; create table bare.migrations ();
        create schema dropped; create table dropped.migrations (id int, name text, "timestamp" bigint, bird int);
        alter table dropped.migrations drop column bird;
    """)
    spared = subjects(look(tables(), embedded_database.dsn(), subject="table", spares_bookkeeping=True))
    assert {s for s in spared if s.endswith(".migrations")} == {"ours.migrations", "bare.migrations"}
    assert "storage.migrations" in subjects(look(tables(), embedded_database.dsn(), subject="table"))


def test_counts_are_kept_by_schema_and_by_owned_table(one: Database):
    check = made(tables("c.relname <> 'a'"), subject="table")
    outcome = ask(check, one.dsn())
    assert isinstance(outcome, Examined)
    assert outcome.tally == {
        '"app"': Count(examined=3, ok=2),
        '"legacy"': Count(examined=1, ok=0),
        '"other"': Count(examined=1, ok=0),
        '"public"': Count(examined=2, ok=2),
    }
    outcome = ask(check, one.dsn(), owned=frozenset({'"app"."a"', '"app"."Odd ""one"'}))
    assert isinstance(outcome, Examined)
    assert {scope: count for scope, count in outcome.tally.items() if "app" in scope} == {
        '"app"': Count(examined=1, ok=1),
        '"app"."a"': Count(examined=1, ok=0),
        '"app"."Odd ""one"': Count(examined=1, ok=1),
    }


def test_of_very_many_findings_some_are_listed_and_all_are_counted(one: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pack, "MOST_FINDINGS", 30)
    many = "select 's' || n as subject, n > 100 as ok from pg_catalog.generate_series(1, 1000) as n"
    outcome = look(many, one.dsn())
    assert isinstance(outcome, Examined)
    assert (outcome.examined, outcome.healthy) == (1000, 900)
    assert len(outcome.findings) == len(outcome.observations) == 30
    assert made(many).info.credit == RATIO
    few = "select 's' || n as subject, n > 3 as ok from pg_catalog.generate_series(1, 1000) as n"
    outcome = look(few, one.dsn())
    assert isinstance(outcome, Examined)
    assert (len(outcome.findings), outcome.examined, outcome.healthy) == (3, 1000, 997)
    assert 3 < len(outcome.observations) <= pack.HEALTHY_SHOWN


def test_a_ramp_needs_its_measure_and_has_it(one: Database):
    ramp = {"ramp": {"measure": "used", "target": 10, "limit": 20}}
    outcome = look("select 'a' as subject, false as ok, 12.5 as used", one.dsn(), credit=ramp)
    assert made("select 1 as subject", credit=ramp).info.credit == Ramp(measure="used", target=10, limit=20)
    assert isinstance(outcome, Examined)
    assert outcome.observations[0].evidence == {"used": 12.5}


# -- few are told apart here, many are counted there ------------------------------------------------------------


def test_what_was_not_there_when_it_was_looked_up_is_told_apart_by_the_server(database: Database):
    target = Target(profile=Profile(name="t"), folder=Path(), now=NOW)
    before = Anchors.take(postgres := Postgres(database.dsn()), target)
    postgres.close()
    database.run("create schema later; create table later.broken (); create table public.later ()")
    with database.connect() as another:
        another.execute("create temporary table broken ()")  # and its schema, if it is the first of that session
        one, other = both_ways(made(tables("c.relname <> 'broken'"), subject="table"), database.dsn(), anchors=before)
    database.run("drop schema later cascade; drop table public.later")
    assert one == other
    assert isinstance(one, Examined)
    assert [o.subject for o in one.findings] == ["later.broken"]


def test_more_subjects_than_are_sent_are_counted_by_the_server(one: Database, monkeypatch: pytest.MonkeyPatch):
    many = made("select 's' || n as subject, n > 3 as ok from pg_catalog.generate_series(1, 1000) as n")
    few = Anchors.take(postgres := Postgres(one.dsn()), Target(profile=Profile(name="t"), folder=Path(), now=NOW))
    postgres.close()
    monkeypatch.setattr(anchors_of, "MOST", 10)
    told_apart, counted = both_ways(many, one.dsn(), anchors=few)
    assert told_apart == counted
    assert isinstance(told_apart, Examined)
    assert (told_apart.examined, told_apart.healthy) == (1000, 997)


def test_a_large_database_is_not_looked_up_object_by_object(one: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(anchors_of, "MOST", 3)
    postgres = Postgres(one.dsn())
    taken = Anchors.take(postgres, Target(profile=Profile(name="t"), folder=Path(), now=NOW))
    ((pg_catalog,),) = (tuple(r.values()) for r in postgres.rows("select 'pg_catalog'::regnamespace::oid", marker="t"))
    assert (taken.few, taken.known) == (False, {})
    assert pg_catalog in (taken.left_out_schemas or ())
    postgres.close()


def test_schemas_that_are_left_out_and_made_since_are_left_out_too(one: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(anchors_of, "MOST", 3)
    postgres = Postgres(one.dsn())
    target = Target(profile=Profile(name="t"), folder=Path(), now=NOW, ignored_schemas=("made since",))
    facts, check = runner.Facts({Target: target, Postgres: postgres}), made(tables("true"), subject="table")
    try:
        before = runner.ask(check, facts, {})
        with one.connect() as other:
            other.execute("create temporary table of_a_session (n int)")
            other.execute('create schema "made since" create table of_nobody (n int)')
            assert runner.ask(check, facts, {}) == before
            other.execute("create schema looked_at create table of_somebody (n int)")
            after = runner.ask(check, facts, {})
            other.execute('drop schema "made since", looked_at cascade')
    finally:
        postgres.close()
    assert isinstance(before, Examined)
    assert isinstance(after, Examined)
    assert after.tally == before.tally | {'"looked_at"': Count(examined=1, ok=1, unseen=0)}


# -- a DDL statement stands in the way -------------------------------------------------------------------------

SIZES = """
    select
        pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
        c.oid as objid,
        pg_catalog.pg_relation_size(c.oid) = 0 as ok
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where
        c.relkind = 'r'
        and ns.nspname = 'busy'
        and c.oid <> all (
            coalesce(nullif(pg_catalog.current_setting('readiness.locked_relations', true), ''), '{}')::oid[]
        )
"""


@pytest.fixture
def waiting_ddl(database: Database) -> Iterator[None]:
    """An ALTER TABLE that waits behind a reader: whoever comes next waits behind it."""
    database.run("""
        drop schema if exists busy cascade; create schema busy;
        create table busy.held (n int); create table busy.free (n int);
        create table busy.tree (n int) partition by list (n);
        create table busy.leaf partition of busy.tree for values in (1)
    """)
    with database.connect() as reader, psycopg.connect(database.dsn(), autocommit=True) as ddl:
        reader.execute("begin")
        reader.execute("select * from busy.held, busy.leaf")

        def alter() -> None:
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                ddl.execute("alter table busy.held add column m int")

        altering = threading.Thread(target=alter)
        altering.start()
        with database.connect() as admin:
            waits = "select wait_event_type = 'Lock' from pg_stat_activity where query like 'alter table busy.held%'"
            assert stage.eventually(lambda: (admin.execute(waits).fetchone() or (False,))[0])
        yield
        reader.execute("rollback")
        altering.join()


@pytest.mark.usefixtures("waiting_ddl")
def test_a_locked_relation_is_named_and_all_others_are_looked_at(database: Database):
    outcome = look(SIZES, database.dsn(), subject="table")
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.LOCKED
    assert [u.subject for u in outcome.unseen] == ["busy.held"]
    assert {o.subject for o in outcome.observations} == {"busy.free", "busy.leaf"}


@pytest.mark.usefixtures("waiting_ddl")
def test_a_locked_relation_counts_for_who_owns_it(database: Database):
    owned = frozenset({'"busy"."held"'})
    query = SIZES.replace("pg_relation_size(c.oid) = 0 as ok", "pg_relation_size(c.oid) < 0 as ok")
    outcome = ask(made(query, subject="table"), database.dsn(), owned=owned)
    assert isinstance(outcome, Examined)
    assert outcome.tally == {
        '"busy"': Count(examined=2, ok=0),
        '"busy"."held"': Count(examined=0, ok=0, unseen=1),
    }


@pytest.mark.usefixtures("waiting_ddl")
def test_a_locked_relation_of_an_ignored_schema_does_not_count(database: Database):
    outcome = ask(made(SIZES, subject="table"), database.dsn(), ignored=("busy",))
    assert isinstance(outcome, NotApplicable)


@pytest.mark.usefixtures("waiting_ddl")
def test_a_check_that_cannot_leave_it_out_is_unknown(database: Database):
    outcome = look("select 'a' as subject, count(*) = 0 as ok from busy.held", database.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.LOCKED


def test_without_the_lock_all_is_seen(database: Database):
    database.run("drop schema if exists busy cascade; create schema busy; create table busy.held (n int)")
    assert subjects(look(SIZES, database.dsn(), subject="table")) == {"busy.held"}


# -- parameters ------------------------------------------------------------------------------------------------

PARAMETRIC = """
    select
        'it' as subject,
        true as ok,
        coalesce(nullif(current_setting('readiness.most', true), ''), '7')::int8 as most,
        coalesce(nullif(pg_catalog.current_setting('readiness.share', true), ''), '0.5')::float8 as share,
        coalesce(nullif(current_setting( 'readiness.strict' , true ), ''), 'false')::bool as strict,
        coalesce(nullif(current_setting('readiness.name', true), ''), 'any') as name
"""


def test_parameters_have_the_defaults_and_types_that_stand_in_the_query(one: Database):
    assert made(PARAMETRIC).info.parameters == {"most": 7, "share": 0.5, "strict": False, "name": "any"}

    def evidence(given: Mapping[str, Scalar]) -> Mapping[str, Any]:
        outcome = look(PARAMETRIC, one.dsn(), given)
        assert isinstance(outcome, Examined)
        return outcome.observations[0].evidence

    assert evidence({}) == {"most": 7, "share": 0.5, "strict": False, "name": "any"}
    given: dict[str, Scalar] = {"most": 9, "share": 1e-7, "strict": True, "name": "o'dd %"}
    assert evidence(given) == given


def test_a_policy_sets_known_parameters_to_values_of_their_type(tmp_path: Path):
    def refused(parameters: str) -> str:
        path = stage.write_policy(tmp_path, f"name: p\nchecks: {{schema/odd: {{parameters: {{{parameters}}}}}}}\n")
        with pytest.raises(ConfigError) as caught:
            policy.check_names(policy.load(str(path), {}), [made(PARAMETRIC)])
        return str(caught.value)

    assert "expected a number" in refused("most: nine")
    assert "expected a number" in refused("most: true")
    assert "expected true or false" in refused("strict: 1")
    assert "expected a text" in refused("name: 5")
    assert "no parameter 'mots'; it has: most, name, share, strict" in refused("mots: 1")
    path = stage.write_policy(tmp_path, "name: p\nchecks: {schema/odd: {parameters: {most: 9, share: 1, name: x}}}\n")
    policy.check_names(policy.load(str(path), {}), [made(PARAMETRIC)])


def test_a_parameter_without_a_default_is_refused():
    with pytest.raises(PackError, match=r"mine: schema/odd.sql: readiness.most has no default"):
        made("select current_setting('readiness.most', true) as subject")


# -- the header ------------------------------------------------------------------------------------------------

HEADER = """/*---
title: All is well
subject: setting
universe: settings
priority: P1
effort: S
credit: ratio
why: So.
mend: Mend it.
---*/
select 'a' as subject, true as ok
"""


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        (2, "titel: All is well", "2:1: titel: unknown key; did you mean 'title'?"),
        (9, "mend: x\ntitle: y", "10:1: the key 'title' stands twice; the first is on line 2"),
        (5, "priority: P9", '5:1: priority: "P9": expected'),
        (6, "effort: XL", '6:1: effort: "XL": expected'),
        (3, "subject: tabel", "'tabel' is no kind of subject"),
        (7, "credit: most", '7:1: credit: "most"'),
        (7, "credit: {ramp: {measure: m, target: 1, limit: 1}}", "7:1: credit: a ramp has a target and a limit"),
        (7, "credit: {tiers: {measure: m, steps: [[2, 0.5], [1, 0.2]]}}", "7:1: credit: tiers have upper bounds"),
        (7, "credit: {tiers: {measure: m, steps: [[2, 1]]}}", "7:1: credit: a tier's credit lies in"),
        (7, "credit: {}", "7:1: credit"),
        (9, "mend: x\nneeds: [pg_monitor, root]", "10:21: needs[1]: 'root' is no need"),
        (9, "mend: x\nlinks: ['http://insecure']", "10:9: links[0]"),
        (9, "mend: x\nvalid_days: 0", "10:1: valid_days: 0: expected greater than 0"),
        (9, "mend: x\nneeds: pg_monitor", "10:1: needs"),
        (4, "universe: [settings", "not valid YAML"),
        (4, "universe: &x settings", "4:11: anchors and aliases are not used here"),
    ],
)
def test_a_fault_in_a_header_is_told_with_file_and_line(line: int, instead: str, said: str):
    lines = HEADER.splitlines()
    lines[line - 1] = instead
    with pytest.raises(PackError) as caught:
        pack.sql_check(Category.SCHEMA, "odd", "\n".join(lines), {}, pack="mine")
    message = str(caught.value)
    assert message.startswith("mine: schema/odd.sql:")
    assert said in message
    assert re.match(r"mine: schema/odd\.sql:\d+:\d+: ", message)


def test_the_first_line_of_the_header_need_not_be_the_files_first():
    with pytest.raises(PackError, match=r"mine: schema/odd.sql:4:1: titel: unknown key"):
        pack.sql_check(Category.SCHEMA, "odd", "\n\n" + HEADER.replace("title", "titel"), {}, pack="mine")


def test_a_missing_key_is_named():
    text = HEADER.replace("why: So.\n", "")
    with pytest.raises(PackError, match=r"mine: schema/odd.sql:2:1: here: 'why' is missing"):
        pack.sql_check(Category.SCHEMA, "odd", text, {}, pack="mine")


@pytest.mark.parametrize("text", ["select 1", "", "/*---\ntitle: x\nselect 1", "-- x\n" + HEADER])
def test_a_file_without_a_header_is_refused(text: str):
    with pytest.raises(PackError, match=r"mine: schema/odd.sql: a .sql check opens with a /\*---"):
        pack.sql_check(Category.SCHEMA, "odd", text, {}, pack="mine")


def test_subjects_that_live_in_the_catalog_need_their_oid():
    with pytest.raises(PackError, match="need a column objid, the oid in pg_class"):
        made("select 'a' as subject, true as ok", subject="table")
    with pytest.raises(PackError, match="need a column objid"):
        made(tables(), subject="table", variants={17: "select 'a' as subject, true as ok"})


def folder(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = tmp_path / "schema" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_files_are_checks_by_their_names(tmp_path: Path):
    root = folder(tmp_path, **{"odd_one.sql": HEADER, "other.sql": HEADER, "other@17.sql": "select 1", "note.md": "x"})
    found = {c.info.id: c for c in pack.sql_checks(root, pack="mine")}
    assert set(found) == {"schema/odd-one", "schema/other"}
    assert found["schema/other"].info.pack == "mine"
    assert found["schema/other"].info.sha256 != found["schema/odd-one"].info.sha256, "a variant is part of the question"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Odd.sql", "schema/Odd.sql: names are like fk_without_index.sql"),
        ("odd-one.sql", "schema/odd-one.sql: names are like"),
        ("odd@x.sql", "schema/odd@x.sql: names are like"),
        ("orphan@17.sql", "there is no orphan.sql that it varies"),
    ],
)
def test_names_that_say_nothing_are_refused(tmp_path: Path, name: str, said: str):
    root = folder(tmp_path, **{"odd.sql": HEADER, name: HEADER})
    with pytest.raises(PackError, match=re.escape(said)):
        list(pack.sql_checks(root, pack="mine"))


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path):
    root = folder(tmp_path, **{"odd.sql": HEADER})
    (root / "schema" / "odd.sql").write_bytes(HEADER.replace("So.", "S\xf6.").encode("latin-1"))
    with pytest.raises(PackError, match=r"mine: schema/odd.sql: can't be read"):
        list(pack.sql_checks(root, pack="mine"))
    (root / "schema" / "odd.sql").unlink()
    (root / "schema" / "odd.sql").mkdir()
    with pytest.raises(PackError, match=r"mine: schema/odd.sql: can't be read"):
        list(pack.sql_checks(root, pack="mine"))


def test_two_checks_of_one_name_are_refused_with_both_packs():
    other = pack.sql_check(Category.SCHEMA, "odd", HEADER, {}, pack="theirs")
    with pytest.raises(PackError, match=r"two checks are named 'schema/odd', in mine and theirs"):
        pack.in_order([made("select 1 as subject"), other])


# -- the Python door -------------------------------------------------------------------------------------------

Load = Callable[..., list[Check]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a package of one module, `schema/odd.py`."""
    count = 0
    monkeypatch.syspath_prepend(str(tmp_path))

    def loaded(text: str, **others: str) -> list[Check]:
        nonlocal count
        count += 1
        name = f"pack_of_a_test_{tmp_path.name}_{count}"
        files = {"__init__.py": "", "schema/__init__.py": "", "schema/odd.py": text}
        stage.write_pack(tmp_path / name, files | {f"schema/{k}.py": v for k, v in others.items()})
        return pack.load(name)

    return loaded


FINE = "return [Observation(subject='it', ok=server.major > 9)]"


def test_a_function_is_a_check_by_its_name_docstring_and_annotations(load: Load):
    text = stage.python_check(FINE, asks="server: Server, *, most: int = 7, name: str = 'x'")
    (found,) = load(text, _helper="not even Python")
    info = found.info
    assert (info.id, info.title, info.why) == ("schema/odd", "All is well", "A test asks.")
    assert info.parameters == {"most": 7, "name": "x"}
    assert [kind.__name__ for kind in found.facts.values()] == ["Server"]
    assert found.source.strip() == text.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (stage.python_check(FINE, name="even"), r"the check is named like its file, odd\(\), not even\(\)"),
        (stage.python_check(FINE).replace("All is well.\n\n", "", 1), "the docstring is the title, an empty line"),
        (re.sub(r'""".*?"""', "", stage.python_check(FINE), flags=re.DOTALL), "the docstring is the title"),
        (stage.python_check(FINE, subject='"tabel"'), "'tabel' is no kind of subject"),
        (stage.python_check(FINE, asks="server"), "'server' is neither an annotated fact nor"),
        (stage.python_check(FINE, asks="server: 'list[Server]'"), "'server' is neither an annotated fact nor"),
        (stage.python_check(FINE, asks="server: Server, *, most: int"), "'most' is neither an annotated fact nor"),
        (stage.python_check(FINE, asks="server: Server, *rest: Server"), "'rest' is neither an annotated fact nor"),
    ],
)
def test_a_function_that_breaks_the_contract_says_how(load: Load, text: str, said: str):
    with pytest.raises(TypeError, match=said):
        load(text)


def test_a_module_holds_one_check(load: Load):
    two = stage.python_check(FINE) + "\neven = odd\n"
    with pytest.raises(PackError, match="a module holds one check, this one holds 2"):
        load(two)
    with pytest.raises(PackError, match="a module holds one check, this one holds 0"):
        load("x = 1\n")


# -- what an answer becomes ------------------------------------------------------------------------------------


def info(subject_kind: str = "server") -> CheckInfo:
    return CheckInfo(
        id="schema/odd",
        title="t",
        category=Category.SCHEMA,
        priority=Priority.P1,
        effort=Effort.S,
        credit=RATIO,
        subject_kind=subject_kind,
        universe="servers",
        why="w",
        mend="m",
    )


def answer(given: Callable[[], Any]) -> Outcome:
    check = Check(info=info(), facts={}, ask=given, source="")
    return runner.ask(check, runner.Facts({}), {})


GOOD = Observation(subject="it", ok=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "TypeError"),
        (7, "TypeError"),
        ("text", "observations and unseen subjects only"),
        ([GOOD, "x"], "observations and unseen subjects only"),
        ([GOOD, GOOD], "stands twice"),
        ([Observation(subject="", ok=True)], "a subject has a name"),
        ([Observation(subject="it", ok=1)], "ok is 1, neither true nor false"),  # type: ignore[arg-type]
        ([Observation(subject="it", ok=None)], "ok is None"),  # type: ignore[arg-type]
        ([Observation(subject="it", ok=True, kind="tabel")], "is no kind of subject"),
        (Examined(observations=(), tally={}), "at least one subject"),
        (Examined(observations=(), tally={"a": Count(examined=1, ok=2)}), "more healthy subjects than subjects"),
        (Examined(observations=(), tally={"a": Count(examined=-1, ok=-2)}), "subject"),
        (Examined(observations=(GOOD,), tally={"a": Count(examined=1, ok=0)}), "more than the counted ones"),
    ],
)
def test_an_answer_that_contradicts_itself_is_unknown(given: object, said: str):
    outcome = answer(lambda: given)
    assert isinstance(outcome, Unknown), outcome
    assert outcome.reason is Reason.ERROR
    assert said in outcome.detail


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), SystemExit(0), RecursionError("deep"), MemoryError(), KeyError("x")]
)
def test_a_check_that_breaks_is_unknown_and_stops_no_other(error: BaseException):
    def broken() -> Any:
        raise error

    checks = [
        Check(info=info(), facts={}, ask=broken, source=""),
        Check(info=info(), facts={}, ask=lambda: GOOD, source=""),
    ]
    first, second = runner.run(
        checks, runner.Facts({}), parameters=lambda _: {}, selected=lambda _: True, now=NOW, evidence_days=7
    )
    assert isinstance(first.outcome, Unknown)
    assert first.outcome.detail.startswith(f"the check broke: {type(error).__name__}")
    assert isinstance(second.outcome, Examined)


def test_the_next_question_is_sent_before_an_answer_is_read():
    happened: list[str] = []

    def sent(name: str) -> Check:
        def read() -> Any:
            happened.append(f"{name} read")
            if name == "broken":
                raise RuntimeError("boom")
            return GOOD

        def ask() -> Awaited:
            happened.append(f"{name} sent")
            return Awaited(lambda: happened.append(f"{name} here"), read)

        return Check(info=replace(info(), id=f"schema/{name}"), facts={}, ask=ask, source="", sends=True)

    def at_once() -> Any:
        happened.append("c asked")
        return GOOD

    checks = [
        sent("a"),
        sent("broken"),
        sent("b"),
        Check(info=replace(info(), id="schema/c"), facts={}, ask=at_once, source=""),
        sent("d"),
        sent("left-out"),
    ]
    for result in runner.run(
        checks,
        runner.Facts({}),
        parameters=lambda _: {},
        selected=lambda check: not check.endswith("left-out"),
        now=NOW,
        evidence_days=7,
    ):
        happened.append(f"{result.check.id} told")
        assert isinstance(result.outcome, Unknown) == (result.check.id in ("schema/broken", "schema/left-out"))
    assert happened == [
        *("a sent", "a here", "broken sent", "a read", "schema/a told"),
        *("broken here", "b sent", "broken read", "schema/broken told"),
        *("b here", "b read", "schema/b told"),  # what asks by itself may take long, and is interrupted
        *("c asked", "schema/c told"),
        *("d sent", "d here", "d read", "schema/d told", "schema/left-out told"),
    ]


def test_what_each_check_takes_is_told_by_the_clock_that_is_given():
    """One that stands still while a session rests, also before a second question that an answer makes necessary."""
    now = 0.0

    def passing(seconds: float, value: Any = None) -> Any:
        nonlocal now
        now += seconds
        return value

    steps = Awaited(lambda: passing(2), lambda: passing(4, GOOD))
    check = Check(info=info(), facts={}, ask=lambda: passing(1, steps), source="", sends=True)
    (result,) = runner.run(
        [check],
        runner.Facts({}),
        parameters=lambda _: {},
        selected=lambda _: True,
        now=NOW,
        evidence_days=7,
        clock=lambda: now,
    )
    assert result.seconds == 7


def test_a_question_is_on_its_way_while_others_compute():
    happened: list[str] = []

    class Old:
        @classmethod
        def take(cls) -> Any:
            happened.append("old taken")
            return cls()

    class New(Old):
        @classmethod
        def take(cls) -> Any:
            happened.append("new taken")
            return cls()

    def told(name: str) -> Any:
        happened.append(name)
        return GOOD

    def sent(name: str) -> Check:
        def ask() -> Awaited:
            happened.append(f"{name} sent")
            return Awaited(lambda: happened.append(f"{name} here"), lambda: told(f"{name} read"))

        return Check(info=replace(info(), id=f"schema/{name}"), facts={}, ask=ask, source="", sends=True)

    def computing(name: str, fact: type[Any], *, computes: bool = True) -> Check:
        known = replace(info(), id=f"schema/{name}")
        return Check(info=known, facts={"fact": fact}, ask=lambda fact: told(name), source="", computes=computes)

    checks = [
        *(
            computing("a", Old),
            sent("b"),
            computing("c", Old),
            computing("left-out", New),
            sent("left-out-too"),
            computing("d", Old),
            sent("e"),
        ),
        *(computing("f", Old), computing("g", New), computing("h", New), sent("i")),
        *(computing("j", New, computes=False), sent("k"), computing("l", New)),
    ]
    selected = {check.info.id for check in checks} - {"schema/left-out", "schema/left-out-too"}
    results = list(
        runner.run(
            checks,
            runner.Facts({}),
            parameters=lambda _: {},
            selected=selected.__contains__,
            now=NOW,
            evidence_days=7,
        )
    )
    assert [result.check.id for result in results] == [check.info.id for check in checks]
    assert {result.check.id for result in results if isinstance(result.outcome, Examined)} == selected
    assert happened == [
        *("b sent", "b here", "old taken", "a"),  # to take a fact may last long: no transaction is open then
        *("b here", "e sent", "b read", "c", "d"),
        *("e here", "i sent", "e read", "f", "i here", "new taken", "g", "h"),
        *("i here", "i read", "j", "k sent", "k here", "k read", "l"),
    ]


def test_evidence_becomes_what_every_format_can_carry():
    odd = {"nan": math.nan, "far": math.inf, "text": "\ud800", "list": [math.nan, object], "long": "x" * 9_000}
    outcome = answer(lambda: Observation(subject="a\ud800b", ok=False, evidence=odd, remedy="r"))
    assert isinstance(outcome, Examined)
    (seen,) = outcome.observations
    assert seen.subject == "a\\ud800b"
    assert seen.evidence["nan"] is None
    assert seen.evidence["far"] == "infinity"
    assert seen.evidence["text"] == "\\ud800"
    assert len(str(seen.evidence["long"])) < 5_000


def test_nothing_is_not_applicable_and_one_is_a_list():
    assert answer(list) == NotApplicable("0 servers")
    assert isinstance(answer(lambda: GOOD), Examined)
    unseen = Unseen(subject="it", reason=Reason.STALE, detail="old")
    assert isinstance(answer(lambda: [GOOD, unseen]), Unknown)
    outcome = answer(lambda: unseen)
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.STALE


# -- facts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    taken: ClassVar[int] = 0

    @classmethod
    def take(cls) -> Self:
        cls.taken += 1
        return cls()


@dataclass(frozen=True)
class Refused:
    taken: ClassVar[int] = 0

    @classmethod
    def take(cls, counted: Counted) -> Self:
        cls.taken += 1
        raise Unobservable(Reason.TIMEOUT, "too slow", "be quick")


@dataclass(frozen=True)
class Built:
    @classmethod
    def take(cls, refused: Refused) -> Self:
        return cls()


@dataclass(frozen=True)
class Broken:
    taken: ClassVar[int] = 0

    @classmethod
    def take(cls) -> Self:
        cls.taken += 1
        raise RuntimeError("boom")


@dataclass(frozen=True)
class Hen:
    @classmethod
    def take(cls, egg: Egg) -> Self:
        return cls()


@dataclass(frozen=True)
class Egg:
    @classmethod
    def take(cls, hen: Hen) -> Self:
        return cls()


class NoFact:
    pass


@pytest.fixture
def facts() -> runner.Facts:
    Counted.taken = Refused.taken = Broken.taken = 0
    return runner.Facts({})


def refusal(facts: runner.Facts, kind: type[Any]) -> Unobservable:
    with pytest.raises(Unobservable) as caught:
        facts.get(kind)
    return caught.value


def test_a_fact_is_taken_once(facts: runner.Facts):
    assert facts.get(Counted) is facts.get(Counted)
    refusal(facts, Refused)
    assert Counted.taken == 1


def test_a_refusal_is_kept_and_handed_on(facts: runner.Facts):
    for kind in (Refused, Built, Refused, Built):
        told = refusal(facts, kind)
        assert (told.reason, told.detail, told.unlock) == (Reason.TIMEOUT, "too slow", "be quick")
    assert Refused.taken == 1


def test_an_exception_is_kept_too(facts: runner.Facts):
    for _ in range(2):
        told = refusal(facts, Broken)
        assert (told.reason, told.detail) == (Reason.ERROR, "Broken could not be taken: RuntimeError: boom")
    assert Broken.taken == 1


def test_facts_that_wait_for_each_other_are_told(facts: runner.Facts):
    told = refusal(facts, Hen)
    assert told.reason is Reason.ERROR
    assert "facts wait for each other: Hen -> Egg -> Hen" in told.detail


def test_what_is_no_fact_makes_its_check_unknown(facts: runner.Facts):
    check = Check(info=info(), facts={"x": NoFact}, ask=lambda x: GOOD, source="")
    outcome = runner.ask(check, facts, {})
    assert isinstance(outcome, Unknown)
    assert "NoFact is no fact" in outcome.detail


def test_a_refused_fact_makes_its_check_unknown_for_the_same_reason(facts: runner.Facts):
    check = Check(info=info(), facts={"x": Built}, ask=lambda x: GOOD, source="")
    outcome = runner.ask(check, facts, {})
    assert outcome == Unknown(reason=Reason.TIMEOUT, detail="too slow", unlock="be quick")
