"""The session with Postgres harms nothing, ends in time whatever the other side does, and says why it could not look."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, pq, sql

import stage
from conftest import Database
from readiness.authoring import Unobservable
from readiness.embedded import Cluster
from readiness.facts import postgres as module
from readiness.facts.postgres import APPLICATION_NAME, Postgres
from readiness.facts.server import Server
from readiness.model import Reason

Open = Callable[..., Postgres]


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    """One for all tests of this file, on each of the servers in turn."""
    with stage.database(cluster) as made:
        yield made


@pytest.fixture(scope="module")
def embedded_database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        yield made


@pytest.fixture(scope="module")
def debian_database(debian_cluster: Cluster) -> Iterator[Database]:
    with stage.database(debian_cluster) as made:
        yield made


@pytest.fixture
def opened() -> Iterator[Open]:
    """Sessions that are closed behind the test."""
    made: list[Postgres] = []

    def make(dsn: str, **options: Any) -> Postgres:
        made.append(Postgres(dsn, **options))
        return made[-1]

    yield make
    for session in made:
        session.close()


def rows(session: Postgres, statement: str, *parameters: object, **options: Any) -> list[dict[str, Any]]:
    return session.rows(statement, parameters, marker="test", **options)


def refused(session: Postgres, statement: str, *parameters: object, **options: Any) -> Unobservable:
    with pytest.raises(Unobservable) as caught:
        rows(session, statement, *parameters, **options)
    return caught.value


def through(dsn: str, port: int, **parameters: str | int) -> str:
    return conninfo.make_conninfo(dsn, host="127.0.0.1", port=port, **parameters)


@contextmanager
def took(*, less_than: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < less_than


def backends(cluster: Cluster, database: str) -> list[tuple[int, str]]:
    """Our sessions in a database, and the statement that each runs or ran last."""
    with cluster.connect() as admin:
        found = admin.execute(
            "select pid, query from pg_stat_activity where application_name = %s and datname = %s",
            (APPLICATION_NAME, database),
        )
        return [(pid, query) for pid, query in found]


# -- the guards ------------------------------------------------------------------------------------------------

GUARDS = {
    "transaction_read_only": "on",
    "transaction_isolation": "read committed",
    "statement_timeout": "5000",
    "lock_timeout": "50",
    "idle_in_transaction_session_timeout": "15000",
    "client_connection_check_interval": "1000",
    "row_security": "off",
    "search_path": "pg_catalog",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "TimeZone": "UTC",
}


def test_every_guard_holds_while_a_question_is_asked(database: Database, opened: Open):
    session = opened(database.bare_dsn())
    ask = "select name, setting from pg_catalog.pg_settings where name = any ($1::text[])"
    for _ in range(2):
        found = {row["name"]: row["setting"] for row in rows(session, ask, list(GUARDS))}
        assert found == GUARDS
    (row,) = rows(session, "select current_setting('statement_timeout') as limit", seconds=1.5)
    assert row == {"limit": "1500ms"}
    (row,) = rows(session, "select current_setting('readiness.odd', true) as odd", settings={"readiness.odd": "a'b%"})
    assert row == {"odd": "a'b%"}


LEAVINGS = [
    "select set_config('statement_timeout', '7s', false)",
    "set search_path to public",
    "set session characteristics as transaction read write",
    "select pg_catalog.pg_advisory_xact_lock(7)",
    "select * from pg_catalog.pg_class limit 1",
    "select 1/0",
    "commit",
    "select pg_catalog.pg_sleep(3)",
]


def test_nothing_stays_in_the_session(database: Database, opened: Open):
    """What a pooler's next client would inherit: settings, locks, prepared statements, an open transaction."""
    session = opened(database.bare_dsn())
    rows(session, "select 1")
    for statement in LEAVINGS:
        with suppress(Unobservable):
            rows(session, statement, seconds=0.2, settings={"readiness.mine": "1"})
    own = session._connection
    assert own is not None
    ask = "select name, setting from pg_settings where name <> 'application_name'"
    with database.connect(user=database.bare_role, password="bare-role-of-a-test", client_encoding="utf8") as fresh:
        expected = dict(fresh.execute(ask).fetchall())
    assert dict(own.execute(ask).fetchall()) == expected
    assert own.execute("select current_setting('readiness.mine', true)").fetchone() in [("",), (None,)]
    assert own.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
    with database.connect() as admin:
        state = "select state, xact_start, backend_xmin from pg_stat_activity where pid = %s"
        assert stage.eventually(
            lambda: admin.execute(state, (own.info.backend_pid,)).fetchone() == ("idle", None, None)
        )
        held = "select count(*) from pg_locks where pid = %s and locktype <> 'virtualxid'"
        assert admin.execute(held, (own.info.backend_pid,)).fetchone() == (0,)


WRITES = [
    "insert into public.ledger values (1)",
    "commit; begin read write; insert into public.ledger values (1)",
    "commit; insert into public.ledger values (1)",
    "rollback; insert into public.ledger values (1); begin",
    "end; do $$ begin insert into public.ledger values (1); end $$",
    "do $$ begin commit; insert into public.ledger values (1); end $$",
    "do $$ begin set transaction read write; insert into public.ledger values (1); end $$",
    "set transaction read write",
    "create table public.mine (n int)",
    "copy public.ledger from program 'echo 1'",
    "explain analyze insert into public.ledger values (1)",
    "vacuum public.ledger",
    "alter system set work_mem to '9MB'",
    "select nextval('public.counter')",
]


@pytest.mark.parametrize(
    ("parameters", "at_once"), [((), False), ((1,), False), ((), True)], ids=["alone", "with a parameter", "at once"]
)
def test_nothing_is_written_even_as_superuser(
    database: Database, opened: Open, parameters: tuple[int, ...], at_once: bool
):
    database.run("create table if not exists public.ledger (n int); create sequence if not exists public.counter")
    session = opened(database.dsn())
    for statement in WRITES:
        if parameters:
            statement = statement.replace("(1)", "($1)")  # noqa: PLW2901  the same, asked with a parameter
        refusal = refused(session, statement, *parameters, at_once=at_once)
        assert refusal.reason in (Reason.ERROR, Reason.NO_PERMISSION), (statement, refusal.detail)
        assert rows(session, "select current_setting('transaction_read_only') as on") == [{"on": "on"}]
    with database.connect() as admin:
        assert admin.execute("select count(*) from public.ledger").fetchone() == (0,)
        assert admin.execute("select is_called from public.counter").fetchone() == (False,)
        assert admin.execute("select to_regclass('public.mine')").fetchone() == (None,)


@pytest.mark.parametrize("second", ["select 2", "insert into public.ledger values (1)", "begin read write"])
def test_one_statement_only(embedded_database: Database, opened: Open, second: str):
    session = opened(embedded_database.dsn())
    assert "multiple commands" in refused(session, f"select 1; {second}").detail
    assert "multiple commands" in refused(session, f"select $1::int; {second}", 1).detail
    assert rows(session, "select 1 as one;") == [{"one": 1}]


AT_ONCE = [
    "select 'a;b\\n' as a, E'\\;\\n' as b, '\\' || ';' as c, 'x'\n'y;z' as d, E'\\''\n-- ;\n';' as e -- the end;",
    "select 1.50 as n, null::int as m, array[1.5, 2] as l /* ; */",
    'select U&\'\\0061;\' as a, $$;$$ as b, "a;b" from (select 1 as "a;b") as c',
    "select current_setting('transaction_read_only') as on, current_setting('search_path') as path",
]


@pytest.mark.parametrize("statement", AT_ONCE)
def test_asked_at_once_it_is_answered_the_same(embedded_database: Database, opened: Open, statement: str):
    session = opened(embedded_database.bare_dsn())
    assert rows(session, statement, at_once=True) == rows(session, statement)
    assert refused(session, "select 1; select 2", at_once=True).detail == refused(session, "select 1; select 2").detail
    assert "division" in refused(session, "select 1/0", at_once=True).detail
    assert refused(session, "select pg_catalog.pg_sleep(9)", at_once=True, seconds=0.2).reason is Reason.TIMEOUT
    assert rows(session, "select current_setting('readiness.a') as a", at_once=True, settings={"readiness.a": ";"}) == [
        {"a": ";"}
    ]
    own = session._connection
    assert own is not None
    assert own.info.transaction_status is pq.TransactionStatus.IDLE


def test_a_backslash_that_escapes_in_every_literal(embedded_database: Database, opened: Open):
    embedded_database.run(f"alter role {embedded_database.bare_role} set standard_conforming_strings = off")
    session = opened(embedded_database.bare_dsn())
    statement = r"select 'a\\;b' as a"
    assert rows(session, statement, at_once=True) == rows(session, statement) == [{"a": r"a\;b"}]
    embedded_database.run(f"alter role {embedded_database.bare_role} reset standard_conforming_strings")


def test_a_percent_sign_means_itself(embedded_database: Database, opened: Open):
    session = opened(embedded_database.dsn())
    ask = "select pg_catalog.format('%I.%s %%', 'Odd'::text, 7 % 4) as name"
    assert rows(session, ask) == [{"name": '"Odd".3 %'}]
    assert rows(session, ask + " where $1 = 1", 1) == [{"name": '"Odd".3 %'}]


def test_two_columns_of_one_name_are_refused(embedded_database: Database, opened: Open):
    with pytest.raises(ValueError, match="two columns are named 'a'"):
        rows(opened(embedded_database.dsn()), "select 1 as a, 2 as a")


def test_a_function_that_somebody_put_in_our_way_is_not_called(embedded_database: Database, opened: Open):
    embedded_database.run(f"""
        create function public.lower(name) returns text language sql as 'select ''hijacked''::text';
        create function public.upper(varchar) returns text language sql as 'select ''hijacked''::text';
        alter role {embedded_database.bare_role} set search_path = public, pg_catalog
    """)
    session = opened(embedded_database.bare_dsn())
    ask = "select lower('A'::name) as low, upper('a'::varchar) as up"
    with psycopg.connect(embedded_database.bare_dsn()) as naive:
        assert naive.execute(ask).fetchone() == ("hijacked", "hijacked")
    assert rows(session, ask) == [{"low": "a", "up": "A"}]


def test_rows_that_a_policy_hides_are_an_error_and_not_a_smaller_answer(database: Database, opened: Open):
    database.run(f"""
        create table public.notes (tenant int);
        insert into public.notes values (1), (2);
        alter table public.notes enable row level security;
        create policy own on public.notes using (tenant = 1);
        grant select on public.notes to {database.bare_role};
    """)
    refusal = refused(opened(database.bare_dsn()), "select count(*) from public.notes")
    assert refusal.reason is Reason.NO_PERMISSION
    assert "row-level security" in refusal.detail
    assert refusal.unlock is not None


# -- one question fails, the others go on ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("select 1/0", Reason.ERROR),
        ("selct", Reason.ERROR),
        ("select * from no_such_relation", Reason.UNSUPPORTED),
        ("select no_such_function()", Reason.UNSUPPORTED),
        ("select * from pg_catalog.pg_authid", Reason.NO_PERMISSION),
        ("select pg_catalog.pg_sleep(9)", Reason.TIMEOUT),
        ("select 'x'::int", Reason.ERROR),
        ("select pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())", Reason.UNREACHABLE),
    ],
)
def test_a_failed_question_poisons_no_other(database: Database, opened: Open, statement: str, reason: Reason):
    session = opened(database.bare_dsn())
    assert refused(session, statement, seconds=0.3).reason is reason
    assert rows(session, "select 7 as n") == [{"n": 7}]


@pytest.mark.alone
def test_a_statement_that_takes_too_long_is_ended_and_the_session_stays(database: Database, opened: Open):
    session = opened(database.bare_dsn())
    (before,) = rows(session, "select pg_catalog.pg_backend_pid() as pid")
    with took(less_than=2):
        assert refused(session, "select pg_catalog.pg_sleep(9)", seconds=0.3).reason is Reason.TIMEOUT
        assert refused(session, "select pg_catalog.pg_sleep($1)", 9, seconds=0.3).reason is Reason.TIMEOUT
    assert rows(session, "select pg_catalog.pg_backend_pid() as pid") == [before]


def test_a_cancelled_statement_is_no_timeout(database: Database, opened: Open):
    """The same SQLSTATE: a DBA who cancels us is not told that we were slow."""
    session = opened(database.bare_dsn())

    def cancel() -> None:
        with database.connect() as admin:
            ask = "select pg_cancel_backend(pid) from pg_stat_activity where query like '%%pg_sleep(8.25)%%' and pid <> pg_backend_pid()"
            stage.eventually(lambda: admin.execute(ask).fetchall())

    canceller = threading.Thread(target=cancel)
    canceller.start()
    refusal = refused(session, "select pg_catalog.pg_sleep(8.25)")
    canceller.join()
    assert (refusal.reason, refusal.detail) == (Reason.ERROR, "canceling statement due to user request")


@pytest.mark.alone
def test_a_lock_is_not_waited_for(database: Database, opened: Open):
    database.run("create table public.busy (n int)")
    session = opened(database.dsn())
    with database.connect() as ddl, ddl.transaction():
        ddl.execute("lock table public.busy in access exclusive mode")
        with took(less_than=1):
            refusal = refused(session, "select count(*) from public.busy")
    assert refusal.reason is Reason.LOCKED
    assert rows(session, "select count(*) as n from public.busy") == [{"n": 0}]


@pytest.mark.alone
def test_a_timed_statement_that_fails_waits_forever(database: Database, opened: Open):
    session = opened(database.bare_dsn())

    def timed(statement: str) -> float:
        return session.timed(statement, marker="test", seconds=0.2, settings={}).milliseconds

    assert 0 < timed("select 1") < 200
    assert timed("select pg_catalog.pg_sleep(9)") == float("inf")
    with pytest.raises(Unobservable) as caught:
        timed("select * from pg_catalog.pg_authid")
    assert caught.value.reason is Reason.NO_PERMISSION
    assert 0 < timed("select 1") < 200


def test_a_conflict_is_asked_once_more_and_then_is_the_answer(database: Database, opened: Open):
    """As a standby's recovery ends a query; a session's advisory lock outlives what was rolled back."""
    database.run(
        """
        create function conflicts(most int) returns int language plpgsql as $$
        declare before int := (
            select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
        );
        begin
            if before = most then return before; end if;
            perform pg_advisory_lock(pg_backend_pid(), before);
            raise exception 'conflict with recovery' using errcode = '40001';
        end $$
        """
    )
    assert rows(opened(database.dsn()), "select public.conflicts(1) as n") == [{"n": 1}]
    assert "conflict with recovery" in refused(opened(database.dsn()), "select public.conflicts(2)").detail


# -- permission denied: the exact grant ------------------------------------------------------------------------

SECRETIVE = """
    create schema "Odd Schema";
    create table "Odd Schema"."Odd ""Table" (n int);
    create view "Odd Schema".seen as select 1 as n;
    create materialized view "Odd Schema".kept as select 1 as n;
    create sequence "Odd Schema".counter;
    create schema other;
    create table other.orders (n int);
    create table public.orders (n int);
    create function "Odd Schema".reckon(int, text) returns int language sql as 'select 1';
    create function "Odd Schema".reckon(int) returns int language sql as 'select 1';
    revoke execute on all functions in schema "Odd Schema" from public;
    revoke usage on schema public from public
"""


@pytest.mark.parametrize(
    "statement",
    [
        'select count(*) from "Odd Schema"."Odd ""Table"',
        'select * from "Odd Schema".seen',
        'select * from "Odd Schema".kept',
        'select last_value from "Odd Schema".counter',
        "select count(*) from other.orders",
        "select count(*) from public.orders",
        "select count(*) from other.orders, public.orders",
        "select \"Odd Schema\".reckon(1, 'a'::text)",
        "select count(*) from pg_catalog.pg_hba_file_rules",
        "select count(*) from pg_catalog.pg_authid",
    ],
)
def test_what_is_denied_is_answered_after_the_very_grants_that_were_named(
    database: Database, opened: Open, statement: str
):
    role = f'Odd "Role" {database.name}'
    with database.connect() as admin:
        if admin.execute("select to_regclass('other.orders') is null").fetchone() == (True,):
            database.run(SECRETIVE)
        name = sql.Identifier(role)
        admin.execute(sql.SQL("create role {} login password 'of-a-test'").format(name))
        try:
            granted: list[str] = []
            while len(granted) < 5:
                session = opened(database.dsn(user=role, password="of-a-test"))
                try:
                    rows(session, statement)
                    break
                except Unobservable as unseen:
                    assert unseen.reason is Reason.NO_PERMISSION, unseen.detail
                    assert unseen.unlock is not None, unseen.detail
                    assert unseen.unlock not in granted
                    granted.append(unseen.unlock)
                    for line in unseen.unlock.split(";"):
                        if line.strip():
                            admin.execute(line.encode())
                finally:
                    session.close()
            assert 1 <= len(granted) <= 4, granted
        finally:
            admin.execute(sql.SQL("drop owned by {}").format(name))
            admin.execute(sql.SQL("drop role {}").format(name))


def test_the_grant_names_the_role_that_libpq_found(database: Database, opened: Open, monkeypatch: pytest.MonkeyPatch):
    """Not the one of the DSN, which may name none."""
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(database.cluster.port),
        "PGDATABASE": database.name,
        "PGUSER": database.bare_role,
        "PGPASSWORD": "bare-role-of-a-test",
    }.items():
        monkeypatch.setenv(name, value)
    refusal = refused(opened(""), "select * from pg_catalog.pg_authid")
    assert refusal.unlock == f"grant select on pg_catalog.pg_authid to {database.bare_role};"


# -- the session is lost ---------------------------------------------------------------------------------------


def killing(database: Database, marker: str) -> threading.Thread:
    """Ends the backend that sleeps, once it does."""

    def kill() -> None:
        with database.connect() as admin:
            ask = (
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where query like %s and state = 'active' and pid <> pg_backend_pid()"
            )
            assert stage.eventually(lambda: admin.execute(ask, (f"%{marker}%",)).fetchall())

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_question_is_at_work_while_another_is_read(database: Database, opened: Open):
    session = opened(database.dsn())
    first = session.ask("select 1 / $1::int as n", (0,), marker="test")
    second = session.ask("select n from generate_series(1, 3) as n", marker="test")
    third = session.ask("select 'x' as n", marker="test", at_once=True)
    assert rows(session, "select 4 as n") == [{"n": 4}]
    assert second.rows() == [{"n": 1}, {"n": 2}, {"n": 3}]
    with pytest.raises(Unobservable, match="division by zero"):
        first.rows()
    asked = session.ask("select pg_sleep(0.2)::text as slept, n from generate_series(1, 1) as n", marker="test")
    assert stage.eventually(
        lambda: any("pg_sleep(0.2)" in query for _, query in backends(database.cluster, database.name))
    )
    asked.receive()
    session.close()
    assert asked.rows() == [{"slept": "", "n": 1}]
    assert third.rows() == [{"n": "x"}]


def test_a_session_that_is_closed_leaves_no_question_at_work(database: Database, opened: Open):
    session = opened(database.dsn(), statement_seconds=60)
    asked = session.ask("select pg_sleep(50)", marker="test")
    with took(less_than=10):
        session.close()
        with pytest.raises(Unobservable, match="user request"):
            asked.rows()
    assert stage.eventually(lambda: not backends(database.cluster, database.name))


def test_a_question_that_lost_the_session_on_its_way_is_told_to_who_asked_it(database: Database, opened: Open):
    session = opened(database.dsn())
    lost = [session.ask("select pg_sleep(4.3)", marker="test")]
    killing(database, "pg_sleep(4.3)").join()
    assert rows(session, "select 1 as n") == [{"n": 1}]
    lost.append(session.ask("select pg_sleep(4.4)", marker="test"))
    killing(database, "pg_sleep(4.4)").join()
    assert refused(session, "select 1").detail.startswith("the session was lost twice")
    for asked in lost:
        with pytest.raises(Unobservable) as caught:
            asked.rows()
        assert caught.value.reason is Reason.UNREACHABLE


def test_a_session_that_is_ended_opens_once_more_and_then_no_more(database: Database, opened: Open):
    with stage.Proxy(database.cluster.port) as proxy:
        session = opened(through(database.bare_dsn(), proxy.port))
        rows(session, "select 1")
        connections = proxy.accepted
        for time_lost in (1, 2):
            killer = killing(database, f"pg_sleep(4.{time_lost})")
            refusal = refused(session, f"select pg_catalog.pg_sleep(4.{time_lost})")
            killer.join()
            assert refusal.reason is Reason.UNREACHABLE
            if time_lost == 1:
                assert rows(session, "select 7 as n") == [{"n": 7}]
                assert proxy.accepted == connections + 1
        for _ in range(3):
            refusal = refused(session, "select 1")
            assert (refusal.reason, "lost twice" in refusal.detail) == (Reason.UNREACHABLE, True)
        assert proxy.accepted == connections + 1


def test_the_statement_that_lost_the_session_is_not_sent_again(database: Database, opened: Open):
    """It may be what ends the server."""
    session = opened(database.bare_dsn())
    refused(session, "select pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()), 4711")
    rows(session, "select 1")
    assert session._losses == 1


@pytest.mark.alone
def test_a_half_open_network_is_answered_within_the_cap_and_the_grace(
    database: Database, opened: Open, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.4)
    with stage.Proxy(database.cluster.port) as proxy:
        session = opened(through(database.bare_dsn(), proxy.port), statement_seconds=0.5)
        rows(session, "select 1")
        proxy.stalled = True
        started = time.monotonic()
        refusal = refused(session, "select 1")
        waited = time.monotonic() - started
        assert refusal.reason is Reason.TIMEOUT
        assert 0.4 < waited < 0.5 + module.GRACE_SECONDS + 0.7
        proxy.stalled = False
        assert rows(session, "select 7 as n") == [{"n": 7}]


@pytest.mark.alone
@pytest.mark.parametrize("parameters", [(), (1,)], ids=["alone", "with a parameter"])
def test_a_network_that_stalls_in_the_middle_of_an_answer(
    embedded_database: Database, opened: Open, monkeypatch: pytest.MonkeyPatch, parameters: tuple[int, ...]
):
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.4)
    with stage.Proxy(embedded_database.cluster.port) as proxy:
        session = opened(through(embedded_database.dsn(), proxy.port), statement_seconds=1)
        rows(session, "select 1")
        threading.Timer(0.3, lambda: setattr(proxy, "stalled", True)).start()
        with took(less_than=3):
            where = "where n > $1" if parameters else ""
            slowly = f"select n, pg_catalog.pg_sleep(0.2) from pg_catalog.generate_series(1, 9) as n {where}"
            assert refused(session, slowly, *parameters).reason is Reason.TIMEOUT


@pytest.mark.alone
def test_a_stall_is_no_way_past_the_deadline_when_timing(
    embedded_database: Database, opened: Open, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.4)
    with stage.Proxy(embedded_database.cluster.port) as proxy:
        session = opened(through(embedded_database.dsn(), proxy.port))
        rows(session, "select 1")
        proxy.stalled = True
        with took(less_than=2), pytest.raises(Unobservable) as caught:
            session.timed("select 1", marker="test", seconds=0.2, settings={})
        assert caught.value.reason is Reason.TIMEOUT


def test_an_audit_that_is_killed_leaves_no_statement_behind(embedded_database: Database, tmp_path: Path):
    embedded_database.run(f"alter role {embedded_database.bare_role} set statement_timeout = '60s'")
    stage.write_pack(
        tmp_path / "pack",
        {"schema/slow.sql": stage.sql_check("select 'x' as subject, true as ok from pg_catalog.pg_sleep(58)")},
    )
    policy = stage.write_policy(tmp_path, packs=("./pack",))
    profile = tmp_path / "readiness.yaml"
    profile.write_text("name: p\nprobing: {statement_seconds: 59}\n")
    command = ("score", "-p", profile, "-d", embedded_database.bare_dsn(), "--policy", policy, "--only", "schema/slow")

    def sleeping() -> list[int]:
        return [
            pid for pid, query in backends(embedded_database.cluster, embedded_database.name) if "pg_sleep(58)" in query
        ]

    with stage.start(*command, env=stage.environment(tmp_path), cwd=tmp_path) as auditor:
        assert stage.eventually(sleeping, 60)
        auditor.send_signal(signal.SIGKILL)
        auditor.communicate()
    assert stage.eventually(lambda: not sleeping(), 8), "the server still works for an auditor that is gone"


# -- no session at all -----------------------------------------------------------------------------------------


def no_session(session: Postgres, *, less_than: float = 3) -> str:
    """Why there is none; asked again it says the same without trying again."""
    with took(less_than=less_than):
        first = refused(session, "select 1")
    with took(less_than=0.05):
        assert refused(session, "select 1").detail == first.detail
    assert first.reason is Reason.UNREACHABLE
    assert "\n" not in first.detail
    assert "hunter2" not in first.detail
    return first.detail


@pytest.mark.alone
def test_refused(opened: Open):
    port = stage.free_port()
    said = no_session(opened(f"host=127.0.0.1 port={port} password=hunter2"))
    assert said == f"127.0.0.1:{port}: connection refused; is the server running and listening there?"


@pytest.mark.alone
def test_a_socket_that_nobody_listens_on(opened: Open, tmp_path: Path):
    assert no_session(opened(f"host={tmp_path} password=hunter2")) == f"{tmp_path}: no server listens on that socket"


@pytest.mark.alone
def test_a_server_that_accepts_and_stays_silent(opened: Open):
    with stage.server(stage.silent) as port:
        said = no_session(opened(f"host=127.0.0.1 port={port} password=hunter2 connect_timeout=2"), less_than=4)
    assert said == f"127.0.0.1:{port}: no answer in time; a firewall, or a silent server"


def test_silence_is_bounded_where_the_dsn_sets_no_bound():
    assert module.parse_dsn("host=h")["connect_timeout"] == "5"
    assert module.parse_dsn("host=h connect_timeout=9")["connect_timeout"] == "9"


@pytest.mark.alone
def test_a_peer_that_hangs_up_is_tried_again_and_then_told(opened: Open):
    with stage.Proxy(1, refuse_first=99) as proxy:
        said = no_session(opened(f"host=127.0.0.1 port={proxy.port} password=hunter2 sslmode=disable"))
        assert proxy.accepted == 3
    assert said.startswith(f"127.0.0.1:{proxy.port}: ")
    assert "closed the connection" in said


@pytest.mark.alone
@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid", "münchen.invalid", "x..y"])
def test_a_name_that_leads_nowhere(opened: Open, host: str):
    said = no_session(opened(conninfo.make_conninfo("", host=host, password="hunter2")), less_than=12)
    assert said == f"{host}:5432: the host name can't be resolved"


@pytest.mark.alone
def test_something_else_answers(opened: Open):
    with stage.server(stage.speaks_http) as port:
        said = no_session(opened(f"host=127.0.0.1 port={port} password=hunter2"))
    assert said == f"127.0.0.1:{port}: something answers there that isn't Postgres"


@pytest.mark.alone
def test_a_wrong_password_is_sent_once(embedded_database: Database, opened: Open):
    """A second try may lock the role out."""
    with stage.Proxy(embedded_database.cluster.port) as proxy:
        dsn = through(embedded_database.bare_dsn(), proxy.port, password="hunter2")
        said = no_session(opened(dsn))
        assert proxy.accepted == 1
    assert said == f"127.0.0.1:{proxy.port}: password authentication failed"


@pytest.mark.alone
def test_a_wrong_password_is_sent_once_under_tls(debian_database: Database, opened: Open):
    with stage.Proxy(debian_database.cluster.port) as proxy:
        dsn = through(debian_database.bare_dsn(), proxy.port, password="hunter2", sslmode="require")
        assert "password authentication failed" in no_session(opened(dsn))
        assert proxy.accepted == 1


@pytest.mark.alone
def test_what_isnt_there(database: Database, opened: Open):
    assert 'database "no_such" does not exist' in no_session(opened(database.dsn(dbname="no_such")))
    assert "password authentication failed" in no_session(opened(database.dsn(user="no_such", password="hunter2")))


@pytest.mark.alone
def test_no_password_at_all(database: Database, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    dsn = conninfo.make_conninfo("", host="127.0.0.1", port=database.cluster.port, user="postgres", dbname="postgres")
    assert "asks for a password and none is configured" in no_session(opened(dsn))


def test_no_rule_lets_the_role_in(debian_database: Database, opened: Open):
    hba = debian_database.cluster.data / "pg_hba.conf"
    before = hba.read_text()
    try:
        hba.write_text(f"host all {debian_database.bare_role} all reject\n{before}")
        stage.reload(debian_database.cluster)
        session = opened(debian_database.bare_dsn())
        refusal = refused(session, "select 1")
        assert refusal.reason is Reason.UNREACHABLE
        assert "pg_hba.conf" in refusal.detail
    finally:
        hba.write_text(before)
        stage.reload(debian_database.cluster)


@contextmanager
def limited(admin: psycopg.Connection[Any], role: str, most: int) -> Iterator[None]:
    ask = sql.SQL("alter role {} connection limit {}")
    admin.execute(ask.format(sql.Identifier(role), most))
    try:
        yield
    finally:
        admin.execute(ask.format(sql.Identifier(role), -1))


@pytest.mark.alone
def test_too_many_connections_are_told_and_not_stormed(database: Database, opened: Open):
    with (
        database.connect() as admin,
        limited(admin, database.bare_role, 0),
        stage.Proxy(database.cluster.port) as proxy,
    ):
        said = no_session(opened(through(database.bare_dsn(), proxy.port, sslmode="disable")))
        assert proxy.accepted == 3
    assert said.endswith(": all connection slots are taken")


@pytest.mark.parametrize(
    ("sqlstate", "message"),
    [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is not yet accepting connections"),
        ("57P03", "the database system is in recovery mode"),
        ("57P03", "the database system is shutting down"),
        ("53300", "sorry, too many clients already"),
        ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute"),
    ],
)
def test_a_server_that_comes_up_meanwhile_is_waited_for(
    embedded_database: Database, opened: Open, sqlstate: str, message: str
):
    refusal = stage.fatal(sqlstate, message)
    with stage.Proxy(embedded_database.cluster.port, refuse_first=2, refusal=refusal) as proxy:
        session = opened(through(embedded_database.dsn(), proxy.port, sslmode="disable"))
        assert rows(session, "select 7 as n") == [{"n": 7}]
        assert proxy.accepted == 3


@pytest.mark.alone
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"sslmode": "verify-full", "sslrootcert": "/nonexistent/root.crt"}, "the root certificate file is missing"),
        (
            {"sslmode": "verify-full", "sslrootcert": "OTHER"},
            "certificate does not verify: sslrootcert doesn't vouch for it, or it has expired",
        ),
        (
            {"sslmode": "verify-full", "sslrootcert": "OWN", "host": "elsewhere", "hostaddr": "127.0.0.1"},
            "for another host",
        ),
        ({"sslmode": "require", "ssl_min_protocol_version": "TLSv1", "ssl_max_protocol_version": "TLSv1"}, "no common"),
    ],
)
def test_tls_that_fails_says_which_way(
    debian_cluster: Cluster, opened: Open, tmp_path: Path, parameters: dict[str, str], said: str
):
    other = tmp_path / "other.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "30", "-subj", "/CN=localhost", "-keyout", tmp_path / "other.key", "-out", other),
        ],
        check=True,
        capture_output=True,
    )
    certificates = {"OWN": str(debian_cluster.workshop.folder / "server.crt"), "OTHER": str(other)}
    given = {k: certificates.get(v, v) for k, v in parameters.items()}
    assert said in no_session(opened(debian_cluster.dsn(**given)))


@pytest.mark.alone
def test_tls_is_required_and_there_is_none(embedded_cluster: Cluster, opened: Open):
    assert "TLS is required and the server offers none" in no_session(opened(embedded_cluster.dsn(sslmode="require")))


# -- what servers hold -----------------------------------------------------------------------------------------

HOSTILE = [
    'a"quote',
    "a'quote",
    "new\nline",
    "tab\tand\rreturn",
    "<script>alert(1)</script>",
    "](javascript:x)",
    "p|pe",
    "`tick``s`",
    "$$dollar$1",
    "%s %(x)s %%",
    "{{7*7}}",
    "\x1b[31mred\x1b[0m",
    "\u202eesrever",
    "zero\u200bwidth",
    "emoji 🙂",
    "ünïcödé",
    "semi;colon -- comment /* x */",
    "back\\slash",
    "select",
    "Upper",
    " space ",
    "x" * 63,
    "é" * 31,
    ".",
]


def test_hostile_names_come_back_as_they_are(database: Database, opened: Open):
    with database.connect() as admin:
        admin.execute("create schema hostile")
        for name in HOSTILE:
            admin.execute(sql.SQL("create table hostile.{} ()").format(sql.Identifier(name)))
    session = opened(database.bare_dsn())
    ask = (
        "select c.relname, array[c.relname]::text[] as listed from pg_class as c "
        "inner join pg_namespace as ns on c.relnamespace = ns.oid where ns.nspname = 'hostile'"
    )
    found = rows(session, ask)
    assert {row["relname"] for row in found} == set(HOSTILE)
    assert all(row["listed"] == [row["relname"]] for row in found)
    assert all(rows(session, "select $1::text as name", name) == [{"name": name}] for name in HOSTILE)


@pytest.fixture
def ascii_database(cluster: Cluster, database: Database) -> Iterator[str]:
    """A database of no known encoding, with names and statements that are no UTF-8."""
    name = f"ascii_{os.getpid()}"
    with cluster.connect() as admin:
        admin.execute(
            f"create database {name} template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'".encode()
        )
        try:
            with psycopg.connect(cluster.dsn(name, client_encoding="SQL_ASCII"), autocommit=True) as latin:
                latin.execute(b'create table public."caf\xe9" (n int)')
                latin.execute(b"comment on table public.\"caf\xe9\" is '\xff\xfe'")
            yield name
        finally:
            # its statements stay in the statistics of the server otherwise, where other tests read them
            with database.connect() as other:
                other.execute("create extension if not exists pg_stat_statements")
                ask = "select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = %s"
                other.execute(ask, (name,))
            admin.execute(f"drop database {name} with (force)".encode())


def test_a_database_of_no_known_encoding(cluster: Cluster, ascii_database: str, opened: Open):
    session = opened(cluster.dsn(ascii_database))
    assert Server.take(session).database == ascii_database
    ask = "select relname, obj_description(oid, 'pg_class') as said from pg_class where relname ~ '^caf'"
    assert rows(session, ask) == [{"relname": "caf\\xe9", "said": "\\xff\\xfe"}]
    assert rows(session, "select $1::text as said", "x") == [{"said": "x"}]


def test_an_audit_in_no_known_encoding_and_beside_one(
    cluster: Cluster, database: Database, ascii_database: str, tmp_path: Path
):
    """Statistics views show every database's statements, in bytes that ours may not know."""
    database.run("create extension if not exists pg_stat_statements")
    for dsn in (cluster.dsn(ascii_database), database.dsn()):
        command = ("score", "-d", dsn, "-f", "json", "--policy", stage.write_policy(tmp_path))
        run = stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path).document
        assert not {c["id"]: c["detail"] for c in run["checks"] if c["reason"] == "error"}


def test_values_that_python_has_no_word_for(database: Database, opened: Open):
    (row,) = rows(
        opened(database.bare_dsn()),
        """
        select
            'infinity'::timestamptz as forever, '-infinity'::date as never, '20000-01-01'::timestamp as late,
            '0044-03-15 BC'::date as early, array['infinity'::timestamptz, null] as both,
            tstzrange('-infinity', 'infinity')::text as always, '24:00'::time as midnight, interval '1 mon -1 day' as odd,
            'NaN'::numeric as no_number, 'NaN'::float8 as nan, '-Infinity'::float8 as minus_infinity,
            array['NaN'::numeric, 1.5, 2] as several, 12345678901234567890.5::numeric as large, 3.00::numeric as three,
            E'\\\\x00ff'::bytea as bytes, '1.2.3.4'::inet as address, '{"a": 1}'::jsonb as document,
            '00000000-0000-0000-0000-000000000000'::uuid as id, 'x'::"char" as letter, '0/16B3748'::pg_lsn as position,
            'pg_class'::regclass as relation, true as yes, null as nothing
        """,
    )
    assert row == {
        "forever": "infinity",
        "never": "-infinity",
        "late": "20000-01-01 00:00:00",
        "early": "0044-03-15 BC",
        "both": ["infinity", None],
        "always": "[-infinity,infinity)",
        "midnight": "24:00:00",
        "odd": "1 mon -1 days",
        "no_number": None,
        "nan": None,
        "minus_infinity": None,
        "several": [None, 1.5, 2],
        "large": 12345678901234567890.5,
        "three": 3,
        "bytes": "\\x00ff",
        "address": "1.2.3.4",
        "document": '{"a": 1}',
        "id": "00000000-0000-0000-0000-000000000000",
        "letter": "x",
        "position": "0/16B3748",
        "relation": "pg_class",
        "yes": True,
        "nothing": None,
    }


# -- a good guest ----------------------------------------------------------------------------------------------


def test_a_dba_sees_who_asks(database: Database, opened: Open):
    database.run("create extension if not exists pg_stat_statements")
    session = opened(database.bare_dsn())
    seen: list[tuple[int, str]] = []

    def look() -> None:
        """As long as it takes: what we look at lasts until we have seen it."""
        seen.extend(
            stage.eventually(lambda: [b for b in backends(database.cluster, database.name) if "pg_sleep(8.5)" in b[1]])
        )
        with database.connect() as admin:
            admin.execute("select pg_cancel_backend(%s)", (seen[0][0],))

    watcher = threading.Thread(target=look)
    watcher.start()
    with pytest.raises(Unobservable, match="canceling statement due to user request"):
        session.rows("select pg_catalog.pg_sleep(8.5), 4242 as x", marker="schema/odd */ drop table x; --", seconds=9)
    watcher.join()
    ((_, query),) = seen
    assert "readiness:schema/odd" in query
    assert query.count("*/") == 1
    session.rows("select $1::int + 4242 as n", (1,), marker="schema/odd")
    session.rows("select 4242 + 4242 as n", marker="schema/odd")
    with database.connect() as admin:
        # other databases' statements may be in no encoding that this one knows
        kept = admin.execute(
            "with own as materialized (select query from pg_stat_statements as s "
            "inner join pg_database as d on s.dbid = d.oid where d.datname = current_database()) "
            "select query from own where query like '%4242%as n' or query like '%$2 as n'"
        ).fetchall()
    assert len(kept) == 2
    assert all("/* readiness:schema/odd */" in query for (query,) in kept)


def test_one_connection_is_enough(database: Database, tmp_path: Path):
    with database.connect() as admin, limited(admin, database.bare_role, 1):
        done = stage.run(
            *("score", "-d", database.bare_dsn(), "-f", "json", "--policy", stage.write_policy(tmp_path)),
            env=stage.environment(tmp_path),
            cwd=tmp_path,
        )
    run = done.document
    assert run["target"]["role"] == database.bare_role
    assert not [c["detail"] for c in run["checks"] if c["reason"] == "unreachable"]
    assert not [n for n in run["notes"] if "at its end" in n]


def test_a_crowd_of_audits_is_turned_away(embedded_database: Database, opened: Open):
    with ExitStack() as crowd:
        for _ in range(module.MAX_PEERS + 1):
            crowd.enter_context(embedded_database.connect(application_name=APPLICATION_NAME))
        with pytest.raises(Unobservable, match="other audits of this database are running"):
            Server.take(opened(embedded_database.bare_dsn()))


# -- a standby -------------------------------------------------------------------------------------------------


@pytest.fixture
def standby(debian_cluster: Cluster) -> Iterator[Cluster]:
    workshop = debian_cluster.workshop
    data = workshop.folder / "standby"
    made = Cluster(
        runtime=debian_cluster.runtime,
        workshop=workshop,
        data=data,
        port=workshop.port(),
        password=debian_cluster.password,
        owner=debian_cluster.owner,
    )
    debian_cluster.tool("pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-X", "stream")
    made.configure({"port": made.port, "hot_standby": "on"})
    made.start()
    yield made
    made.stop()


def test_a_standby_is_looked_at_and_says_what_it_cannot_tell(standby: Cluster, opened: Open, tmp_path: Path):
    session = opened(standby.dsn())
    server = Server.take(session)
    assert server.standby
    with pytest.raises(Unobservable) as caught:
        server.require("primary")
    assert (caught.value.reason, "audit the primary" in caught.value.detail) == (Reason.WRONG_ROLE, True)
    command = ("score", "-d", standby.dsn(), "-f", "json", "--policy", stage.write_policy(tmp_path))
    done = stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path)
    run = done.document
    assert done.code == run["verdict"]["exit_code"]
    assert not {c["id"]: c["detail"] for c in run["checks"] if c["reason"] == "error"}
