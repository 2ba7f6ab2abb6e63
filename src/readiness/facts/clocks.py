"""The server's clock beside ours: each knows only its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from readiness.facts.postgres import Postgres

_TIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """How far the server's clock is ahead of this machine's.

    Args:
        ahead: seconds; negative where it is behind.
        unsure: half of what the question took, in seconds: the server read its clock somewhere in between.
    """

    ahead: float
    unsure: float

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        """Of a few questions the quickest, by which it is known best (as NTP does, RFC 5905, section 10)."""
        return min((cls._ask(postgres) for _ in range(_TIMES)), key=lambda c: c.unsure)

    @classmethod
    def _ask(cls, postgres: Postgres) -> Self:
        before = time.time()
        (row,) = postgres.rows(
            "select extract(epoch from pg_catalog.clock_timestamp())::float8 as clock", marker="clocks"
        )
        after = time.time()
        return cls(ahead=row["clock"] - (before + after) / 2, unsure=abs(after - before) / 2)
