"""How the roles' passwords are kept: the kind of the hash, never the hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts import own
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Reason

# A function of the auditor's schema that a superuser made for us (`readiness role-sql --tier 2`).
HELPER = "readiness.role_password_kinds"


@dataclass(frozen=True, slots=True)
class PasswordKinds:
    """Quoted name of each role that may log in -> scram-sha-256, md5, none or other."""

    by_role: Mapping[str, str]

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        if server.superuser:
            rows = postgres.rows(_FROM_CATALOG, marker="password-kinds")
        else:
            if not own.vouched_for(postgres, HELPER, marker="password-kinds"):
                raise Unobservable(
                    Reason.NO_PERMISSION,
                    "only a superuser sees how passwords are kept, or who is let to by a function",
                    "readiness role-sql --tier 2 (the function that tells the kind of each hash)",
                )
            rows = postgres.rows(
                f"select pg_catalog.quote_ident(k.rolname) as role, k.kind from {HELPER}() as k order by k.rolname",
                marker="password-kinds",
            )
        return cls({row["role"]: row["kind"] for row in rows})


KIND = """case
        when a.rolpassword is null then 'none'
        when a.rolpassword like 'SCRAM-SHA-256$%' then 'scram-sha-256'
        when a.rolpassword ~ '^md5[0-9a-f]{32}$' then 'md5'
        else 'other'
    end"""

_FROM_CATALOG = f"""
select pg_catalog.quote_ident(a.rolname) as role, {KIND} as kind
from pg_catalog.pg_authid as a
where a.rolcanlogin
order by a.rolname
"""
