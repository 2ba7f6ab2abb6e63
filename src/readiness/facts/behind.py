"""What stands behind a healthy answer: while a service's health endpoint is asked, what does Postgres see under its role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from readiness.facts.http import get, judge, side_by_side
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.sessions import StatementCounts
from readiness.facts.target import Services, Target, without_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """One service.

    Args:
        healthy: what its health endpoint said.
        sessions: of its role in this database, as soon as the answer was there.
        statements: counted under its role while it was asked; None where they can't be seen.
    """

    role: str
    healthy: bool
    sessions: int
    statements: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BehindHealth:
    """Of services that use Postgres under a role of their own and tell their health over HTTP.

    Args:
        why: why statements can't be seen, and what would let them.
    """

    by_service: Mapping[str, Behind]
    why: str
    unlock: str | None

    @classmethod
    def take(cls, postgres: Postgres, server: Server, services: Services, target: Target) -> Self:
        using = {
            name: without_secrets(s)
            for name, s in services.by_name.items()
            if s.uses_postgres and s.role and s.speaks_http and s.health
        }
        before = StatementCounts.take(postgres, server)
        seconds = target.profile.probing.http_timeout_seconds
        replies = side_by_side(
            {n: partial(get, str(s.url).rstrip("/") + s.health.path, seconds) for n, s in using.items() if s.health}
        )
        rows = postgres.rows(_SESSIONS, (sorted({str(s.role) for s in using.values()}),), marker="behind-health")
        after = StatementCounts.take(postgres, server) if before.by_role is not None else before
        by_role = {row["name"]: row for row in rows}
        found = {}
        for name, service in using.items():
            role = by_role.get(str(service.role))
            quoted = role["quoted"] if role else str(service.role)
            counted: int | None = None
            if before.by_role is not None and after.by_role is not None:
                counted = after.by_role.get(quoted, 0) - before.by_role.get(quoted, 0)
            found[name] = Behind(
                role=quoted,
                healthy=judge(replies[name], service)[0],
                sessions=role["sessions"] if role else 0,
                statements=counted,
            )
        return cls(by_service=found, why=after.why, unlock=after.unlock)


_SESSIONS = """
select r.rolname::text as name, pg_catalog.quote_ident(r.rolname) as quoted, (
    select pg_catalog.count(*)
    from pg_catalog.pg_stat_activity as s
    where
        s.usesysid = r.oid
        and s.datname = pg_catalog.current_database()
        and s.pid <> pg_catalog.pg_backend_pid()
        and coalesce(s.application_name, '') !~ '^readiness/'  -- our own second session
) as sessions
from pg_catalog.pg_roles as r
where r.rolname = any ($1::text[])
order by r.rolname
"""
