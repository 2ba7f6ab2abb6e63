"""Audits on a schedule. Who is longest due comes first, and a target is due again only after its audit has ended: so no
two audits of one are ever under way, and nobody is starved.

The first audit comes when the last known run is as old as the interval; from then on the interval counts from start to
start, give or take a tenth, so that targets that began together drift apart. A failed attempt is not repeated sooner: a
wrong password must not lock the role out.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from readiness import fleet
from readiness.fleet import Attempt, Target
from readiness.serving.board import Board

JITTER = 0.1
LOOK_SECONDS = 30.0  # a clock that was set does not put an audit off for longer


def utc_now() -> datetime:
    return datetime.now(UTC)


class Schedule:
    """Keeps a board up to date."""

    def __init__(
        self,
        targets: Sequence[Target],
        board: Board,
        *,
        parallel: int,
        told: Callable[[str], None],
        attempt: Callable[[Target, threading.Event], Attempt] = fleet.attempt,
        now: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is audited yet.

        Args:
            parallel: how many audits run at once.
            told: hears of what goes wrong, and when it is well again.
            chance: a number from 0 to 1.
        """
        self._board = board
        self._told = told
        self._attempt = attempt
        self._now = now
        self._chance = chance
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._due: list[tuple[datetime, int, Target]] = []
        self._targets = targets
        self._threads = [threading.Thread(target=self._work, name=f"audits {n}", daemon=True) for n in range(parallel)]

    def start(self) -> None:
        for order, target in enumerate(self._targets):
            self._expect(self._first(target), order, target)
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End what is under way, and wait for it."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(2 * fleet.PATIENCE_SECONDS)

    def _expect(self, due: datetime, order: int, target: Target) -> None:
        self._board.expect(target.name, due)
        with self._changed:
            heapq.heappush(self._due, (due, order, target))
            self._changed.notify()

    def _next(self) -> tuple[int, Target] | None:
        """The target that is longest due, as soon as one is; None when it is time to end."""
        with self._changed:
            while not self._stopping.is_set():
                wait = LOOK_SECONDS
                if self._due:
                    wait = (self._due[0][0] - self._now()).total_seconds()
                    if wait <= 0:
                        return heapq.heappop(self._due)[1:]
                self._changed.wait(min(wait, LOOK_SECONDS))
        return None

    def _work(self) -> None:
        while (found := self._next()) is not None:
            order, target = found
            started = self._now()
            self._audit(target)
            spread = 1 + JITTER * (2 * self._chance() - 1)
            self._expect(max(started + timedelta(seconds=target.every * spread), self._now()), order, target)

    def _first(self, target: Target) -> datetime:
        now, seen = self._now(), self._board.get(target.name)
        if seen is None or seen.run is None or not seen.success:
            return now
        return max(now, min(seen.run.started_at, now) + timedelta(seconds=target.every))

    def _audit(self, target: Target) -> None:
        before = self._board.get(target.name)
        self._board.begin(target.name)
        try:
            found = self._attempt(target, self._stopping)
        except Exception as error:  # noqa: BLE001  whatever it was, the next attempt comes, and this one is told
            found = Attempt(run=None, code=None, said=f"{type(error).__name__}: {error}")
        if self._stopping.is_set() and not found.success:
            return  # that it was cut off is our doing and says nothing of the target
        self._board.end(target.name, found, now=self._now())
        if not found.success:
            self._told(f"{target.name}: no whole audit: {found.said}")
        elif before is not None and before.success is False:
            self._told(f"{target.name}: audited again")
