"""Sessions and statements by role, and how many connections there may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.statements import StatementStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCounts:
    """Quoted role -> statements that it ran here; None, and why, where they can't be seen."""

    by_role: Mapping[str, int] | None
    why: str = ""
    unlock: str | None = None

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        try:
            return cls(by_role=StatementStatistics.take(postgres, server).calls_by_role)
        except Unobservable as unseen:
            return cls(by_role=None, why=unseen.detail, unlock=unseen.unlock)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections the server takes, and how many of them ordinary roles may use."""

    max_connections: int
    usable: int

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        (row,) = postgres.rows(
            "select pg_catalog.current_setting('max_connections')::int4 as max_connections, "
            "pg_catalog.current_setting('superuser_reserved_connections')::int4 "
            "+ coalesce(pg_catalog.current_setting('reserved_connections', true)::int4, 0) as reserved",
            marker="connection-limits",
        )
        return cls(max_connections=row["max_connections"], usable=row["max_connections"] - row["reserved"])
