"""How long the profile's critical queries take, by asking them: client-side, from sending to the last row.

A query that declares a `rate` is asked in an open loop: its calls are due on a schedule that was drawn before the first of
them (exponential gaps, always the same seed), whether those before them have come back or not, over a bounded number of
sessions; the wait for a free session is a part of the wait. So a stall is counted for every call that it held up, not for
one (coordinated omission). Without a rate there is no load to hold to: the queries are asked one at a time, whichever
had the least of the time so far, and what is measured is the query alone, without any queue.

In both ways the first few of each, cold, are not counted; a call that fails its time limit is a wait without end; and
all ends with a budget of time, a number of calls, or when the server has work enough of its own.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import OTHERS_AT_WORK, Postgres
from readiness.facts.stopwatch import Wait
from readiness.facts.target import Target, declared
from readiness.model import Reason, Unseen
from readiness.profile import CriticalQuery, Probing, Profile

WARM_UP = 5
MOST_VALUES = 1_000
SPARE_SLOTS = 10  # connections that stay free beside those that we open
WATCH_SECONDS = 0.5  # between two looks at the server's load
SEED = 20_261_125


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One critical query's waits, in milliseconds, in the order in which they were due.

    Args:
        least: what each was at the least, were it not for a CPU of our own; see `Wait`.
        rate: calls a second that were due; None where it was asked in turn with others, one at a time.
        sessions: over how many sessions.
        queued: how many of the calls waited for a free session.
        wanted: how many calls were to be timed; there are fewer where the time was over before.
        seconds: the time for all queries together, `probing.query_seconds`.
    """

    name: str
    target_ms: float
    milliseconds: tuple[float, ...]
    least: tuple[float, ...] | None = None
    rate: float | None = None
    sessions: int = 1
    queued: int = 0
    wanted: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLatencies:
    by_name: Mapping[str, Timed]
    unseen: tuple[Unseen, ...]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        profile = target.profile
        queries = critical_queries(target)
        asked: list[_Asked] = []
        for name, query in queries.items():
            a = _Asked(name, query)
            asked.append(a)
            try:
                a.values = values_of(postgres, name, query, settings_of(profile))
            except Unobservable as refusal:
                a.refusal = refusal
        begun = time.monotonic()
        in_turn = [a for a in asked if a.query.rate is None]
        at_rate = [a for a in asked if a.query.rate is not None]
        share = profile.probing.query_seconds * len(in_turn) / max(1, len(asked))
        watch = _Watch(postgres, profile.probing)
        _ask_in_turn(postgres, profile, in_turn, watch, ends=begun + share)
        _ask_at_rate(postgres, profile, at_rate, watch, ends=begun + profile.probing.query_seconds)
        for a in asked:
            if a.refusal is None and watch.stopped is not None and not a.done:
                a.refusal = watch.stopped
            if a.refusal is None and not a.waits:
                a.refusal = Unobservable(
                    Reason.INSUFFICIENT_SAMPLES,
                    f"the time for all queries ({profile.probing.query_seconds:g} s) was over",
                    "raise probing.query_seconds",
                )
        return cls(
            by_name={a.name: a.timed(profile) for a in asked if a.refusal is None},
            unseen=tuple(refused(a.name, a.refusal, profile) for a in asked if a.refusal is not None),
        )


class _Asked:
    def __init__(self, name: str, query: CriticalQuery) -> None:
        self.name = name
        self.query = query
        self.values: Sequence[Sequence[Any]] = ()
        self.waits: list[Wait] = []
        self.asked = 0
        self.queued = 0
        self.sessions = 1
        self.refusal: Unobservable | None = None
        self.done = False  # all its calls were made

    def next_values(self) -> Sequence[Any]:
        self.asked += 1
        return self.values[(self.asked - 1) % len(self.values)] if self.values else ()

    def call(self, postgres: Postgres, profile: Profile, values: Sequence[Any]) -> Wait:
        return postgres.timed(
            self.query.sql,
            values,
            marker=f"query:{self.name}",
            seconds=profile.probing.statement_seconds,
            settings=settings_of(profile),
        )

    def timed(self, profile: Profile) -> Timed:
        return Timed(
            name=self.name,
            target_ms=self.target_ms(profile),
            milliseconds=tuple(w.milliseconds for w in self.waits),
            least=tuple(w.least for w in self.waits),
            rate=self.query.rate,
            sessions=self.sessions,
            queued=self.queued,
            wanted=profile.probing.query_samples,
            seconds=profile.probing.query_seconds,
        )

    def target_ms(self, profile: Profile) -> float:
        return self.query.target_ms or profile.targets.query_p95_ms


class _Watch:
    """The server's own load, looked at while we add to it.

    What was measured up to a stop is not judged: a measurement that ends when the server grows slow would be one of its
    quick times alone.
    """

    def __init__(self, postgres: Postgres, probing: Probing) -> None:
        self._postgres = postgres
        self._most = probing.most_active
        self._next = 0.0
        self.stopped: Unobservable | None = None

    def look(self) -> tuple[int | None, int]:
        """Others' sessions at work (None: the role may not see them), and how many connections are free."""
        (row,) = self._postgres.rows(_LOAD, marker="load")
        return row["active"], row["free"]

    def too_much(self) -> bool:
        if self.stopped is None and time.monotonic() >= self._next:
            active, _free = self.look()
            self._next = time.monotonic() + WATCH_SECONDS
            if active is not None and active > self._most:
                self.stopped = Unobservable(
                    Reason.INSUFFICIENT_SAMPLES,
                    f"stopped: {active} other sessions were at work, more than probing.most_active ({self._most})",
                    "audit at a quieter time, or raise probing.most_active",
                )
        return self.stopped is not None


_LOAD = f"""
select
    {OTHERS_AT_WORK} as active,
    pg_catalog.current_setting('max_connections')::int4
    - pg_catalog.current_setting('superuser_reserved_connections')::int4
    - coalesce(pg_catalog.current_setting('reserved_connections', true)::int4, 0)
    - (select pg_catalog.sum(d.numbackends) from pg_catalog.pg_stat_database as d)::int4 as free
"""


def _ask_in_turn(postgres: Postgres, profile: Profile, asked: Sequence[_Asked], watch: _Watch, *, ends: float) -> None:
    """Next is whichever has had the least of the time: a slow query takes none of it from quick ones."""
    probing = profile.probing
    taken = dict.fromkeys(asked, 0.0)
    while time.monotonic() < ends and (
        left := [a for a in asked if a.refusal is None and a.asked < WARM_UP + probing.query_samples]
    ):
        if watch.too_much():
            return
        a = min(left, key=taken.__getitem__)
        begun = time.monotonic()
        try:
            wait = a.call(postgres, profile, a.next_values())
        except Unobservable as refusal:
            a.refusal = refusal
            continue
        if a.asked > WARM_UP or math.isinf(wait.milliseconds):
            a.waits.append(wait)
        time.sleep(probing.pause_ms / 1000)
        taken[a] += time.monotonic() - begun
    for a in asked:
        a.done = True


# -- open loop -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Due:
    at: float  # seconds after the schedule's beginning
    asked: _Asked
    values: Sequence[Any]


def _schedule(asked: Sequence[_Asked], samples: int, seconds: float) -> list[_Due]:
    """When each call is due: a Poisson process for each query, so that calls see the server as its users do."""
    due: list[_Due] = []
    for a in asked:
        chance = random.Random(f"{SEED} {a.name}")  # noqa: S311  the same schedule in each run, so that runs compare
        assert a.query.rate is not None
        at = 0.0
        for _ in range(samples):
            at += chance.expovariate(a.query.rate)
            if at > seconds:
                break
            due.append(_Due(at, a, a.next_values()))
    return sorted(due, key=lambda d: (d.at, d.asked.name))


def _ask_at_rate(postgres: Postgres, profile: Profile, asked: Sequence[_Asked], watch: _Watch, *, ends: float) -> None:
    asked = [a for a in asked if a.refusal is None]
    if not asked or watch.stopped is not None:
        return
    probing = profile.probing
    sessions: list[Postgres] = []
    try:
        _admit(watch, probing)
        sessions += (postgres.another("timing") for _ in range(probing.query_connections))
        for session in sessions:
            session.rows("select 1 as up", marker="timing")
    except Unobservable as refusal:
        for a in asked:
            a.refusal = refusal
        for session in sessions:
            session.close()
        return
    try:
        for a in asked:
            a.sessions = len(sessions)
            try:
                for n in range(max(WARM_UP, len(sessions))):
                    a.call(sessions[n % len(sessions)], profile, a.next_values())
            except Unobservable as refusal:
                a.refusal = refusal
        _run(sessions, profile, [a for a in asked if a.refusal is None], watch, ends)
    finally:
        for session in sessions:
            session.close()


def _admit(watch: _Watch, probing: Probing) -> None:
    """See that the server has room for our sessions, and that we would see when it has no longer.

    Raises:
        Unobservable: it hasn't, or we wouldn't.
    """
    active, free = watch.look()
    if active is None:
        raise Unobservable(
            Reason.NO_PERMISSION,
            "a rate is not kept up against a server whose load the role may not see",
            "grant pg_monitor to the auditor's role (`readiness role-sql`)",
        )
    if free < probing.query_connections + SPARE_SLOTS:
        raise Unobservable(
            Reason.INSUFFICIENT_SAMPLES,
            f"{free} connections are free; {probing.query_connections} are wanted, and {SPARE_SLOTS} stay free",
            "audit at a quieter time, or lower probing.query_connections",
        )


def _run(sessions: Sequence[Postgres], profile: Profile, asked: Sequence[_Asked], watch: _Watch, ends: float) -> None:
    probing = profile.probing
    begins = time.monotonic()
    # The last calls are due early enough that a wait over the target ends, or is seen not to, within the budget.
    drain = min(probing.statement_seconds, (ends - begins) / 2)
    schedule = _schedule(asked, probing.query_samples, ends - drain - begins)
    waits: list[Wait | None] = [None] * len(schedule)
    late = [False] * len(schedule)
    taken = iter(range(len(schedule)))
    lock, stop = threading.Lock(), threading.Event()

    def work(session: Postgres) -> None:
        ours = (
            0.0  # since this session last was free when a call was due: what queues behind our own waits has them too
        )
        while not stop.is_set():
            free_at = time.monotonic() - begins
            with lock:
                at = next(taken, None)
            if at is None:
                return
            due = schedule[at]
            if stop.wait(max(0.0, due.at - free_at)) or time.monotonic() > ends or due.asked.refusal is not None:
                continue
            try:
                wait = due.asked.call(session, profile, due.values)
            except Unobservable as refusal:
                due.asked.refusal = refusal
                continue
            # Not from when it was due: how late our own clock wakes us is no wait of the platform's.
            held_up = max(0.0, free_at - due.at) * 1000
            late[at] = held_up > 0
            ours = min(ours, held_up) + wait.ours
            waits[at] = Wait(held_up + wait.milliseconds, ours)

    workers = [threading.Thread(target=work, args=(s,), daemon=True, name="readiness-timing") for s in sessions]
    for worker in workers:
        worker.start()
    try:
        while any(w.is_alive() for w in workers) and not watch.too_much():
            workers[0].join(WATCH_SECONDS / 5)
            if not workers[0].is_alive():
                time.sleep(WATCH_SECONDS / 50)
    except Unobservable as refusal:
        watch.stopped = refusal  # what we can't watch we don't do
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    if watch.stopped is not None:
        return
    over = time.monotonic() - begins
    for at, due in enumerate(schedule):
        wait = waits[at]
        if wait is None:  # never begun: it waits still. Where that is over the target already, it is a miss
            if (over - due.at) * 1000 <= due.asked.target_ms(profile):
                continue
            wait = Wait(math.inf)
        due.asked.waits.append(wait)
        due.asked.queued += late[at] or math.isinf(wait.milliseconds)
    for a in asked:
        a.done = True


# -- what they are asked with ----------------------------------------------------------------------------------


def values_of(postgres: Postgres, name: str, query: CriticalQuery, settings: Mapping[str, str]) -> list[list[Any]]:
    """The sets of values that a critical query is asked with; none where it has no parameters.

    Raises:
        Unobservable: its values_sql can't run, or yields none.
    """
    if query.values_sql is None:
        return [list(v) for v in query.values]
    statement = f"select * from (\n{query.values_sql.strip().rstrip(';')}\n) as v limit {MOST_VALUES}"
    rows = postgres.rows(statement, marker=f"values:{name}", settings=settings)
    if not rows:
        raise Unobservable(Reason.INSUFFICIENT_SAMPLES, "its values_sql yields no row to ask for")
    return [list(row.values()) for row in rows]


def critical_queries(target: Target) -> Mapping[str, CriticalQuery]:
    """Those that the profile declares, where they may be run.

    Raises:
        Unobservable: the profile says nothing of queries, or its SQL isn't trusted with a superuser's rights.
    """
    declared(target.profile, "queries")
    if not target.trust_profile_sql and target.profile.queries:
        raise Unobservable(
            Reason.NOT_SELECTED,
            "the profile's own SQL is not run as a superuser",
            "audit as the role that `readiness role-sql` prints, or say --as-superuser",
        )
    return target.profile.queries


def settings_of(profile: Profile) -> dict[str, str]:
    """What each critical query's transaction sets: the profile's search_path."""
    path = ", ".join('"' + schema.replace('"', '""') + '"' for schema in profile.database.search_path)
    return {"search_path": path} if path else {}


def refused(name: str, refusal: Unobservable, profile: Profile) -> Unseen:
    """A critical query that can't be asked; what it doesn't find may lie where only its service looks."""
    unlock = refusal.unlock
    if (
        unlock is None
        and not profile.database.search_path
        and re.match(r"(relation|function) .* does not exist", refusal.detail or "")
    ):
        unlock = (
            "write it with its schema, or say where the query looks: `database: {search_path: [public]}` in the profile"
        )
    return Unseen(subject=name, reason=refusal.reason, detail=refusal.detail, unlock=unlock)
