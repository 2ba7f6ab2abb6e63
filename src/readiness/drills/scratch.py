"""Scratch databases: on a server of our own that lives as long as the drill, or on one that the user names.

On the user's server nothing is touched but what we made: a database whose name bears our prefix *and* whose comment bears
our marker, and a role of the same kind that owns it and may do nothing else (no superuser, no roles, no databases). A
platform's own server is refused. The keeper drops both when we are killed; what a crash of the whole machine left is
listed and removed by prefix, marker and age.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

from readiness import embedded
from readiness.drills import DrillError
from readiness.embedded import Workshop
from readiness.facts.postgres import APPLICATION_NAME

PREFIX = "readiness_scratch_"
MARKER = "scratch of readiness, to be dropped; made "
CONNECT_SECONDS = 5
DROP_SECONDS = 20

_SYSTEM = """
select
    (select s.system_identifier::text from pg_catalog.pg_control_system() as s) as system,
    pg_catalog.pg_postmaster_start_time()::text as started
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One scratch database, as the role that owns it."""

    name: str
    dsn: str = field(repr=False)
    server: Server

    sessions: dict[str, psycopg.Connection[Any]] = field(default_factory=dict, repr=False)

    def session(self, purpose: str) -> psycopg.Connection[Any]:
        """A session in autocommit, as if it were new: what those before it set, took or left open is gone."""
        kept = self.sessions.get(purpose)
        if kept is not None and not kept.closed:
            try:
                kept.execute("rollback")
                kept.execute("discard all")
            except psycopg.Error:
                kept.close()
            else:
                return kept
        self.sessions[purpose] = psycopg.connect(
            self.dsn, autocommit=True, connect_timeout=CONNECT_SECONDS, prepare_threshold=None
        )
        self.sessions[purpose].add_notice_handler(lambda _notice: None)
        return self.sessions[purpose]

    def close(self) -> None:
        for session in self.sessions.values():
            session.close()


class Server:
    """Where scratch databases are made.

    Args:
        admin: a connection string of a role that may make databases.
        role: who owns what is made; None stands for the admin's role itself.
        private: whether nothing else lives there.
    """

    def __init__(
        self, admin: str, workshop: Workshop, *, role: str | None, password: str | None, private: bool
    ) -> None:
        self._admin = admin
        self.workshop = workshop
        self._role = role
        self._password = password
        self.private = private

    @contextmanager
    def database(self, *, template: Database | None = None) -> Iterator[Database]:
        """A database for as long as the block.

        Args:
            template: it begins as a copy of this one, which nobody may be connected to.
        """
        name = f"{PREFIX}{secrets.token_hex(8)}"
        told = _note(self.workshop, self._admin, "database", name)
        try:
            with _connect(self._admin) as admin:
                owner = sql.SQL(" owner {}").format(sql.Identifier(self._role)) if self._role else sql.SQL("")
                source = sql.Identifier(template.name if template else "template0")
                how = _strategy(admin)
                admin.execute(
                    sql.SQL("create database {}{} template {} encoding 'UTF8'{}").format(
                        sql.Identifier(name), owner, source, how
                    )
                )
                admin.execute(_marking("database", name))
            own = {"user": self._role, "password": self._password} if self._role else {}
            made = Database(name=name, dsn=conninfo.make_conninfo(self._admin, dbname=name, **own), server=self)
            try:
                yield made
            finally:
                made.close()
        finally:
            _let_go_of_half_open_sessions()
            with _connect(self._admin) as admin:
                drop(admin, "database", name)
            _forget(self.workshop, told)

    def end_sessions(self, database: Database) -> None:
        """End what works in a scratch database, but for who looks on: a migration that hangs listens to nothing milder."""
        with suppress(psycopg.Error), _connect(self._admin) as admin:
            admin.execute(
                "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = %s and application_name <> %s",
                [database.name, APPLICATION_NAME],
            )

    def roles(self) -> frozenset[str]:
        """The cluster's roles: what a migration makes beside its database shows here."""
        with _connect(self._admin) as admin:
            return frozenset(name for (name,) in admin.execute("select rolname from pg_catalog.pg_roles"))

    def drop_roles(self, names: frozenset[str]) -> None:
        """Remove roles that a migration made, on a server of our own alone."""
        assert self.private
        with _connect(self._admin) as admin:
            for name in sorted(names):
                with suppress(psycopg.Error):
                    admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@contextmanager
def own_server(purpose: str = "drill") -> Iterator[Server]:
    """A server of our own, without fsync, gone with the block.

    Raises:
        EmbeddedError: none can be had.
    """
    with embedded.cluster(fast=True, purpose=purpose) as cluster:
        # PGOPTIONS is meant for the user's own servers
        yield Server(cluster.dsn(options=""), cluster.workshop, role=None, password=None, private=True)


OWN_SERVER = "leave --server out for one of the drill's own"


@contextmanager
def named_server(
    dsn: str, *, platforms: Sequence[str] = (), as_superuser: bool = False, instead: str = OWN_SERVER
) -> Iterator[Server]:
    """A server that the user names.

    Args:
        platforms: connection strings of the platform's own databases: their servers are refused.
        as_superuser: work as the given role itself, whatever it may do (an extension may need that).
        instead: what else the command lets its user do, said where the server is refused.

    Raises:
        DrillError: it is the platform's own, it can't be told whether it is, or its role may not make databases.
    """
    parameters: dict[str, Any] = {**conninfo.conninfo_to_dict(dsn), "application_name": "readiness-drill"}
    parameters.setdefault("connect_timeout", CONNECT_SECONDS)
    admin_dsn = conninfo.make_conninfo("", **parameters)
    _refuse_the_platforms(admin_dsn, platforms, instead)
    with Workshop("drill") as workshop, _connect(admin_dsn) as admin:
        rights = admin.execute(
            "select rolsuper, rolcreaterole, rolcreatedb from pg_catalog.pg_roles where rolname = current_user"
        ).fetchone()
        superuser, may_make_roles, may_make_databases = rights or (False, False, False)
        if not (superuser or may_make_databases):
            raise DrillError("--server: the role may not make databases; give it CREATEDB")
        if as_superuser or not (superuser or may_make_roles):
            yield Server(admin_dsn, workshop, role=None, password=None, private=False)
            return
        role, password = f"{PREFIX}{secrets.token_hex(8)}", secrets.token_urlsafe(18)
        told = _note(workshop, admin_dsn, "role", role)
        try:
            verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            admin.execute(
                sql.SQL("create role {} login password {} nosuperuser nocreatedb nocreaterole").format(
                    sql.Identifier(role), sql.Literal(verifier)
                )
            )
            admin.execute(_marking("role", role))
            if not superuser:  # whoever isn't must be a member to give a database away
                admin.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(role)))
            yield Server(admin_dsn, workshop, role=role, password=password, private=False)
        finally:
            drop(admin, "role", role)
            _forget(workshop, told)


def _refuse_the_platforms(dsn: str, platforms: Sequence[str], instead: str) -> None:
    """See that it is another server than the platform's.

    Raises:
        DrillError: it is the same, or it can't be told.
    """
    here = identity(dsn)
    if here is None:
        raise DrillError("--server: it can't be reached, or doesn't tell which system it is")
    for platform in platforms:
        there = identity(platform)
        if there is None:
            raise DrillError(
                "--server: the platform's own database can't be reached, so it can't be told that this is another server; "
                f"see that it can be, or {instead}"
            )
        if here == there:
            raise DrillError(f"--server: this is the platform's own server; name another one, or {instead}")


def identity(dsn: str) -> str | None:
    """What tells one system from another; a managed server that hides its identifier is known by its start."""
    try:
        with _connect(dsn) as session:
            try:
                row = session.execute(_SYSTEM).fetchone()
            except psycopg.errors.InsufficientPrivilege:
                row = session.execute("select null, pg_catalog.pg_postmaster_start_time()::text").fetchone()
    except psycopg.Error:
        return None
    assert row is not None
    return str(row[0] or row[1])


def _connect(dsn: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_SECONDS)


def _let_go_of_half_open_sessions() -> None:
    """A session that was just being opened when we were stopped hangs in the frames of what stopped us, and keeps a drop waiting.

    For the server waits for one that authenticates until authentication_timeout (a minute): it answers no ProcSignalBarrier.
    """
    stopped = sys.exception()
    while stopped is not None:
        traceback.clear_frames(stopped.__traceback__)
        stopped = stopped.__context__


def _strategy(admin: psycopg.Connection[Any]) -> sql.SQL:
    """A copy by WAL needs no checkpoint: the quicker for what is small and short-lived."""
    return sql.SQL(" strategy wal_log") if admin.info.server_version >= 150000 else sql.SQL("")


# -- what is ours, and what is left ----------------------------------------------------------------------------


def _marking(kind: str, name: str) -> sql.Composed:
    told = f"{MARKER}{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} by {socket.gethostname()} {os.getpid()}"
    return sql.SQL("comment on {} {} is {}").format(sql.SQL(kind), sql.Identifier(name), sql.Literal(told))


_MADE = """
select made.kind, made.name, made.comment
from (
    select 'database' as kind, d.datname as name, pg_catalog.shobj_description(d.oid, 'pg_database') as comment
    from pg_catalog.pg_database as d
    union all
    select 'role', r.rolname, pg_catalog.shobj_description(r.oid, 'pg_authid') from pg_catalog.pg_roles as r
) as made
where pg_catalog.starts_with(made.name, %s)
order by made.kind, made.name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something of ours that should be gone.

    Args:
        made_at: by its marker; None where it bears our prefix alone, so that it may be somebody else's.
    """

    kind: str
    name: str
    made_at: datetime | None


def leftovers(dsn: str) -> list[Leftover]:
    """What bears our prefix on a server, databases before the roles that own them."""
    with _connect(dsn) as admin:
        rows = admin.execute(_MADE, [PREFIX]).fetchall()
    found = []
    for kind, name, comment in rows:
        at = re.match(rf"{re.escape(MARKER)}(\S+)", comment or "")
        found.append(Leftover(kind=kind, name=name, made_at=datetime.fromisoformat(at[1]) if at else None))
    return found


def drop(admin: psycopg.Connection[Any], kind: str, name: str) -> bool:
    """Drop a database or a role if it bears prefix and marker; whether it did.

    Between making and marking lies a moment; the name, which holds 64 random bits of ours, is proof enough for who made it.
    """
    if not name.startswith(PREFIX):
        raise ValueError(f"{name} doesn't bear our prefix")
    there = next((row for row in admin.execute(_MADE, [name]) if tuple(row[:2]) == (kind, name)), None)
    if there is None:
        return False
    if there[2] is not None and not str(there[2]).startswith(MARKER):
        return False  # somebody made it his own
    identifier = sql.Identifier(name)
    if kind == "database":
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
    else:
        admin.execute(sql.SQL("drop role if exists {}").format(identifier))
    return True


def _note(workshop: Workshop, dsn: str, kind: str, name: str) -> str:
    """Tell the keeper, before it is there, what to drop if we are killed."""
    note = workshop.folder / f"{name}.json"
    note.touch(0o600)
    note.write_text(json.dumps({"dsn": dsn, "kind": kind, "name": name}), encoding="utf-8")
    command = json.dumps([sys.executable, "-m", "readiness.drills.scratch", str(note)])
    workshop.at_the_end(command)
    return command


def _forget(workshop: Workshop, command: str) -> None:
    workshop.not_at_the_end(command)
    with suppress(OSError):
        Path(json.loads(command)[-1]).unlink()


def main(note: Path) -> None:
    """What the keeper runs in our stead."""
    told: Mapping[str, str] = json.loads(note.read_text(encoding="utf-8"))
    deadline = time.monotonic() + DROP_SECONDS
    while time.monotonic() < deadline:
        try:
            with _connect(told["dsn"]) as admin:
                drop(admin, told["kind"], told["name"])
        except psycopg.errors.DependentObjectsStillExist:
            time.sleep(0.2)  # a role's database is dropped by its own note
        except psycopg.Error:
            return  # the server is gone, and with it what we made there
        else:
            return


@contextmanager
def deadline(seconds: float, server: Server, database: Database) -> Iterator[threading.Event]:
    """End what runs in a scratch database when a time is over; the event tells whether it came to that.

    A thread of ours, since a migration may set statement_timeout to whatever it likes.
    """
    passed = threading.Event()

    def end() -> None:
        passed.set()
        server.end_sessions(database)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield passed
    finally:
        timer.cancel()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
