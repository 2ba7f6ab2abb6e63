"""PgBouncer as its admin console tells of it, by the SHOW commands of a user that `stats_users` names.

The console is no server: it takes the simple protocol only and no BEGIN. It is read in autocommit over one connection, within
a deadline of ours. Columns were added over the versions (1.12 to 1.24 differ), so they are read by name and may be missing.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import conninfo
from psycopg.rows import dict_row

from readiness import profile as profiles
from readiness.authoring import Unobservable
from readiness.facts.postgres import CONNECT_SECONDS, Address, Postgres, classify_connect, deadline_connection
from readiness.facts.server import Server
from readiness.facts.target import Target, declared
from readiness.model import Reason, Unseen

CONSOLE = "pgbouncer"  # its name as a database, and of its own pool
CONSOLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of its [databases].

    Args:
        host: None where it is a Unix socket.
        forced_user: whom every client becomes; None where each client stays who it is.
        size: of one pool; there is one for each user.
        reserve: connections that a pool may take beyond its size when clients wait.
        most: of all pools of this entry together; None where nothing bounds them.
    """

    name: str
    host: str | None
    port: int
    database: str
    forced_user: str | None
    size: int
    reserve: int
    most: int | None
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The server connections that one user's clients of one entry share.

    Args:
        longest_wait: seconds that the first client in line has waited.
        mean_wait_ms: what the transactions of this entry waited for a server connection, in the last whole period of its
            statistics.
    """

    entry: str
    user: str
    clients: int
    waiting: int
    servers: int
    longest_wait: float
    mean_wait_ms: float | None
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooler:
    """One pooler now.

    Args:
        ours: the entries that lead to the audited server; None where that can't be told.
    """

    name: str
    version: str
    address: Address
    config: Mapping[str, str]
    entries: tuple[Entry, ...]
    pools: tuple[Pool, ...]
    ours: tuple[Entry, ...] | None

    @property
    def mode(self) -> str:
        return self.config.get("pool_mode", "session")

    @property
    def most_clients(self) -> int:
        return int(self.config.get("max_client_conn", 100))

    @property
    def clients(self) -> int:
        return sum(p.clients + p.waiting for p in self.pools)

    def most_servers(self, entry: Entry) -> tuple[int, bool]:
        """How many server connections an entry may take, and whether it is bounded, whoever comes.

        Without max_db_connections each further user brings a further pool; then it is reckoned with the users that it has
        now.
        """
        users = {p.user for p in self.pools if p.entry == entry.name}
        pools = 1 if entry.forced_user else max(1, len(users))
        reckoned = pools * (entry.size + entry.reserve)
        return min(reckoned, entry.most) if entry.most else reckoned, bool(entry.most or entry.forced_user)


@dataclass(frozen=True, slots=True)
class Poolers:
    """The declared poolers, and those that could not be read.

    Raises, when taken:
        Unobservable: the profile doesn't say which poolers there are.
    """

    by_name: Mapping[str, Pooler]
    unseen: tuple[Unseen, ...] = ()

    @classmethod
    def take(cls, target: Target, postgres: Postgres, server: Server) -> Self:
        declared(target.profile, "poolers")
        if server.pooled and not target.profile.poolers:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile says that there is no pooler, and the audit goes through one",
                "declare it in the profile's `poolers:`",
            )
        found: dict[str, Pooler] = {}
        unseen = []
        for name, pooler in target.profile.poolers.items():
            try:
                found[name] = read(name, pooler, postgres)
            except Unobservable as refusal:
                unseen.append(Unseen(subject=name, reason=refusal.reason, detail=refusal.detail, unlock=refusal.unlock))
        return cls(by_name=found, unseen=tuple(unseen))


def read(name: str, pooler: profiles.Pooler, postgres: Postgres) -> Pooler:
    """What a pooler's console says.

    Raises:
        Unobservable: it can't be reached, or doesn't let us.
    """
    parameters = console(pooler)
    address = Address(
        str(parameters.get("host", "local socket")),
        str(parameters.get("port", "")),
        CONSOLE,
        str(parameters.get("user", "")),
    )
    try:
        with deadline_connection(conninfo.make_conninfo("", **parameters)) as session:
            session.deadline = time.monotonic() + CONSOLE_SECONDS
            version = " ".join(str(v) for row in _show(session, "version") for v in row.values())
            config = {str(r["key"]): str(r["value"]) for r in _show(session, "config")}
            databases, pools, stats = (_show(session, what) for what in ("databases", "pools", "stats"))
    except psycopg.Error as error:
        if "not allowed" in str(error):
            raise Unobservable(
                Reason.NO_PERMISSION,
                f"{address}: it is PgBouncer, and its console doesn't let {address.user or 'the user'} in",
                f"add the user to stats_users in pgbouncer.ini, and to its auth_file; then RELOAD (poolers.{name}.dsn)",
            ) from error
        if isinstance(error, psycopg.OperationalError):
            raise classify_connect(error, address) from error
        raise Unobservable(Reason.ERROR, f"{address}: {' '.join(str(error).split())[:200]}") from error
    entries = tuple(_entry(row) for row in databases if row["name"] != CONSOLE)
    waits = {row["database"]: row.get("avg_wait_time") for row in stats}
    return Pooler(
        name=name,
        version=version,
        address=address,
        config=config,
        entries=entries,
        pools=tuple(_pool(row, waits) for row in pools if row["database"] != CONSOLE),
        ours=_ours(entries, pooler, postgres),
    )


def console(pooler: profiles.Pooler) -> dict[str, Any]:
    """How its console is reached.

    Raises:
        Unobservable: the connection string can't be parsed.
    """
    try:
        parameters = conninfo.conninfo_to_dict(pooler.dsn.get_secret_value())
    except psycopg.Error:
        raise Unobservable(
            Reason.NOT_CONFIGURED, "its connection string can't be parsed", "mend poolers.*.dsn"
        ) from None
    return {"connect_timeout": CONNECT_SECONDS, **parameters, "dbname": CONSOLE}


def _show(session: psycopg.Connection[Any], what: str) -> list[dict[str, Any]]:
    with session.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"SHOW {what.upper()}".encode()).fetchall()


def _entry(row: Mapping[str, Any]) -> Entry:
    most = int(row.get("max_connections") or 0)
    host = row.get("host")
    return Entry(
        name=row["name"],
        host=None if not host or str(host).startswith("/") else str(host),
        port=int(row.get("port") or 5432),
        database=row["database"],
        forced_user=row.get("force_user") or None,
        size=int(row.get("pool_size") or 0),
        reserve=int(row.get("reserve_pool_size", row.get("reserve_pool")) or 0),
        most=most or None,
        mode=row.get("pool_mode") or "",
    )


def _pool(row: Mapping[str, Any], waits: Mapping[str, Any]) -> Pool:
    mean = waits.get(row["database"])
    return Pool(
        entry=row["database"],
        user=row["user"],
        clients=int(row["cl_active"]),
        waiting=int(row["cl_waiting"]),
        servers=sum(int(row.get(k) or 0) for k in ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login")),
        longest_wait=int(row.get("maxwait") or 0) + int(row.get("maxwait_us") or 0) / 1e6,
        mean_wait_ms=None if mean is None else int(mean) / 1000,
        mode=row.get("pool_mode") or "",
    )


def _ours(entries: Sequence[Entry], pooler: profiles.Pooler, postgres: Postgres) -> tuple[Entry, ...] | None:
    """The entries that lead to the audited server: as the profile says, else the only server that there is, else by address."""
    servers = {(e.host, e.port) for e in entries}
    if pooler.server is not None:
        host, _, port = pooler.server.rpartition(":")
        return tuple(e for e in entries if (e.host or "", e.port) == (host, int(port)))
    if len(servers) <= 1:
        return tuple(entries)
    here = postgres.whereabouts
    names = {here.get("host"), here.get("hostaddr")}
    local = any(_local(n) for n in names)
    found = tuple(e for e in entries if e.port == int(here["port"]) and (e.host in names or (local and _local(e.host))))
    return found or None


def _local(host: str | None) -> bool:
    if host is None or host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


OPENINGS = 10  # of each way: the fewest that give a median an interval, and two to spare


@dataclass(frozen=True, slots=True)
class Openings:
    """How long a session takes to open, in milliseconds: straight to the server, and through each pooler.

    Raises, when taken:
        Unobservable: the profile doesn't say which poolers there are, or the audit itself goes through one.
    """

    direct: tuple[float, ...]
    through: Mapping[str, tuple[float, ...]]
    unseen: tuple[Unseen, ...] = ()

    @classmethod
    def take(cls, target: Target, postgres: Postgres, server: Server) -> Self:
        declared(target.profile, "poolers")
        if not target.profile.poolers:
            return cls(direct=(), through={})
        if server.pooled:
            raise Unobservable(
                Reason.NOT_OBSERVABLE,
                "the audit itself goes through a pooler, so there is nothing to compare with",
                "audit over the server's own address",
            )
        direct: list[float] = []
        through: dict[str, list[float]] = {}
        unseen: dict[str, Unseen] = {}
        for _ in range(OPENINGS):  # in turn, so that a busy moment meets each
            direct.append(postgres.opening())
            for name, pooler in target.profile.poolers.items():
                if name in unseen:
                    continue
                try:
                    parameters = console(pooler)
                    way = {k: str(parameters[k]) for k in ("host", "port") if k in parameters}
                    named = {"dbname": pooler.database} if pooler.database else {}
                    through.setdefault(name, []).append(postgres.opening(**way, **named))
                except Unobservable as refusal:  # once: a wrong password must not lock the role out
                    unlock = refusal.unlock or f"let {server.role} in at the pooler, too (auth_file or auth_query)"
                    unseen[name] = Unseen(subject=name, reason=refusal.reason, detail=refusal.detail, unlock=unlock)
                    through.pop(name, None)
        return cls(
            direct=tuple(direct), through={n: tuple(w) for n, w in through.items()}, unseen=tuple(unseen.values())
        )
