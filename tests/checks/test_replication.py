"""Standbys, slots and subscriptions, on a primary with a real standby: as it should be, and each way that it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from asking import NOW, ask, found, remedies
from conftest import DEBIAN, Database
from readiness import embedded
from readiness.embedded import Cluster, Runtime
from readiness.facts.postgres import Postgres
from readiness.facts.replication import Followers
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.model import Examined, NotApplicable, Observation, Outcome, Reason, Unknown
from readiness.profile import Profile
from stage import at_work, eventually, server, silent

SETTINGS = {
    "wal_level": "logical",
    "wal_retrieve_retry_interval": "100ms",
    "shared_preload_libraries": "pg_stat_statements",
}
LOOKER = {"user": "looker", "password": "bare-role-of-a-test"}


@dataclass
class Pair:
    primary: Cluster
    standby: Cluster

    def profile(self, *, lag: float = 10, **standbys: str) -> Profile:
        declared = {name: {"dsn": dsn} for name, dsn in standbys.items()}
        return Profile.model_validate(
            {"name": "test", "standbys": declared, "targets": {"standby_lag_seconds": lag, "standbys": 1}}
        )

    def ask(self, check: str, *, lag: float = 10, **parameters: float) -> Outcome:
        profile = self.profile(lag=lag, replica=self.standby.dsn())
        return ask(f"operations/{check}", self.primary.dsn(), profile=profile, parameters=parameters)


def stood_by(primary: Cluster, **settings: str) -> Cluster:
    """A standby that streams by a slot, both by the name of replica."""
    with (primary.data / "pg_hba.conf").open("r+") as rules:
        rules.write("host replication postgres 127.0.0.1/32 trust\n" + rules.read())
    with primary.connect() as admin:
        admin.execute("select pg_reload_conf()")
    standby = replace(primary, data=primary.workshop.folder / "standby", port=primary.workshop.port(), process=None)
    primary.tool(
        *("pg_basebackup", "-D", str(standby.data), "-c", "fast", "--no-sync", "-R", "-C", "-S", "replica"),
        # the database is for slots that are kept in step (since 17)
        *("-d", f"host=127.0.0.1 port={primary.port} user=postgres application_name=replica dbname=postgres"),
    )
    standby.configure({"port": standby.port, **settings})
    standby.start()
    return standby


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    if not (DEBIAN / "postgres").exists():
        pytest.skip("Debian's postgresql-15 is not installed")
    with embedded.cluster(Runtime(DEBIAN), settings=SETTINGS, fast=True, purpose="test") as primary:
        with primary.connect() as admin:
            admin.execute("create role looker login password 'bare-role-of-a-test'")
            admin.execute("create table written (n int)")
        for check in ("standby-replay-paused", "standby-unreadable", "standby-setting-lower", "standby-lagging"):
            alone = ask(f"operations/{check}", primary.dsn())
            assert isinstance(alone, NotApplicable), "no standby streams, which is seen, and none needs to be declared"
        assert found(ask("operations/no-standby", primary.dsn())) == {"primary"}
        standby = stood_by(primary)
        made = Pair(primary, standby)
        assert eventually(lambda: isinstance(made.ask("no-standby"), Examined) and not found(made.ask("no-standby")))
        yield made


def only(outcome: Outcome) -> Observation:
    assert isinstance(outcome, Examined), outcome
    (observation,) = outcome.observations
    return observation


def write(cluster: Cluster) -> None:
    with cluster.connect() as admin:
        admin.execute("set synchronous_commit = on")
        admin.execute("insert into written values (1)")


@contextmanager
def paused(pair: Pair) -> Iterator[None]:
    with pair.standby.connect() as admin:
        admin.execute("select pg_wal_replay_pause()")
        assert eventually(lambda: admin.execute("select pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
        try:
            yield
        finally:
            admin.execute("select pg_wal_replay_resume()")


def test_a_standby_that_follows(pair: Pair):
    write(pair.primary)
    for check in (
        *("no-standby", "standby-lagging", "standby-replay-paused", "standby-unreadable", "standby-setting-lower"),
        *("standby-delays-unbounded", "inactive-replication-slot", "lost-replication-slot", "slot-retaining-wal"),
    ):
        outcome = pair.ask(check)
        assert isinstance(outcome, Examined), (check, outcome)
        assert found(outcome) == set(), check
    lag = only(pair.ask("standby-lagging")).evidence
    assert lag["figure"] == "replication_lag"
    assert 0 <= float(str(lag["value"])) < 5
    assert only(pair.ask("no-standby")).evidence["streaming"] == ["replica"]


def test_who_may_not_see_standbys_does_not_know(pair: Pair):
    for check in ("no-standby", "standby-lagging"):
        unseen = ask(f"operations/{check}", pair.primary.dsn(**LOOKER))
        assert isinstance(unseen, Unknown)
        assert unseen.reason is Reason.NO_PERMISSION
        assert unseen.unlock == "grant pg_monitor to looker;"
    undeclared = ask("operations/standby-replay-paused", pair.primary.dsn())
    assert isinstance(undeclared, Unknown), "one streams, and nobody says how it is asked"
    assert undeclared.reason is Reason.NOT_CONFIGURED
    bare = pair.profile(replica=pair.standby.dsn(**LOOKER))
    for check in ("standby-replay-paused", "standby-unreadable", "standby-setting-lower"):
        assert found(ask(f"operations/{check}", pair.primary.dsn(**LOOKER), profile=bare)) == set()


def test_what_receives_and_replays_nothing_is_no_standby(pair: Pair):
    cluster = pair.primary
    folder = cluster.workshop.folder / "received"
    folder.mkdir()
    cluster.give(folder)
    received = cluster.workshop.start(
        [cluster.runtime.bindir / "pg_receivewal", "-D", folder, "-d", cluster.dsn()],
        env=cluster.runtime.env(),
        cwd=folder,
        **cluster.owner,
    )
    count = "select count(*) from pg_stat_replication where state = 'streaming'"
    try:
        with cluster.connect() as admin:
            assert eventually(lambda: admin.execute(count).fetchone() == (2,))
        assert only(pair.ask("no-standby")).evidence["streaming"] == ["replica"]
        assert only(pair.ask("standby-lagging")).ok
    finally:
        cluster.workshop.stop(received)


def test_a_paused_replay_is_named_and_is_a_lag(pair: Pair):
    with paused(pair):
        write(pair.primary)
        stopped = pair.ask("standby-replay-paused")
        assert found(stopped) == {"replica"}
        assert only(stopped).evidence["receiving"] is True
        lagging = pair.ask("standby-lagging", lag=0.3)
        assert found(lagging) == {"replica"}
        assert only(lagging).evidence["value"] is None
        assert int(str(only(lagging).evidence["behind_bytes"])) > 0
        itself = ask("operations/standby-replay-paused", pair.standby.dsn())
        assert len(found(itself)) == 1, "asked itself, the standby says the same"
        for remedy in remedies(stopped):
            with pair.standby.connect() as admin:
                admin.execute(remedy.encode())
        assert eventually(lambda: not found(pair.ask("standby-replay-paused")))
        assert found(pair.ask("standby-lagging", lag=5)) == set()


def test_a_wait_that_is_too_short_to_tell(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("readiness.facts.replication.LONGEST_WAIT", 0.1)
    with paused(pair):
        write(pair.primary)
        undecided = pair.ask("standby-lagging", lag=5)
        assert isinstance(undecided, Unknown)
        assert undecided.reason is Reason.TIMEOUT


def test_a_rest_for_others_is_no_lag(pair: Pair):
    with paused(pair), at_work(pair.primary):
        write(pair.primary)
        postgres = Postgres(pair.primary.dsn(), share_when_busy=0.05)
        of_it = Server.take(postgres)
        postgres.rows("select pg_catalog.pg_sleep(0.1)::text as slept", marker="test")
        target = Target(profile=pair.profile(lag=0.1), folder=Path(), now=NOW)
        (standby,) = Followers.take(postgres, of_it, target).standbys
        assert postgres.rested_seconds > 1.9
        assert standby.waited_seconds < 1.5
        postgres.close()


def test_an_idle_primary_has_no_lag(pair: Pair):
    """Where the age of the last replayed transaction, which a dashboard shows, has grown by a second."""
    import time

    write(pair.primary)
    time.sleep(1)
    state = only(pair.ask("standby-replay-paused"))
    assert float(str(state.evidence["replayed_age_seconds"])) >= 1
    assert float(str(only(pair.ask("standby-lagging", lag=0.5)).evidence["value"])) < 0.5


def test_an_address_that_leads_elsewhere(pair: Pair, debian_database: Database):
    declared = pair.profile(
        itself=pair.primary.dsn(), other=debian_database.dsn(), gone="host=127.0.0.1 port=1 user=a dbname=b"
    )
    outcome = ask("operations/standby-unreadable", pair.primary.dsn(), profile=declared)
    assert found(outcome) == {"itself", "other", "gone"}
    assert isinstance(ask("operations/standby-replay-paused", pair.primary.dsn(), profile=declared), Unknown)
    odd = ask("operations/standby-unreadable", pair.primary.dsn(), profile=pair.profile(odd="postgres://[::1/x"))
    assert isinstance(odd, Unknown)
    assert "standbys.odd.dsn" in odd.detail
    locked_out = pair.profile(replica=pair.standby.dsn(user="looker", password="not-this-one"))
    unsure = ask("operations/standby-unreadable", pair.primary.dsn(), profile=locked_out)
    assert isinstance(unsure, Unknown), (
        "it takes sessions; ours is turned away for a password that is wrong in the profile"
    )
    assert unsure.unseen[0].reason is Reason.NOT_CONFIGURED


def test_a_standby_of_which_cluster_nobody_can_tell(pair: Pair):
    with pair.primary.connect() as admin:
        admin.execute("create role modest login password 'modest-role-of-a-test'")
        admin.execute("revoke execute on function pg_catalog.pg_control_system() from public")
        try:
            own = {"user": "modest", "password": "modest-role-of-a-test"}
            profile = pair.profile(replica=pair.standby.dsn(**own))

            def outcome() -> Outcome:
                return ask("operations/standby-unreadable", pair.primary.dsn(**own), profile=profile)

            def hidden() -> bool:
                told = outcome()
                return isinstance(told, Unknown) and "pg_control_system" in str(told.unseen[0].unlock)

            assert eventually(hidden)
            admin.execute("grant execute on function pg_catalog.pg_control_system() to modest")
            assert eventually(lambda: isinstance(outcome(), Examined))
            assert found(outcome()) == set()
        finally:
            admin.execute("grant execute on function pg_catalog.pg_control_system() to public")
            admin.execute("drop owned by modest")
            admin.execute("drop role modest")


def test_replay_that_waits_for_ever_and_queries_that_it_cancels(pair: Pair):
    check = "standby-delays-unbounded"
    with pair.standby.connect() as admin:
        admin.execute("alter system set max_standby_streaming_delay = -1")
        admin.execute("select pg_reload_conf()")
        try:
            endless = eventually(lambda: found(pair.ask(check)) and pair.ask(check))
            assert found(endless) == {"replica"}
            for statement in remedies(endless)[0].split(";\n"):
                admin.execute(statement.encode())
            assert eventually(lambda: not found(pair.ask(check)))
            admin.execute("alter system set max_standby_archive_delay = -1")
            admin.execute("select pg_reload_conf()")
            delay = "select count(*) from pg_settings where name = 'max_standby_archive_delay' and setting = '-1'"
            assert eventually(lambda: admin.execute(delay).fetchone() == (1,))
            assert found(pair.ask(check)) == set(), "it takes nothing from an archive"
            admin.execute("alter system set restore_command = 'false'")
            admin.execute("select pg_reload_conf()")
            from_archive = eventually(lambda: found(pair.ask(check)) and pair.ask(check))
            assert found(from_archive) == {"replica"}
            for statement in remedies(from_archive)[0].split(";\n"):
                admin.execute(statement.encode())
            assert eventually(lambda: not found(pair.ask(check)))
        finally:
            admin.execute("alter system reset restore_command")
            admin.execute("alter system reset max_standby_archive_delay")
            admin.execute("alter system reset max_standby_streaming_delay")
            admin.execute("select pg_reload_conf()")
    assert found(pair.ask(check, cancelled_a_day=-1)) == {"replica"}


def test_synchronous_names_that_name_nobody(pair: Pair):
    check = "sync-standby-missing"
    assert isinstance(pair.ask(check), NotApplicable)
    with pair.primary.connect() as admin:

        def names(text: str) -> Outcome:
            admin.execute("set synchronous_commit = off")
            admin.execute(f"alter system set synchronous_standby_names = '{text}'".encode())
            admin.execute("select pg_reload_conf()")
            wanted = "select count(*) from pg_settings where name = 'synchronous_standby_names' and setting = %s"
            assert eventually(lambda: admin.execute(wanted, (text,)).fetchone() == (1,))
            return pair.ask(check)

        try:
            admin.execute("alter system set synchronous_commit = on")
            assert eventually(lambda: found(names("replica")) == set())
            assert found(names("ANY 1 (replica, other)")) == set()
            assert eventually(lambda: found(names("2 (replica, other)")) == {"synchronous_standby_names"})
            assert eventually(lambda: found(names("nobody")) == {"synchronous_standby_names"})
            admin.execute("alter system set synchronous_commit = local")
            assert eventually(lambda: found(names("*")) == {"synchronous_commit"})
            admin.execute("alter role postgres set synchronous_commit = on")
            hidden = pair.ask(check)
            assert isinstance(hidden, Unknown), "our own role's setting covers what the server gives to others"
            assert hidden.unseen[0].unlock == "alter role postgres reset synchronous_commit;"
        finally:
            admin.execute("alter role postgres reset synchronous_commit")
            admin.execute("alter system reset synchronous_standby_names")
            admin.execute("alter system reset synchronous_commit")
            admin.execute("select pg_reload_conf()")


def test_roles_that_only_the_standby_sees(pair: Pair):
    """Who only reads there has no session on the primary and no statement; and who only writes has none on the standby."""
    check = "security/login-role-unseen"
    with pair.primary.connect() as admin:
        admin.execute("create role reporting login password 'of-a-test'")
        admin.execute("create role nobodys login")
        admin.execute("create extension pg_stat_statements")
        written = admin.execute("select pg_current_wal_insert_lsn()").fetchone()
    with pair.standby.connect() as there:
        replayed = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
        assert eventually(lambda: there.execute(replayed, written).fetchone() == (True,))

    def looked(dsn: str, profile: Profile | None = None) -> Outcome:
        return ask(check, dsn, profile=profile, parameters={"days": 0})

    try:
        with pair.standby.connect(user="reporting", password="of-a-test"):
            undeclared = looked(pair.primary.dsn())
            assert isinstance(undeclared, Unknown)
            assert "1 stream, 0 are declared" in undeclared.detail
            itself = looked(pair.standby.dsn())
            assert isinstance(itself, Unknown)
            assert "audit the primary" in itself.detail
            blind = looked(pair.primary.dsn(), pair.profile(replica=pair.standby.dsn(**LOOKER)))
            assert isinstance(blind, Unknown)
            assert "looker is no member of pg_monitor" in blind.detail
            seen = looked(pair.primary.dsn(), pair.profile(replica=pair.standby.dsn()))
            assert {"reporting", "nobodys"} & found(seen) == {"nobodys"}
    finally:
        with pair.primary.connect() as admin:
            admin.execute("drop extension pg_stat_statements")
            admin.execute("drop role reporting")
            admin.execute("drop role nobodys")


@pytest.fixture
def cascade(pair: Pair) -> Iterator[Cluster]:
    """A standby that the other one feeds."""
    primary, upstream = pair.primary, pair.standby
    fed = replace(primary, data=primary.workshop.folder / "fed", port=primary.workshop.port(), process=None)
    primary.tool("pg_basebackup", "-D", str(fed.data), "-c", "fast", "--no-sync", "-d", primary.dsn())
    signal = fed.data / "standby.signal"
    signal.touch()
    fed.give(signal)
    address = f"host=127.0.0.1 port={upstream.port} user=postgres password={primary.password} application_name=fed"
    fed.configure({"port": fed.port, "primary_conninfo": address})
    fed.start()
    with upstream.connect() as admin:
        count = "select count(*) from pg_stat_replication where state = 'streaming'"
        assert eventually(lambda: admin.execute(count).fetchone() == (1,))
    yield fed
    fed.stop()


def test_a_standby_that_another_one_feeds(pair: Pair, cascade: Cluster):
    """Which the primary doesn't see: it counts, and has a lag, by its own word."""

    def of_two(declared: Profile) -> Profile:
        return declared.model_copy(update={"targets": declared.targets.model_copy(update={"standbys": 2})})

    both = of_two(pair.profile(lag=0.5, replica=pair.standby.dsn(), fed=cascade.dsn()))

    def looked(check: str, own: Profile = both) -> Outcome:
        return ask(f"operations/{check}", pair.primary.dsn(), profile=own)

    write(pair.primary)
    assert eventually(lambda: found(looked("standby-lagging")) == set())
    assert found(looked("no-standby")) == set()
    assert only(looked("no-standby")).evidence["streaming"] == ["replica", "fed"]
    assert found(looked("no-standby", of_two(pair.profile(replica=pair.standby.dsn())))) == {"primary"}, (
        "nobody says that there is another"
    )
    with paused(Pair(pair.primary, cascade)):
        write(pair.primary)
        lagging = looked("standby-lagging")
        assert isinstance(lagging, Examined)
        assert {o.subject: o.ok for o in lagging.observations} == {"fed": False, "replica": True}
    assert eventually(lambda: found(looked("standby-lagging")) == set())
    cascade.stop()
    gone = looked("standby-lagging")
    assert isinstance(gone, Unknown), "of one that can't be asked nobody knows"
    assert [u.subject for u in gone.unseen] == ["fed"]
    assert found(looked("no-standby")) == {"primary"}


def test_a_slot_whose_standby_is_gone_keeps_log_until_it_is_lost(pair: Pair):
    """Stopped, it is inactive; then it keeps too much; then the server gives it up, and the standby can't come back."""
    pair.standby.stop()
    assert eventually(lambda: found(pair.ask("inactive-replication-slot")) == {"replica"})
    assert eventually(lambda: found(pair.ask("no-standby")) == {"primary"})
    assert found(pair.ask("standby-unreadable")) == {"replica"}
    assert isinstance(pair.ask("standby-replay-paused"), Unknown)
    with pair.primary.connect() as admin:
        admin.execute("alter system set max_wal_size = '32MB'")
        admin.execute("alter system set min_wal_size = '32MB'")
        admin.execute("select pg_reload_conf()")
        for _ in range(3):
            admin.execute("insert into written values (1)")
            admin.execute("select pg_switch_wal()")
        assert eventually(lambda: found(pair.ask("slot-retaining-wal", megabytes=32)) == {"replica"})
        admin.execute("alter system set max_slot_wal_keep_size = '16MB'")
        admin.execute("select pg_reload_conf()")

        def given_up() -> list[str]:
            admin.execute("checkpoint")
            lost = pair.ask("lost-replication-slot")
            assert found(lost) <= {"replica"}
            return remedies(lost)

        (drop,) = eventually(given_up)
        admin.execute(drop.encode())
        assert isinstance(pair.ask("lost-replication-slot"), NotApplicable)


def test_settings_lower_than_the_primarys(pair: Pair):
    """Of made facts: a standby with such a setting does not start."""
    from asking import checks
    from readiness.facts.replication import NOT_LOWER, Standbys, StandbyState

    state = StandbyState(
        in_recovery=True,
        same_cluster=True,
        receiving=True,
        paused=False,
        caught_up=True,
        replayed_age=None,
        heard_age=1.0,
        settings={**dict.fromkeys(NOT_LOWER, "100"), "max_connections": "60"},
        cancelled=0,
        statistics_days=1,
    )
    asked = checks()["operations/standby-setting-lower"].ask
    answer = asked(Standbys(by_name={"a": state}, primary=dict.fromkeys(NOT_LOWER, "100")))
    assert [o.subject for o in answer if not o.ok] == ["a: max_connections"]
    assert isinstance(asked(Standbys(by_name={"a": state}, primary={})), Unknown)


def test_subscriptions(pair: Pair, make_database: Callable[[Cluster], Database]):
    """From one database of the server to another, by a slot that is there already."""
    check = "operations/subscription-not-running"
    here = make_database(pair.primary)
    assert isinstance(ask(check, here.dsn()), NotApplicable)
    here.run("create table written (n int primary key)")
    with pair.primary.connect() as publisher:
        # Before the slot: a truncate that is applied while the table is copied waits for the copy's lock, and the copy's
        # slot for that transaction to end, which is of the same server here. No deadlock detector sees it.
        publisher.execute("truncate written")
        publisher.execute("create publication all_of_it for table written")
        publisher.execute("select pg_create_logical_replication_slot('follows', 'pgoutput')")
    name = f"sub_{here.name}"
    try:
        here.run(
            f"create subscription {name} connection '{pair.primary.dsn()}' publication all_of_it "
            "with (create_slot = false, slot_name = follows, enabled = false)"
        )
        disabled = ask(check, here.dsn())
        assert found(disabled) == {name}
        assert found(ask(check, here.bare_dsn())) == {name}
        here.run(remedies(disabled)[0])
        here.run(f"alter subscription {name} refresh publication")
        with here.connect() as admin:
            ready = "select bool_and(srsubstate = 'r') from pg_subscription_rel"
            assert eventually(lambda: admin.execute(ready).fetchone() == (True,), 15)
        assert eventually(lambda: found(ask(check, here.dsn())) == set())
        assert found(ask(check, here.bare_dsn())) == set()
        here.run("insert into written values (7)")
        with pair.primary.connect() as publisher:
            publisher.execute("insert into written values (7)")
        assert eventually(lambda: found(ask(check, here.dsn())) == {name}, 15), "its worker fails at this row"
    finally:
        with here.connect() as admin:
            admin.execute(f"alter subscription {name} disable".encode())
            admin.execute(f"alter subscription {name} set (slot_name = none)".encode())
            admin.execute(f"drop subscription {name}".encode())


def test_a_subscription_that_gives_large_transactions_away(embedded_cluster: Cluster, make_database: Callable):
    """Its parallel workers (since 16) stand beside it in the server's view, and stay there for the next one."""
    check = "operations/subscription-not-running"
    here, there = make_database(embedded_cluster), make_database(embedded_cluster)
    name = f"sub_{here.name}"
    there.run(f"create table written (n int); select pg_create_logical_replication_slot('{name}', 'pgoutput')")
    there.run("create publication all_of_it for table written")
    here.run("create table written (n int)")
    there.run(f"alter database {there.name} set logical_decoding_work_mem = '64kB'")
    try:
        here.run(
            f"create subscription {name} connection '{there.dsn()}' publication all_of_it "
            f"with (create_slot = false, slot_name = {name}, streaming = parallel)"
        )
        with here.connect() as admin, there.connect() as writer:
            ready = "select bool_and(srsubstate = 'r') from pg_subscription_rel"
            assert eventually(lambda: admin.execute(ready).fetchone() == (True,), 20)
            assert eventually(lambda: found(ask(check, here.dsn())) == set())
            workers = "select count(*) from pg_stat_subscription where subname = %s"

            def given_away() -> bool:  # not the first one, while the worker hasn't heard yet that the copy is done
                writer.execute("rollback")
                writer.execute("begin")
                writer.execute("insert into written select generate_series(1, 20000)")
                return bool(eventually(lambda: admin.execute(workers, (name,)).fetchone() == (2,), 1))

            assert eventually(given_away, 20)
            for dsn in (here.dsn(), here.bare_dsn()):
                outcome = ask(check, dsn)
                assert only(outcome).ok, outcome
            writer.execute("commit")
    finally:
        with here.connect() as admin:
            admin.execute(f"alter subscription {name} disable".encode())
            admin.execute(f"alter subscription {name} set (slot_name = none)".encode())
            admin.execute(f"drop subscription {name}".encode())
        with there.connect() as admin:
            drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s and not active"
            assert eventually(lambda: admin.execute(drop, (name,)).fetchone())


def test_a_subscription_whose_publisher_says_nothing(database: Database):
    """Its worker is there, connecting, for as long as the network lets it."""
    check, name = "operations/subscription-not-running", f"sub_{database.name}"
    with server(silent) as port:
        database.run(
            f"create subscription {name} connection 'host=127.0.0.1 port={port} user=nobody' publication all_of_it "
            "with (connect = false)"
        )
        try:
            database.run(f"alter subscription {name} enable")
            with database.connect() as admin:
                runs = "select pid is not null from pg_stat_subscription where subname = %s"
                assert eventually(lambda: admin.execute(runs, (name,)).fetchone() == (True,))
            for dsn in (database.dsn(), database.bare_dsn()):
                mute = only(ask(check, dsn))
                assert (mute.ok, mute.evidence["worker_runs"], mute.evidence["has_received"]) == (False, True, False)
        finally:
            database.run(
                f"alter subscription {name} disable; alter subscription {name} set (slot_name = none);"
                f"drop subscription {name}"
            )


@pytest.fixture
def newer_pair() -> Iterator[Pair]:
    """A primary of PostgreSQL 18 whose standby a test may promote."""
    with embedded.cluster(settings=SETTINGS, fast=True, purpose="test") as primary:
        standby = stood_by(primary, hot_standby_feedback="on")
        yield Pair(primary, standby)


def test_a_slot_that_a_standby_brought_along(newer_pair: Pair):
    """Kept in step with the primary's, it is at rest; after the failover somebody should have come back to it."""
    check, primary, standby = "operations/inactive-replication-slot", newer_pair.primary, newer_pair.standby
    with primary.connect() as admin, standby.connect() as there:
        admin.execute("select pg_create_logical_replication_slot('reader', 'pgoutput', failover => true)")

        def in_step() -> bool:
            admin.execute("create table if not exists moves (n int)")
            admin.execute("select pg_log_standby_snapshot()")
            admin.execute("select pg_replication_slot_advance('reader', pg_current_wal_lsn())")
            with suppress(psycopg.errors.ObjectNotInPrerequisiteState):  # the standby isn't as far as the slot yet
                there.execute("select pg_sync_replication_slots()")
            row = there.execute("select synced and not temporary from pg_replication_slots").fetchone()
            return row == (True,)

        assert eventually(in_step, 20)
        assert only(ask(check, standby.dsn())).ok
        there.execute("select pg_promote()")
        left_behind = ask(check, standby.dsn())
        assert found(left_behind) == {"reader"}
        for remedy in remedies(left_behind):
            there.execute(remedy.encode())
        assert isinstance(ask(check, standby.dsn()), NotApplicable)


def test_they_answer_on_every_version(older_cluster: Cluster):
    """Without a standby, a slot or a subscription: the catalogs that they read are there."""
    for check in ("lost-replication-slot", "slot-retaining-wal", "subscription-not-running", "sync-standby-missing"):
        assert isinstance(ask(f"operations/{check}", older_cluster.dsn()), NotApplicable), check
    assert found(ask("operations/no-standby", older_cluster.dsn())) == {"primary"}
