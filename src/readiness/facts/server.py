"""What the server and our role on it are, and whether a check's needs are met."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import APPLICATION_NAME, MAX_PEERS, Postgres
from readiness.model import Reason, quote_ident

OLDEST = 130000

_LOOK = """
select
    pg_catalog.current_setting('server_version') as version,
    pg_catalog.version() as banner,
    pg_catalog.current_database() as database,
    current_user as role,
    pg_catalog.pg_is_in_recovery() as standby,
    extract(epoch from pg_catalog.pg_postmaster_start_time())::float8 as started_at,
    extract(epoch from pg_catalog.clock_timestamp())::float8 as clock,
    pg_catalog.pg_backend_pid() as backend_pid,
    (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user) as superuser,
    array(
        select r.rolname
        from pg_catalog.pg_roles as r
        where r.rolname ~ '^pg_' and pg_catalog.pg_has_role(current_user, r.oid, 'usage')
        order by r.rolname
    )::text[] as memberships,
    array(
        select x.extname from pg_catalog.pg_extension as x order by x.extname
    )::text[] as extensions,
    (
        select pg_catalog.count(*)
        from pg_catalog.pg_stat_activity as a
        where
            a.application_name = $1
            and a.datname = pg_catalog.current_database()
            and a.pid <> pg_catalog.pg_backend_pid()
    ) as peers
"""

# Counts and sums that any DDL moves; not a fingerprint, only a sign that the ground moved under the audit.
_MARK = """
select pg_catalog.format(
    '%s/%s/%s/%s',
    pg_catalog.count(*), pg_catalog.max(c.oid), pg_catalog.sum(c.relnatts), pg_catalog.sum(pg_catalog.hashtext(c.relname))
) as mark
from pg_catalog.pg_class as c
where c.relpersistence <> 't' and c.relkind <> 't'
"""

_FOREIGN_SYSTEMS = ("CockroachDB", "YugabyteDB", "-YB-", "Redshift", "Materialize", "CrateDB", "RisingWave", "QuestDB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server as our role sees it.

    Args:
        version_num: as server_version_num has it (150018).
        system_identifier: hashed with the database's name; None where the role may not read it.
        started_at, clock: seconds since the epoch, by the server's clock.
        memberships: the predefined roles (pg_monitor...) whose rights ours has.
    """

    version_num: int
    version: str
    database: str
    role: str
    superuser: bool
    standby: bool
    started_at: float
    clock: float
    pooled: bool
    memberships: frozenset[str]
    extensions: frozenset[str]
    system_identifier: str | None
    timeline: int | None

    @property
    def major(self) -> int:
        return self.version_num // 10000

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        (row,) = postgres.rows(_LOOK, (APPLICATION_NAME,), marker="server")
        version_num = postgres.server_version
        if other := next((name for name in _FOREIGN_SYSTEMS if name in row["banner"]), None):
            raise Unobservable(
                Reason.UNSUPPORTED, f"this is {other.strip('-')}, not PostgreSQL; its catalogs mean other things"
            )
        if version_num < OLDEST:
            raise Unobservable(
                Reason.UNSUPPORTED, f"PostgreSQL {row['version']} is older than 13, the oldest that is audited"
            )
        if row["peers"] > MAX_PEERS:
            raise Unobservable(
                Reason.UNREACHABLE, f"{row['peers']} other audits of this database are running; wait for them"
            )
        identifier, timeline = None, None
        with contextlib.suppress(Unobservable):  # managed servers may keep these to themselves
            (control,) = postgres.rows(
                "select s.system_identifier::text as system_identifier, c.timeline_id as timeline "
                "from pg_catalog.pg_control_system() as s cross join pg_catalog.pg_control_checkpoint() as c",
                marker="server",
            )
            joined = f"{control['system_identifier']}/{row['database']}"
            identifier, timeline = hashlib.sha256(joined.encode()).hexdigest()[:16], control["timeline"]
        return cls(
            version_num=version_num,
            version=str(row["version"]).split()[0],
            database=row["database"],
            role=row["role"],
            superuser=bool(row["superuser"]),
            standby=row["standby"],
            started_at=row["started_at"],
            clock=row["clock"],
            pooled=row["backend_pid"] != postgres.startup_pid,
            memberships=frozenset(row["memberships"]),
            extensions=frozenset(row["extensions"]),
            system_identifier=identifier,
            timeline=timeline,
        )

    def require(self, need: str) -> None:
        """See that a check's need is met.

        Needs: a predefined role (`pg_monitor`), `extension NAME`, `primary`, `postgres 14`, `select ...` (a tier of the
        auditor's role; the fact that reads it says what is missing, with the very GRANT).

        Raises:
            Unobservable: it is not; with the statement that would meet it.
            ValueError: it is none of the known forms.
        """
        kind, _, name = need.partition(" ")
        if need == "primary":
            if self.standby:
                raise Unobservable(
                    Reason.WRONG_ROLE, "this is a standby, where the answer would be another; audit the primary"
                )
        elif kind == "extension" and name:
            if name not in self.extensions:
                extension = quote_ident(name)
                preload = " (and shared_preload_libraries, with a restart)" if name in _PRELOADED else ""
                raise Unobservable(
                    Reason.MISSING_EXTENSION,
                    f"the extension {name} is not installed in this database",
                    f"create extension {extension};{preload}",
                )
        elif kind == "postgres" and name.isdigit():
            if self.major < int(name):
                raise Unobservable(Reason.UNSUPPORTED, f"PostgreSQL {self.major} cannot tell; {name} and later can")
        elif kind == "select":
            pass
        elif re.fullmatch(r"pg_\w+", need):
            if not self.superuser and need not in self.memberships:
                raise Unobservable(
                    Reason.NO_PERMISSION,
                    f"the role {quote_ident(self.role)} is no member of {need}",
                    f"grant {need} to {quote_ident(self.role)};",
                )
        else:
            check_need(need)


def check_need(need: str) -> None:
    """See that a need is one of the known forms.

    Raises:
        ValueError: it is not.
    """
    if not re.fullmatch(r"primary|extension \S+|postgres \d+|select .+|pg_\w+", need):
        raise ValueError(
            f"{need!r} is no need that a check can have (pg_monitor, extension NAME, primary, postgres 14)"
        )


_PRELOADED = frozenset({"pg_stat_statements", "pgaudit", "pg_cron", "timescaledb", "citus"})


@dataclass(frozen=True, slots=True)
class CatalogMark:
    """A sign of the catalog's state, taken at both ends of a run."""

    text: str

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        (row,) = postgres.rows(_MARK, marker="catalog-mark")
        return cls(row["mark"])
