"""Who is at work in this database just now, and whether the profile knows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from readiness.facts.postgres import APPLICATION_NAME, Postgres, parse_dsn
from readiness.facts.server import Server
from readiness.facts.target import Target, declared
from readiness.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A role with client sessions in this database; superusers and who watches the server (pg_monitor) are left out.

    Args:
        name: quoted.
        applications: application_name of its sessions, in order; empty names are "".
        known: the profile names it: as a service's, in row_security, or in audit.
    """

    name: str
    applications: tuple[str, ...]
    known: bool


@dataclass(frozen=True, slots=True)
class Callers:
    """Those that are connected just now, ours left out."""

    roles: tuple[Caller, ...]

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target) -> Self:
        declared(target.profile, "services")
        server.require("pg_monitor")
        known = set(_named(target.profile))
        rows = postgres.rows(_SESSIONS, (f"{APPLICATION_NAME}%",), marker="callers")
        return cls(
            tuple(
                Caller(name=r["quoted"], applications=tuple(r["applications"]), known=r["role"] in known) for r in rows
            )
        )


def _named(profile: Profile) -> Iterator[str]:
    """The roles that a profile speaks of, wherever it does."""
    for service in profile.services.values():
        if service.role:
            yield service.role
        with suppress(ValueError):
            yield parse_dsn(service.dsn.get_secret_value()).get("user", "") if service.dsn else ""
    yield from profile.row_security.roles
    yield from profile.audit.roles
    yield from (event.role for event in profile.audit.events.values() if event.role)


_SESSIONS = """
select
    r.rolname::text as role,
    pg_catalog.quote_ident(r.rolname) as quoted,
    pg_catalog.array_agg(distinct coalesce(a.application_name, '') order by coalesce(a.application_name, ''))::text[] as applications
from pg_catalog.pg_stat_activity as a
inner join pg_catalog.pg_roles as r on a.usesysid = r.oid
where
    a.datname = pg_catalog.current_database()
    and a.backend_type = 'client backend'
    and coalesce(a.application_name, '') not like $1
    and not r.rolsuper
    and not pg_catalog.pg_has_role(r.oid, 'pg_monitor', 'usage')
group by r.rolname
order by r.rolname
"""
