"""Through a pooler, by TLS: the audit works, and the next client of a server connection finds it as it was."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

import stage
from bouncer import PROGRAM, bouncer
from conftest import Database
from readiness.authoring import Unobservable
from readiness.embedded import Cluster
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Reason

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (apt-get install pgbouncer)")


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with stage.database(cluster) as made:
        made.run("""
            create schema app;
            create table app.parents (id uuid primary key);
            create table app.children (id uuid primary key, parent uuid references app.parents);
            insert into app.parents select gen_random_uuid() from generate_series(1, 50)
        """)
        made.run(f"grant usage on schema app to {made.bare_role}")
        made.run(f"grant insert, select, delete on app.parents to {made.bare_role}")
        yield made


@pytest.fixture(scope="module")
def pooled(database: Database) -> Iterator[str]:
    """The bare role's DSN through PgBouncer, by TLS; all clients share its only server connection."""
    with bouncer(database) as made:
        yield made.dsn


@pytest.fixture
def session(pooled: str) -> Iterator[Postgres]:
    made = Postgres(pooled)
    yield made
    made.close()


@pytest.fixture
def neighbour(pooled: str) -> Iterator[psycopg.Connection[Any]]:
    """Another client of the pool: the application."""
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as made:
        yield made


def state(client: psycopg.Connection[Any]) -> tuple[int, dict[str, str], int, int]:
    """What a client finds: the server connection, its settings, its prepared statements and its locks."""
    with client.transaction():
        (pid,) = client.execute("select pg_backend_pid()").fetchone() or (0,)
        own = "('application_name', 'client_encoding')"  # the pooler sets these for each client
        settings = dict(client.execute(f"select name, setting from pg_settings where name not in {own}").fetchall())
        (prepared,) = client.execute("select count(*) from pg_prepared_statements").fetchone() or (0,)
        (locks,) = client.execute(
            "select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'"
        ).fetchone() or (0,)
    return pid, settings, prepared, locks


def test_a_pooler_is_recognised(session: Postgres, database: Database):
    assert Server.take(session).pooled
    assert session.encrypted  # its own leg; behind the pooler another begins
    direct = Postgres(database.bare_dsn())
    assert not Server.take(direct).pooled
    direct.close()


HOSTILE: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("select 1", ()),
    ("select $1::int", (1,)),
    ("select set_config('statement_timeout', '7s', false)", ()),
    ("set default_transaction_read_only to on", ()),
    ("select 1/0", ()),
    ("select $1::int / 0", (1,)),
    ("select pg_catalog.pg_sleep(5)", ()),
    ("commit; begin read write", ()),
    ("select pg_catalog.pg_advisory_xact_lock(7)", ()),
)


def test_nothing_stays_on_the_server_connection(session: Postgres, neighbour: psycopg.Connection[Any]):
    before = state(neighbour)
    for statement, parameters in HOSTILE:
        with contextlib.suppress(Unobservable):
            session.rows(statement, parameters, marker="test", seconds=0.2, settings={"readiness.mine": "1"})
        now = state(neighbour)
        assert now[0] == before[0], "not the same server connection: the test looks at nothing"
        assert now == before, statement
    assert neighbour.execute("select current_setting('readiness.mine', true)").fetchone() in [("",), (None,)]
    neighbour.execute("insert into app.parents select gen_random_uuid() returning id")


def test_the_application_works_on_while_it_is_audited(pooled: str, tmp_path: Path):
    """Between two of our transactions its own run on the same server connection."""
    ended = threading.Event()
    seen: set[tuple[str, ...]] = set()
    pids: set[int] = set()
    ask = (
        "select pg_backend_pid(), current_setting('transaction_read_only'), current_setting('statement_timeout'), "
        "current_setting('lock_timeout'), current_setting('row_security'), current_setting('search_path'), "
        "current_setting('TimeZone'), current_setting('jit')"
    )

    def work() -> None:
        with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as client:
            while not ended.is_set():
                client.execute("insert into app.parents select gen_random_uuid()")
                pid, *settings = client.execute(ask).fetchone() or (0,)
                pids.add(pid)
                seen.add(tuple(settings))

    application = threading.Thread(target=work)
    application.start()
    try:
        command = ("score", "-d", pooled, "-f", "json", "--policy", stage.write_policy(tmp_path))
        run = stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path).document
    finally:
        ended.set()
        application.join()
    assert len(seen) == 1, seen
    assert len(pids) == 1
    assert not {c["id"]: c["detail"] for c in run["checks"] if c["reason"] in ("error", "unreachable")}


def test_an_audit_sees_the_same_as_without_the_pooler(pooled: str, database: Database, tmp_path: Path):
    policy = stage.write_policy(tmp_path)

    def look(dsn: str) -> dict[str, Any]:
        # The pooler's own sessions are other clients' to whoever comes directly, and the counters of writes lag behind.
        sessions = ("operations/transaction-left-open", "performance/blocked-session", "operations/vacuum-held-back")
        counted = ("performance/never-analyzed-table", "performance/stale-statistics", "performance/many-rollbacks")
        skip = [word for check in (*sessions, *counted) for word in ("--skip", check)]
        command = ("score", "-d", dsn, "-f", "json", "--policy", policy, *skip)
        return stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path).document

    through, direct = look(pooled), look(database.bare_dsn())
    seen = [{c["id"]: (c["status"], c["reason"], c["findings"]) for c in run["checks"]} for run in (through, direct)]
    # TLS ends at the pooler: what it shows is its own, and of the server behind nothing is known.
    of_tls = ["plaintext-admitted", "certificate-expiring", "certificate-unverifiable", "weak-tls-accepted"]
    of_tls = [f"security/{name}" for name in of_tls]
    told = {c["id"]: c["detail"] for c in through["checks"]}
    for check in of_tls:
        assert seen[0][check] == ("unknown", "not_observable", []), check
        assert told[check].startswith("the server behind "), check
    rest = [{check: found for check, found in run.items() if check not in of_tls} for run in seen]
    assert rest[0] == rest[1]
    of_the_rest = [
        Fraction(run["verdict"]["score_exact"])
        - sum(Fraction(c["points_exact"]) * Fraction(c["earned_exact"]) for c in run["checks"] if c["id"] in of_tls)
        for run in (through, direct)
    ]
    assert of_the_rest[0] == of_the_rest[1]
    fk = next(c for c in through["checks"] if c["id"] == "performance/fk-without-index")
    assert [f["subject"] for f in fk["findings"]] == ["app.children:children_parent_fkey"]


def test_no_statement_is_prepared_however_often_it_is_asked(session: Postgres, neighbour: psycopg.Connection[Any]):
    for n in range(12):
        assert session.rows("select $1::int as n", (n,), marker="test") == [{"n": n}]
        assert session.rows("select 7 as n", marker="test") == [{"n": 7}]
    assert state(neighbour)[2] == 0


def test_a_session_that_is_dropped_in_the_middle_harms_no_other(pooled: str, neighbour: psycopg.Connection[Any]):
    before = state(neighbour)
    gone = Postgres(pooled)
    gone.rows("select 1", marker="test")
    assert gone._connection is not None
    gone._begin(gone._connection, 5, {})
    gone._connection.pgconn.finish()
    after = state(neighbour)
    assert after[1:] == before[1:]


def test_options_that_the_pooler_refuses_are_named(pooled: str):
    session = Postgres(conninfo.make_conninfo(pooled, options="-c geqo=off"))
    with pytest.raises(Unobservable) as caught:
        session.rows("select 1", marker="test")
    assert caught.value.reason is Reason.UNREACHABLE
    assert "options=" in caught.value.detail


def test_a_wrong_password_and_an_unknown_database_at_the_pooler(pooled: str):
    for parameters, said in (
        ({"password": "hunter2"}, "password authentication failed"),
        ({"dbname": "no_such"}, "no such database"),
    ):
        session = Postgres(conninfo.make_conninfo(pooled, **parameters))
        with pytest.raises(Unobservable) as caught:
            session.rows("select 1", marker="test")
        assert said in caught.value.detail
        assert "hunter2" not in caught.value.detail


def test_session_mode(database: Database, tmp_path: Path):
    """The pooler's own cleaning is off, so that what we left would be there for who gets the connection next."""
    with bouncer(database, mode="session", server_reset_query="") as made:
        with psycopg.connect(made.dsn, autocommit=True, prepare_threshold=None) as client:
            before = state(client)
        session = Postgres(made.dsn)
        assert Server.take(session).pooled
        for statement, parameters in HOSTILE:
            with contextlib.suppress(Unobservable):
                session.rows(statement, parameters, marker="test", seconds=0.2, settings={"readiness.mine": "1"})
        session.close()
        with psycopg.connect(made.dsn, autocommit=True, prepare_threshold=None) as client:
            assert state(client) == before, "another server connection, or one that we left something on"
            client.execute("insert into app.parents select gen_random_uuid()")
        command = ("score", "-d", made.dsn, "-f", "json", "--policy", stage.write_policy(tmp_path))
        run = stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path).document
        assert not {c["id"]: c["detail"] for c in run["checks"] if c["reason"] in ("error", "unreachable")}
        with psycopg.connect(made.dsn, autocommit=True, prepare_threshold=None) as client:
            assert state(client) == before


def test_session_mode_cleans_nothing_up_by_itself(database: Database):
    """The counter-proof of the test above: what a client leaves is there for the next one."""
    with bouncer(database, mode="session", server_reset_query="") as made:
        with psycopg.connect(made.dsn, autocommit=True) as client:
            client.execute("set statement_timeout = '7s'")
        with psycopg.connect(made.dsn, autocommit=True) as client:
            assert client.execute("show statement_timeout").fetchone() == ("7s",)
