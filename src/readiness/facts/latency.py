"""How long the profile's critical queries take, by asking them: client-side, from sending to the last row.

One session, a pause between two queries, the queries in turn (so that none has the cache to itself), and a budget of
time for all. A query that fails its time limit is a wait without end. The first few of each, cold, are not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target, declared
from readiness.model import Reason, Unseen
from readiness.profile import CriticalQuery, Profile

WARM_UP = 5
MOST_VALUES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One critical query's waits, in milliseconds, in the order in which they were taken."""

    name: str
    target_ms: float
    milliseconds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLatencies:
    by_name: Mapping[str, Timed]
    unseen: tuple[Unseen, ...]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        profile = target.profile
        declared(profile, "queries")
        if not target.trust_profile_sql and profile.queries:
            raise Unobservable(
                Reason.NOT_SELECTED,
                "the profile's own SQL is not run as a superuser",
                "audit as the role that `readiness role-sql` prints, or say --as-superuser",
            )
        asked: dict[str, _Asked] = {}
        unseen: list[Unseen] = []
        for name, query in profile.queries.items():
            try:
                asked[name] = _Asked(name, query, _values(postgres, name, query, _settings(profile)))
            except Unobservable as refusal:
                unseen.append(_refused(name, refusal))
        unseen += _ask_in_turn(postgres, profile, asked)
        return cls(
            by_name={
                name: Timed(name=name, target_ms=a.target(profile), milliseconds=tuple(a.waits))
                for name, a in asked.items()
                if a.waits and not a.refused
            },
            unseen=tuple(unseen),
        )


class _Asked:
    def __init__(self, name: str, query: CriticalQuery, values: Sequence[Sequence[Any]]) -> None:
        self.name = name
        self.query = query
        self.values = values
        self.waits: list[float] = []
        self.asked = 0
        self.refused = False

    def target(self, profile: Profile) -> float:
        return self.query.target_ms or profile.targets.query_p95_ms

    def next_values(self) -> Sequence[Any]:
        return self.values[self.asked % len(self.values)] if self.values else ()


def _ask_in_turn(postgres: Postgres, profile: Profile, asked: Mapping[str, _Asked]) -> list[Unseen]:
    probing = profile.probing
    settings = _settings(profile)
    ends = time.monotonic() + probing.query_seconds
    unseen: list[Unseen] = []
    for _round in range(WARM_UP + probing.query_samples):
        for a in asked.values():
            if a.refused or time.monotonic() > ends:
                continue
            try:
                wait = postgres.timed(
                    a.query.sql,
                    a.next_values(),
                    marker=f"query:{a.name}",
                    seconds=probing.statement_seconds,
                    settings=settings,
                )
            except Unobservable as refusal:
                a.refused = True
                unseen.append(_refused(a.name, refusal))
                continue
            a.asked += 1
            if a.asked > WARM_UP or math.isinf(wait):
                a.waits.append(wait)
            time.sleep(probing.pause_ms / 1000)
    unseen += [
        Unseen(
            subject=a.name,
            reason=Reason.INSUFFICIENT_SAMPLES,
            detail=f"the time for all queries ({probing.query_seconds:g} s) was over",
            unlock="raise probing.query_seconds",
        )
        for a in asked.values()
        if not a.waits and not a.refused
    ]
    return unseen


def _values(postgres: Postgres, name: str, query: CriticalQuery, settings: Mapping[str, str]) -> list[list[Any]]:
    if query.values_sql is None:
        return [list(v) for v in query.values]
    statement = f"select * from (\n{query.values_sql.strip().rstrip(';')}\n) as v limit {MOST_VALUES}"
    rows = postgres.rows(statement, marker=f"values:{name}", settings=settings)
    if not rows:
        raise Unobservable(Reason.INSUFFICIENT_SAMPLES, "its values_sql yields no row to ask for")
    return [list(row.values()) for row in rows]


def _settings(profile: Profile) -> dict[str, str]:
    path = ", ".join('"' + schema.replace('"', '""') + '"' for schema in profile.database.search_path)
    return {"search_path": path} if path else {}


def _refused(name: str, refusal: Unobservable) -> Unseen:
    return Unseen(subject=name, reason=refusal.reason, detail=refusal.detail, unlock=refusal.unlock)
