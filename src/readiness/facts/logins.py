"""Who logs in: each login role, its sessions just now, and what was counted of it; and passwords that statistics keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import APPLICATION_NAME, Postgres
from readiness.facts.server import Server
from readiness.model import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One role that may log in.

    Args:
        name: quoted.
        applications: application_name of its client sessions just now, in order; ours are left out. Empty names are "".
        sessions: how many it has just now, ours and those of its standbys among them.
        statements: that were counted of it, in all databases; None where none are counted, or not whose.
    """

    name: str
    superuser: bool
    applications: tuple[str, ...]
    sessions: int
    statements: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """The login roles.

    Args:
        counted_days: over how long statements were counted; None where they aren't.
        why: why they aren't.
        unlock: what would let them be.
        evicted: whether some were given up for others meanwhile, so that none counted proves nothing.
    """

    roles: tuple[Login, ...]
    counted_days: float | None
    evicted: bool = False
    why: str = ""
    unlock: str | None = None

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        server.require("pg_monitor")
        rows = postgres.rows(_LOGINS, (f"{APPLICATION_NAME}%",), marker="logins")
        calls: dict[str, int] = {}
        days, evicted, why, unlock = None, False, "", None
        try:
            source = _source(postgres, server)
            server.require("postgres 14")
            for row in postgres.rows(_CALLS.format(source=source), marker="logins"):
                calls[row["role"]] = row["calls"]
            (window,) = postgres.rows(_WINDOW.format(source=source), marker="logins")
            days, evicted = window["days"], window["evicted"]
        except Unobservable as unseen:
            why, unlock = unseen.detail, unseen.unlock
        return cls(
            roles=tuple(
                Login(
                    name=row["role"],
                    superuser=row["superuser"],
                    applications=tuple(row["applications"]),
                    sessions=row["sessions"],
                    statements=None if days is None else calls.get(row["role"], 0),
                )
                for row in rows
            ),
            counted_days=days,
            evicted=evicted,
            why=why,
            unlock=unlock,
        )


def _source(postgres: Postgres, server: Server) -> str:
    """The view of pg_stat_statements, with its schema.

    Raises:
        Unobservable: it isn't there, or says too little.
    """
    server.require("extension pg_stat_statements")
    (home,) = postgres.rows(
        "select pg_catalog.quote_ident(ns.nspname) as schema from pg_catalog.pg_extension as x "
        "inner join pg_catalog.pg_namespace as ns on x.extnamespace = ns.oid where x.extname = 'pg_stat_statements'",
        marker="logins",
    )
    return f"{home['schema']}.pg_stat_statements"


# Predefined roles (pg_...) can't log in; a session of a background worker is nobody's.
_LOGINS = """
select
    pg_catalog.quote_ident(r.rolname) as role,
    r.rolsuper as superuser,
    array(
        select distinct coalesce(a.application_name, '')
        from pg_catalog.pg_stat_activity as a
        where
            a.usesysid = r.oid
            and a.backend_type = 'client backend'
            and coalesce(a.application_name, '') not like $1
        order by 1
    )::text[] as applications,
    (select pg_catalog.count(*) from pg_catalog.pg_stat_activity as a where a.usesysid = r.oid) as sessions
from pg_catalog.pg_roles as r
where r.rolcanlogin
order by r.rolname
"""

_CALLS = """
select pg_catalog.quote_ident(r.rolname) as role, pg_catalog.sum(s.calls)::int8 as calls
from {source}(false) as s
inner join pg_catalog.pg_roles as r on s.userid = r.oid
group by r.rolname
order by r.rolname
"""

_WINDOW = """
select
    extract(epoch from pg_catalog.clock_timestamp() - i.stats_reset)::float8 / 86400 as days,
    i.dealloc > 0 as evicted
from {source}_info as i
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPassword:
    """A statement with a password in its text, as pg_stat_statements keeps it; the text stays on the server.

    Args:
        role: whose statement it was, quoted.
        forget: the statement that takes it out of the statistics.
    """

    queryid: str
    role: str
    forget: str


@dataclass(frozen=True, slots=True)
class CountedPasswords:
    """Those statements, and how many were looked at."""

    found: tuple[CountedPassword, ...]
    looked_at: int

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        server.require("pg_monitor")
        source = _source(postgres, server)
        (looked,) = postgres.rows(
            f"select pg_catalog.count(*) as statements from {source}(false) as s", marker="counted-passwords"
        )
        try:
            rows = postgres.rows(_PASSWORDS.format(source=source), marker="counted-passwords")
        except Unobservable as unseen:
            if unseen.reason is not Reason.ERROR:
                raise
            # One statement of a neighbour in another encoding is enough.
            raise Unobservable(
                Reason.NOT_OBSERVABLE,
                f"the statements' texts can't be read from this database: {unseen.detail}",
                f"select {source}_reset();",
            ) from None
        return cls(
            tuple(CountedPassword(queryid=r["queryid"], role=r["role"], forget=r["forget"]) for r in rows),
            looked["statements"],
        )


# What the client had hashed before it sent it (psql's \\password does) is no password any more.
_PASSWORDS = r"""
select
    s.queryid::text as queryid,
    pg_catalog.quote_ident(coalesce(r.rolname::text, 'unknown')) as role,
    pg_catalog.format('select {source}_reset(%s, %s, %s);', s.userid, s.dbid, s.queryid) as forget
from {source}(true) as s
left join pg_catalog.pg_roles as r on s.userid = r.oid
where
    s.query ~* '^\s*(/\*.*?\*/\s*)*(create|alter)\s+(role|user|group)\M.*\mpassword\s*e?''[^'']'
    and s.query !~* '\mpassword\s*e?''(scram-sha-256\$|md5[0-9a-f]{{32}}'')'
order by s.queryid
limit 100
"""
