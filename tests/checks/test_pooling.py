"""What a real PgBouncer's console tells, and what is judged by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

import stage
from asking import ask, found
from bouncer import PROGRAM, SECRET, Bouncer, bouncer
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import Examined, NotApplicable, Outcome, Reason, Unknown, Unseen
from readiness.profile import Profile

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (apt-get install pgbouncer)")


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        yield made


@pytest.fixture(scope="module")
def small(database: Database) -> Iterator[Bouncer]:
    """One server connection, twenty clients."""
    with bouncer(database, stats_period="1") as made:
        yield made


def declared(console: str, *, services: dict[str, Any] | None = None, **pooler: str) -> Profile:
    return Profile.model_validate(
        {
            "name": "t",
            "targets": {"connections": 20},
            "poolers": {"main": {"dsn": console, **pooler}},
            "services": {} if services is None else services,
        }
    )


def evidence(outcome: Outcome, subject: str) -> dict[str, Any]:
    assert isinstance(outcome, Examined), outcome
    (seen,) = (o for o in outcome.observations if o.subject == subject)
    return dict(seen.evidence)


def unseen(outcome: Outcome) -> Unseen:
    assert isinstance(outcome, Examined | Unknown), outcome
    (one,) = outcome.unseen
    return one


POOLS = "operations/pooler-exceeds-server"


def test_pools_that_fit(small: Bouncer, database: Database):
    services = {
        "api": {"pooler": "main", "pool": {"max": 500}},  # clients of the pooler, not sessions of the server
        "job": {"pool": {"max": 5, "instances": 2}},
    }
    outcome = ask(POOLS, database.dsn(), profile=declared(small.console, services=services))
    assert found(outcome) == set()
    assert evidence(outcome, "main")["most"] == 1
    assert evidence(outcome, "main")["mode"] == "transaction"
    assert evidence(outcome, "main")["version"].startswith("PgBouncer 1.")
    assert not evidence(outcome, "main")["bounded_whoever_comes"]
    assert evidence(outcome, "all poolers and pools") == {
        "poolers": 1,
        "direct_pools": 10,
        "usable_connections": 57,
        "max_connections": 60,
    }
    alone = ask("operations/unbounded-pool", database.dsn(), profile=declared(small.console, services=services))
    assert evidence(alone, "all pools")["sum"] == 10


def test_pools_that_exceed_the_server_and_the_remedy(database: Database):
    services = {"job": {"pool": {"max": 10}}}
    with bouncer(database, default_pool_size="40", reserve_pool_size="20") as wide:
        outcome = ask(POOLS, database.dsn(), profile=declared(wide.console, services=services))
        assert found(outcome) == {"main", "all poolers and pools"}
        assert evidence(outcome, "main")["most"] == 60
        with (
            psycopg.connect(wide.console, autocommit=True) as watcher,
            pytest.raises(psycopg.Error, match="admin access needed"),  # ours may look, and no more
        ):
            watcher.execute("SET max_db_connections = 45")
    with bouncer(database, default_pool_size="40", reserve_pool_size="20", max_db_connections="45") as bounded:
        outcome = ask(POOLS, database.dsn(), profile=declared(bounded.console, services=services))
        assert found(outcome) == set()
        assert evidence(outcome, "main")["most"] == 45
        assert evidence(outcome, "main")["bounded_whoever_comes"]
        many = {"job": {"pool": {"max": 13}}}
        outcome = ask(POOLS, database.dsn(), profile=declared(bounded.console, services=many))
        assert found(outcome) == {"all poolers and pools"}


def test_each_further_user_brings_a_pool(database: Database):
    other = f"{database.name}_other"
    database.run(f"create role {other} login password 'bare-role-of-a-test'")
    try:
        with bouncer(database, others=(other,), default_pool_size="4") as made:
            psycopg.connect(conninfo.make_conninfo(made.dsn, user=other)).close()
            assert evidence(ask(POOLS, database.dsn(), profile=declared(made.console)), "main")["most"] == 8
    finally:
        database.run(f"drop role {other}")


def test_where_services_arent_bounded_the_sum_is_unknown(small: Bouncer, database: Database):
    outcome = ask(POOLS, database.dsn(), profile=declared(small.console, services={"api": {}}))
    assert unseen(outcome).subject == "all poolers and pools"
    assert unseen(outcome).unlock == "declare services.api.pool or .pooler in the profile"


def test_another_servers_entries_arent_counted(small: Bouncer, database: Database):
    outcome = ask(POOLS, database.dsn(), profile=declared(small.console, server="10.1.2.3:5432"))
    assert evidence(outcome, "main")["most"] == 0


def test_clients_against_the_promise(small: Bouncer, database: Database):
    check = "operations/pooler-refuses-clients"
    profile = declared(small.console)
    outcome = ask(check, database.dsn(), profile=profile)
    assert found(outcome) == set()
    assert evidence(outcome, "main")["max_client_conn"] == 20
    more = profile.model_copy(update={"targets": profile.targets.model_copy(update={"connections": 21})})
    assert found(ask(check, database.dsn(), profile=more)) == {"main"}
    clients = [psycopg.connect(small.dsn, autocommit=True) for _ in range(16)]
    try:
        outcome = ask(check, database.dsn(), profile=profile)
        assert found(outcome) == {"main"}
        assert evidence(outcome, "main")["clients_now"] == 16
    finally:
        for client in clients:
            client.close()


def test_a_client_in_line(small: Bouncer, database: Database):
    check = "performance/client-waits-at-pooler"
    profile = declared(small.console)
    subject = f"main: {database.name} as {database.bare_role}"
    # Who was in line in an earlier test may still be leaving.
    assert stage.eventually(lambda: not found(ask(check, database.dsn(), profile=profile)), 10)
    with psycopg.connect(small.dsn, autocommit=True) as holder, psycopg.connect(small.dsn, autocommit=True) as second:
        holder.execute("begin")
        waiter = threading.Thread(target=second.execute, args=("select 1",))
        waiter.start()
        try:

            def long_enough() -> Outcome | None:
                """The mean of a period that ends meanwhile, with an earlier test's waits in it, may be told sooner."""
                outcome = ask(check, database.dsn(), profile=profile)
                waited = found(outcome) and evidence(outcome, subject)["longest_wait_seconds"] >= 1
                return outcome if waited else None

            outcome = stage.eventually(long_enough, 10)
            assert found(outcome) == {subject}
            assert evidence(outcome, subject)["waiting"] == 1
            assert evidence(outcome, subject)["longest_wait_seconds"] >= 1
            assert evidence(outcome, subject)["server_connections"] == 1
        finally:
            holder.execute("rollback")
            waiter.join()
    assert stage.eventually(lambda: not found(ask(check, database.dsn(), profile=profile)), 10)


def test_the_cost_of_a_login_with_and_without(small: Bouncer, database: Database):
    own = conninfo.conninfo_to_dict(small.dsn)  # the audit's own way has the pooler's TLS settings, and prefers them
    dsn = conninfo.make_conninfo(database.bare_dsn(), sslmode="prefer", sslrootcert=own["sslrootcert"])
    outcome = ask("performance/slow-pooler-login", dsn, profile=declared(small.console))
    told = evidence(outcome, "main")
    assert 0 < told["through_it_from_ms"] <= told["through_it_ms"] <= told["through_it_to_ms"]
    assert 0 < told["straight_from_ms"] <= told["straight_ms"] <= told["straight_to_ms"]
    assert told["sessions_each"] == 10
    stranger = ask("performance/slow-pooler-login", database.dsn(), profile=declared(small.console))
    assert unseen(stranger).reason is Reason.UNREACHABLE  # the pooler doesn't know this role
    assert "let postgres in at the pooler" in (unseen(stranger).unlock or "")
    through = ask("performance/slow-pooler-login", small.dsn, profile=declared(small.console))
    assert isinstance(through, Unknown)
    assert through.reason is Reason.NOT_OBSERVABLE


def test_an_ordinary_user_at_the_console(small: Bouncer, database: Database):
    console = conninfo.make_conninfo(small.dsn, dbname="pgbouncer")
    one = unseen(ask(POOLS, database.dsn(), profile=declared(console)))
    assert one.reason is Reason.NO_PERMISSION
    assert "it is PgBouncer" in one.detail
    assert "stats_users" in (one.unlock or "")


def test_nobody_at_the_console(database: Database):
    console = f"postgresql://watcher:{SECRET}@127.0.0.1:{stage.free_port()}/pgbouncer"
    one = unseen(ask(POOLS, database.dsn(), profile=declared(console)))
    assert one.reason is Reason.UNREACHABLE
    assert SECRET not in one.detail


def test_a_server_in_its_place(database: Database):
    one = unseen(ask(POOLS, database.dsn(), profile=declared(database.dsn())))
    assert one.reason is Reason.UNREACHABLE  # it has no database of that name
    assert "pgbouncer" in one.detail


def test_no_pooler_is_said_or_not_said(small: Bouncer, database: Database):
    none = Profile.model_validate({"name": "t", "poolers": {}, "services": {}})
    silent = Profile.model_validate({"name": "t", "services": {}})
    for check in (POOLS, "operations/pooler-refuses-clients", "performance/client-waits-at-pooler"):
        assert isinstance(ask(check, database.dsn(), profile=none), NotApplicable)
        for dsn, profile in ((database.dsn(), silent), (small.dsn, none)):  # and one that denies what the audit sees
            outcome = ask(check, dsn, profile=profile)
            assert isinstance(outcome, Unknown)
            assert outcome.reason is Reason.NOT_CONFIGURED
    assert isinstance(ask("performance/slow-pooler-login", database.dsn(), profile=none), NotApplicable)


def test_sessions_for_each_piece_of_work(database: Database):
    check = "performance/connections-not-reused"
    with database.connect() as admin:
        admin.execute("select pg_stat_reset()")
    for _ in range(110):
        database.connect().close()
    outcome = stage.eventually(lambda: o if found(o := ask(check, database.dsn())) else None, 10)
    assert found(outcome) == {database.name}
    assert evidence(outcome, database.name)["sessions_opened"] >= 100
    with database.connect() as client:  # the remedy: the next work is done over one session
        for _ in range(1500):
            client.execute("select 1")
    outcome = stage.eventually(lambda: o if not found(o := ask(check, database.dsn())) else None, 10)
    assert evidence(outcome, database.name)["transactions_per_session"] >= 10
    bare = ask(check, database.bare_dsn())
    assert found(bare) == set()
    assert not any("postgres" in told for told in evidence(bare, database.name)["sessions_now"])
