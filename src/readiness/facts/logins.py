"""Who logs in: each login role, its sessions just now, and what was counted of it; and passwords that statistics keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import APPLICATION_NAME, Postgres
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.model import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One role that may log in.

    Args:
        name: quoted.
        applications: application_name of its client sessions just now, in order; ours are left out. Empty names are "".
        sessions: how many it has just now, here and on the declared standbys, ours and those of its standbys among them.
        statements: that were counted of it, in all databases and on the declared standbys too; None where none are counted, or
            not whose, or none of its own by a setting.
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
        elsewhere: where roles may be in use that are not seen here, in words; empty where there is no such place.
    """

    roles: tuple[Login, ...]
    counted_days: float | None
    evicted: bool = False
    why: str = ""
    unlock: str | None = None
    elsewhere: str = ""

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target) -> Self:
        server.require("pg_monitor")
        rows = postgres.rows(_LOGINS, (f"{APPLICATION_NAME}%",), marker="logins")
        sessions = {row["role"]: row["sessions"] for row in rows}
        counted, why, unlock, elsewhere = None, "", None, ""
        try:
            counted = _counted(postgres, server)
        except Unobservable as unseen:
            why, unlock = unseen.detail, unseen.unlock
        if counted is not None:
            try:
                counted = _with_standbys(counted, sessions, postgres, server, target)
            except Unobservable as unseen:
                elsewhere = unseen.detail
        return cls(
            roles=tuple(
                Login(
                    name=row["role"],
                    superuser=row["superuser"],
                    applications=tuple(row["applications"]),
                    sessions=sessions[row["role"]],
                    statements=None if counted is None else counted.of(row["role"]),
                )
                for row in rows
            ),
            counted_days=None if counted is None else counted.days,
            evicted=counted is not None and counted.evicted,
            why=why,
            unlock=unlock,
            elsewhere=elsewhere,
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    """Statements by role, over how long; of some roles none are counted, by a setting of their own."""

    calls: Mapping[str, int]
    uncounted: frozenset[str]
    days: float
    evicted: bool

    def of(self, role: str) -> int | None:
        calls = self.calls.get(role, 0)
        return None if not calls and role in self.uncounted else calls

    def joined(self, other: Self) -> _Counted:
        """What two servers counted: as long as the one that counted less."""
        roles = self.calls.keys() | other.calls.keys()
        return _Counted(
            {role: self.calls.get(role, 0) + other.calls.get(role, 0) for role in roles},
            self.uncounted | other.uncounted,
            min(self.days, other.days),
            self.evicted or other.evicted,
        )


def _counted(postgres: Postgres, server: Server) -> _Counted:
    """What pg_stat_statements has by role.

    Raises:
        Unobservable: it isn't there, says too little, or counts nothing.
    """
    source = _source(postgres, server)
    server.require("postgres 14")
    (setting,) = postgres.rows(_TRACKED, marker="logins")
    if setting["track"] in (None, "none") or setting["untracked_place"]:
        raise Unobservable(
            Reason.NOT_OBSERVABLE,
            "pg_stat_statements.track is none, so that statements are not counted",
            "alter system set pg_stat_statements.track = top; and reset it where a database or all roles have it as none",
        )
    calls = {row["role"]: row["calls"] for row in postgres.rows(_CALLS.format(source=source), marker="logins")}
    (window,) = postgres.rows(_WINDOW.format(source=source), marker="logins")
    return _Counted(calls, frozenset(setting["untracked"]), window["days"], window["evicted"])


def _with_standbys(
    counted: _Counted, sessions: dict[str, int], postgres: Postgres, server: Server, target: Target
) -> _Counted:
    """What was counted on the standbys too, and the sessions there: who only reads there is never seen on the primary.

    Raises:
        Unobservable: there is a server of this cluster that can't be asked.
    """
    if server.standby:
        raise Unobservable(
            Reason.WRONG_ROLE, "who logs in at the primary is not seen on this standby; audit the primary"
        )
    (row,) = postgres.rows(_FOLLOWING, marker="logins")
    asked = target.profile.standbys
    if row["standbys"] > len(asked):
        detail = f"who reads at its standbys is not seen here: {row['standbys']} stream, {len(asked)} are declared (standbys)"
        raise Unobservable(Reason.NOT_CONFIGURED, detail)
    probing = target.profile.probing
    for name, standby in asked.items():
        session = None
        try:
            session = Postgres(
                standby.dsn.get_secret_value(),
                statement_seconds=probing.statement_seconds,
                share_when_busy=probing.share_when_busy,
            )
            there = Server.take(session)
            there.require("pg_monitor")
            for login in session.rows(_LOGINS, (f"{APPLICATION_NAME}%",), marker="logins"):
                sessions[login["role"]] = sessions.get(login["role"], 0) + login["sessions"]
            counted = counted.joined(_counted(session, there))
        except ValueError as error:
            raise Unobservable(Reason.NOT_CONFIGURED, f"standbys.{name}.dsn: {error}") from None
        except Unobservable as unseen:
            raise Unobservable(unseen.reason, f"who reads at the standby {name} is not seen: {unseen.detail}") from None
        finally:
            if session is not None:
                session.close()
    return counted


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

# As it was written: values of such settings go by no case.
_TRACKED = """
with own as (
    select rs.setrole
    from pg_catalog.pg_db_role_setting as rs
    where 'pg_stat_statements.track=none' = any (pg_catalog.lower(rs.setconfig::pg_catalog.text)::pg_catalog.text[])
)

select
    pg_catalog.current_setting('pg_stat_statements.track', true) as track,
    exists (select from own where own.setrole = 0) as untracked_place,
    array(
        select distinct pg_catalog.quote_ident(r.rolname)
        from own
        inner join pg_catalog.pg_roles as r on own.setrole = r.oid
        order by 1
    )::text[] as untracked
"""

_FOLLOWING = """
select pg_catalog.count(*) as standbys
from pg_catalog.pg_stat_replication as r
inner join pg_catalog.pg_stat_activity as a on r.pid = a.pid
where a.datid is null and r.replay_lsn is not null
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


# What the client had hashed before it sent it (psql's \\password does) is no password any more. Comments stand where they
# like; a role's password may stand in a DO block, quoted once more, and one of another server in a connection string.
_PASSWORDS = r"""
with told as materialized (
    select
        s.queryid, s.userid, s.dbid, s.query,
        pg_catalog.regexp_replace(
            pg_catalog.regexp_replace(s.query, '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g'
        ) as without_comments
    from {source}(true) as s
    where s.query ~* '^[^;]*(create|alter|do)\M' and s.query ~* '(password|://)'
)

select
    s.queryid::text as queryid,
    pg_catalog.quote_ident(coalesce(r.rolname::text, 'unknown')) as role,
    pg_catalog.string_agg(
        pg_catalog.format('select {source}_reset(%s, %s, %s);', s.userid, s.dbid, s.queryid), e'\n' order by s.dbid
    ) as forget
from (select distinct t.queryid, t.userid, t.dbid, t.query, t.without_comments from told as t) as s
left join pg_catalog.pg_roles as r on s.userid = r.oid
where exists (
    select from (values (s.query), (s.without_comments)) as said (text)
    where
        (
            (
                said.text ~* '^\s*(create|alter)\s+(role|user|group)\M.*\mpassword\s*((e|u&)?''[^'']|\$\w*\$)'
                or said.text ~* '^\s*do\M.*\m(create|alter)\s+(role|user|group)\M.*\mpassword\s*((e|u&)?''+[^''|)[:space:]]|\$\w*\$)'
            )
            and said.text !~* '\mpassword\s*(e?''+|\$\w*\$)(scram-sha-256\$|md5[0-9a-f]{{32}}(''|\$))'
        )
        or said.text ~* '^\s*(create|alter)\s+(subscription|system)\M.*(\m(ssl)?password\s*=\s*[^\s'']|://[^\s:@/'']+:[^\s@'']+@)'
)
group by s.queryid, r.rolname
order by s.queryid
limit 100
"""
