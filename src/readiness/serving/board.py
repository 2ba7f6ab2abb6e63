"""The newest run of each target, and how the last attempt ended. Written by the schedule, read by requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from readiness import history
from readiness.document import RunDocument
from readiness.export.metrics import Reading
from readiness.fleet import Attempt, Target
from readiness.history import RunRecord, StoreError

LATE = 1.5  # of its interval: when a run that old is shown, its successor is overdue (jitter, and the audit itself)
SLACK_SECONDS = 60.0
RECALLED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of one target. A failed attempt leaves the run that was there: its age tells."""

    target: Target
    run: RunDocument | None = None
    success: bool | None = None
    attempted_at: datetime | None = None
    said: str = ""
    active: bool = False
    next_at: datetime | None = None

    def stale(self, now: datetime) -> bool:
        """Whether what is shown is older than the schedule allows."""
        if self.run is None:
            return True
        return (now - self.run.finished_at).total_seconds() > self.target.every * LATE + SLACK_SECONDS

    @property
    def reading(self) -> Reading:
        return Reading(target=self.target.name, run=self.run, success=self.success, interval_seconds=self.target.every)


class Board:
    """Safe for threads: what a reader gets never changes."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._lock = threading.Lock()
        self._seen = {t.name: Seen(target=t) for t in targets}

    def all(self) -> list[Seen]:
        with self._lock:
            return list(self._seen.values())

    def get(self, name: str) -> Seen | None:
        with self._lock:
            return self._seen.get(name)

    def recall(self, *, now: datetime) -> list[str]:
        """Take up each target's newest run from its store, so that a restart forgets nothing; what went wrong with it."""
        problems = []
        for seen in self.all():
            try:
                found = [RunDocument.model_validate(r.document) for r in runs_of(seen.target, now=now, limit=RECALLED)]
            except (StoreError, ValueError) as error:
                problems.append(f"{seen.target.name}: earlier runs can't be shown: {error}")
                continue
            if found:
                run = next((r for r in found if not r.partial), found[0])
                last = found[0]
                self._change(seen.target.name, run=run, success=not last.partial, attempted_at=last.finished_at)
        return problems

    def expect(self, name: str, at: datetime) -> None:
        self._change(name, next_at=at)

    def begin(self, name: str) -> None:
        self._change(name, active=True, next_at=None)

    def end(self, name: str, attempt: Attempt, *, now: datetime) -> None:
        """An attempt's outcome. A run that was cut off is shown only where there has never been a whole one."""
        before = self._seen[name].run
        run = attempt.run if attempt.success or before is None or before.partial else None
        self._change(
            name, active=False, success=attempt.success, attempted_at=now, said=attempt.said, run=run or before
        )

    def _change(self, name: str, **own: Any) -> None:
        with self._lock:
            self._seen[name] = replace(self._seen[name], **own)


def runs_of(target: Target, *, now: datetime, limit: int) -> list[RunRecord]:
    """A target's newest runs; none where there is no store yet.

    Raises:
        StoreError: the store can't be read.
    """
    if not target.evidence.exists():
        return []
    store = history.open_store(target.evidence, now=now)
    try:
        return store.runs(target.name, limit=limit)
    finally:
        store.close()
