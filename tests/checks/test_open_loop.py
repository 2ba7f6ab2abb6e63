"""Critical queries at a declared rate: what a queue adds is counted, the server's own load is looked at, nothing stays behind."""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asking import NOW, ask, found
from conftest import Database
from readiness.facts.latency import QueryLatencies, Timed
from readiness.facts.postgres import Postgres
from readiness.facts.stopwatch import Wait
from readiness.facts.target import Target
from readiness.model import Examined, Reason, Unknown
from readiness.profile import Profile
from readiness.quantiles import quantile
from stage import eventually

pytestmark = pytest.mark.alone


def profile(query: dict, **probing) -> Profile:
    quick = {"query_samples": 75, "pause_ms": 0, "query_seconds": 10, **probing}
    return Profile.model_validate({"name": "t", "probing": quick, "queries": {"q": query}})


def measured(database: Database, declared: Profile) -> Timed:
    postgres = Postgres(database.dsn())
    try:
        target = Target(profile=declared, folder=Path(), now=NOW, trust_profile_sql=True)
        return QueryLatencies.take(postgres, target).by_name["q"]
    finally:
        postgres.close()


def test_the_wait_in_the_queue_is_counted(embedded_database: Database):
    """A call of 10 ms, 200 due a second, one session: each waits longer than the one before it."""
    query = {"sql": "select pg_sleep(0.01)", "target_ms": 60}
    assert found(ask("performance/slow-query", embedded_database.dsn(), profile=profile(query))) == set()
    at_rate = profile({**query, "rate": 200}, query_connections=1)
    outcome = ask("performance/slow-query", embedded_database.dsn(), profile=at_rate)
    assert found(outcome) == {"q"}
    assert isinstance(outcome, Examined)
    (finding,) = outcome.findings
    assert finding.evidence["lower"] > 200
    assert "200 due a second over 1 sessions" in str(finding.evidence["source"])
    with embedded_database.connect() as connection:
        left = "select count(*) from pg_stat_activity where application_name ~ '^readiness/'"
        # A server process ends behind its client.
        assert eventually(lambda: connection.execute(left).fetchone() == (0,))


def test_what_queues_behind_our_own_waits_has_them_too(embedded_database: Database, monkeypatch: pytest.MonkeyPatch):
    """75 due at once, 10 ms each, of which we had no CPU for 4: the last one may owe 300 ms to us."""

    def call(*_: object, **__: object) -> Wait:
        time.sleep(0.01)
        return Wait(10.0, 4.0)

    monkeypatch.setattr(Postgres, "timed", call)
    declared = profile({"sql": "select 1", "rate": 1000, "target_ms": 10}, query_connections=1)
    timed = measured(embedded_database, declared)
    ours = [wait - least for wait, least in zip(timed.milliseconds, timed.least or (), strict=True)]
    assert ours == pytest.approx([4.0 * n for n in range(1, 76)])


def test_a_rate_that_the_sessions_bear_adds_no_queue(embedded_database: Database):
    timed = measured(embedded_database, profile({"sql": "select pg_sleep(0.01)", "rate": 50, "target_ms": 100}))
    assert len(timed.milliseconds) == 75
    assert sorted(timed.milliseconds)[37] < 20


def test_calls_that_never_begin_are_misses(embedded_database: Database):
    """50 due in a second, each of a second, one session: after the budget most still wait."""
    declared = profile(
        {"sql": "select pg_sleep(1)", "rate": 100, "target_ms": 50},
        query_connections=1,
        query_seconds=8,
        statement_seconds=1.5,
    )
    waits = measured(embedded_database, declared).milliseconds
    assert len(waits) == 75
    assert sum(map(math.isinf, waits)) > 60


def test_the_interval_holds_what_the_server_itself_logged(embedded_database: Database):
    """30 measurements of a function that sleeps a drawn time, half of them at a rate. Truth: all delays that the server logged."""
    embedded_database.run(
        """
        create function delayed(ms float8) returns void language plpgsql as $$
        declare begun timestamptz := clock_timestamp();
        begin
            perform pg_sleep(ms / 1000);
            raise log 'test delay of % ms', 1000 * extract(epoch from clock_timestamp() - begun);
        end $$
        """
    )
    log = embedded_database.cluster.log
    from_here = log.stat().st_size
    intervals = []
    for number in range(30):
        chance = random.Random(number)
        values = [[chance.expovariate(1 / 4)] for _ in range(105)]
        query = {"sql": "select public.delayed($1)", "values": values} | ({"rate": 120} if number % 2 else {})
        timed = measured(embedded_database, profile(query, query_samples=100))
        q = quantile(timed.milliseconds, least=timed.least)
        intervals.append((q.lower, q.upper))
    with log.open(errors="replace") as lines:
        lines.seek(from_here)
        delays = sorted(float(ms) for ms in re.findall(r"test delay of ([\d.]+) ms", lines.read()))
    assert len(delays) >= 3_000
    truth = delays[math.ceil(0.95 * len(delays)) - 1]
    assert sum(low <= truth <= high for low, high in intervals) >= 25, (truth, intervals)


@contextmanager
def others_at_work(database: Database, sessions: int) -> Iterator[None]:
    connections = [database.connect() for _ in range(sessions)]
    workers = [threading.Thread(target=lambda c=c: _sleep(c)) for c in connections]
    for worker in workers:
        worker.start()
    at_work = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'"
    try:
        with database.connect() as watcher:
            assert eventually(lambda: watcher.execute(at_work).fetchone() == (sessions,))
        yield
    finally:
        for connection in connections:
            connection.cancel()
        for worker in workers:
            worker.join()
        for connection in connections:
            connection.close()


def _sleep(connection) -> None:
    try:
        connection.execute("select pg_sleep(60)")
    except Exception:  # noqa: BLE001  cancelled, as meant
        return


def test_a_server_with_work_of_its_own_is_left_alone(embedded_database: Database):
    for rate in ({}, {"rate": 20}):
        declared = profile({"sql": "select pg_sleep(0.01)", **rate}, most_active=2)
        with others_at_work(embedded_database, 3):
            begun = time.monotonic()
            outcome = ask("performance/slow-query", embedded_database.dsn(), profile=declared)
            assert time.monotonic() - begun < 3
        assert isinstance(outcome, Unknown)
        assert outcome.reason is Reason.INSUFFICIENT_SAMPLES
        assert "3 other sessions were at work" in outcome.detail
        assert found(ask("performance/slow-query", embedded_database.dsn(), profile=declared)) == set()


def test_load_that_comes_later_ends_it_too(embedded_database: Database):
    declared = profile({"sql": "select pg_sleep(0.01)", "rate": 15}, most_active=2)
    told = []
    asking = threading.Thread(
        target=lambda: told.append(ask("performance/slow-query", embedded_database.dsn(), profile=declared))
    )
    asking.start()
    time.sleep(1)
    with others_at_work(embedded_database, 3):
        asking.join(timeout=4)
        assert not asking.is_alive()
    assert isinstance(told[0], Unknown)
    assert "probing.most_active" in told[0].detail


def test_no_rate_without_seeing_the_load_or_without_room(embedded_database: Database):
    declared = profile({"sql": "select 1", "rate": 50})
    outcome = ask("performance/slow-query", embedded_database.bare_dsn(), profile=declared)
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NO_PERMISSION
    wide = profile({"sql": "select 1", "rate": 50}, query_connections=32)
    held = [embedded_database.connect() for _ in range(18)]  # of 57
    try:
        outcome = ask("performance/slow-query", embedded_database.dsn(), profile=wide)
    finally:
        for connection in held:
            connection.close()
    assert isinstance(outcome, Unknown)
    assert "32 are wanted, and 10 stay free" in outcome.detail
