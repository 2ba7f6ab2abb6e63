"""Where others are at work an audit rests between its questions; where nobody is, it doesn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import stage
from conftest import Database
from readiness.authoring import Unobservable
from readiness.embedded import Cluster
from readiness.facts.pace import WORTH_A_LOOK
from readiness.facts.postgres import Postgres
from stage import at_work

SHARE = 0.25


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with stage.database(cluster) as made:
        made.run(f"grant pg_monitor to {made.bare_role}")
        yield made


@pytest.fixture(scope="module")
def blind(cluster: Cluster) -> Iterator[Database]:
    """Its role may not see what others do."""
    with stage.database(cluster) as made:
        yield made


def asked(session: Postgres, times: int) -> None:
    """Ask what takes long enough that a rest is due after each."""
    for _ in range(times):
        session.rows(f"select pg_catalog.pg_sleep({WORTH_A_LOOK + 0.01})::text as slept", marker="test")


@contextmanager
def session(database: Database, share: float = SHARE) -> Iterator[Postgres]:
    made = Postgres(database.bare_dsn(), share_when_busy=share)
    made.rows("select 1 as one", marker="test")
    try:
        yield made
    finally:
        made.close()


def test_three_quarters_of_the_time_are_others(database: Database):
    with at_work(database), session(database) as ours:
        clock = ours.clock()
        began = time.perf_counter()
        asked(ours, 4)
        ours.rest()
        took, asking = time.perf_counter() - began, ours.clock() - clock
    assert ours.rested_seconds == pytest.approx(took - asking, abs=0.01)
    assert 12 * WORTH_A_LOOK < ours.rested_seconds < 3.3 * asking
    assert ours.longest_seconds < asking / 2  # a rest is in nobody's time


def test_nobody_is_rested_for(database: Database):
    with session(database) as ours:
        asked(ours, 3)
        assert ours.rested_seconds == 0
        if ours._connection is not None:  # as behind a pooler that gives its own name instead of ours
            ours._connection.execute("set application_name = 'pooled'")
        asked(ours, 2)
        assert ours.rested_seconds == 0


def test_what_takes_no_time_is_not_worth_a_look(database: Database):
    with session(database) as ours:
        for _ in range(20):
            ours.rows("select 1 as one", marker="test")
        assert ours.statements < 21 + 5


def test_other_sessions_of_an_audit_are_not_others(database: Database):
    with session(database) as ours, at_work(database, "readiness/0.1 timing"):
        asked(ours, 3)
        assert ours.rested_seconds == 0


def test_they_rest_themselves(database: Database):
    with at_work(database), session(database) as ours:
        other = ours.another("plans")
        asked(other, 2)
        assert other.rested_seconds > 2 * WORTH_A_LOOK
        other.close()


def test_a_session_that_is_lost_meanwhile_is_opened_anew_once(database: Database):
    with session(database) as ours, database.connect() as admin:
        for _ in range(2):
            asked(ours, 1)
            admin.execute("select pg_catalog.pg_terminate_backend(%s, 5000)", (ours.startup_pid,))
            last = ours.ask("select 1 as one", marker="test")
        with pytest.raises(Unobservable, match="lost twice"):
            last.rows()


def test_who_may_not_see_rests(blind: Database):
    with session(blind) as ours:
        asked(ours, 3)
        assert ours.rested_seconds > 6 * WORTH_A_LOOK


def test_a_whole_share_never_looks(database: Database):
    with at_work(database), session(database, share=1) as ours:
        asked(ours, 3)
        assert (ours.rested_seconds, ours.statements) == (0, 4)


def test_no_transaction_is_open_meanwhile(database: Database):
    """A rest would hold back vacuum, and whoever waits for our locks."""
    states: set[str] = set()
    over = threading.Event()

    def look() -> None:
        with database.connect() as admin:
            while not over.is_set():
                states.update(
                    state
                    for (state,) in admin.execute(
                        "select state from pg_catalog.pg_stat_activity "
                        "where pid = %s and pg_catalog.clock_timestamp() - state_change > %s * interval '1 s'",
                        (ours.startup_pid, 2 * WORTH_A_LOOK),
                    ).fetchall()
                )

    with at_work(database), session(database) as ours:
        first = ours.ask(f"select pg_catalog.pg_sleep({WORTH_A_LOOK + 0.01})::text as slept", marker="test")
        watch = threading.Thread(target=look)
        ours.receive()
        watch.start()
        ours.rest()
        over.set()
        watch.join()
        assert first.rows()
        assert ours.rested_seconds > 3 * WORTH_A_LOOK
    assert states == {"idle"}


def test_an_answer_on_its_way_is_taken_before_a_rest(database: Database):
    with at_work(database), session(database) as ours:
        asked(ours, 1)
        first = ours.ask("select 1 as one", marker="test")
        second = ours.ask("select 2 as two", marker="test")
        assert (first.rows(), second.rows()) == ([{"one": 1}], [{"two": 2}])


def test_a_rest_is_told(embedded_cluster: Cluster, tmp_path: Path):
    with stage.database(embedded_cluster) as made:
        made.run(f"grant pg_monitor to {made.bare_role}")
        policy = stage.write_policy(tmp_path)

        def scored(*options: str) -> stage.Done:
            return stage.run(
                "score",
                "-d",
                made.bare_dsn(),
                "--policy",
                policy,
                *options,
                env=stage.environment(tmp_path),
                cwd=tmp_path,
            )

        assert scored("-f", "json").document["cost"]["rested_seconds"] == 0
        with at_work(made):
            told = scored("-f", "json").document
            assert told["cost"]["rested_seconds"] > 0.1
            taken = sum(c["duration_ms"] for c in told["checks"]) / 1000
            assert taken < told["duration_seconds"] - told["cost"]["rested_seconds"]
            assert "resting " in " ".join(scored().out.split())
