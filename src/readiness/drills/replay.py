"""Migrations, applied and undone one at a time in a scratch database.

Natively where they are plain SQL, else by the project's own command.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import psycopg
from psycopg import conninfo

from readiness.authoring import Unobservable
from readiness.drills import DrillError, scratch
from readiness.drills.scratch import Database
from readiness.facts import frameworks
from readiness.facts.fingerprint import SchemaFingerprint
from readiness.facts.frameworks.form import MigrationFile, Script
from readiness.facts.migrations import MigrationFolder
from readiness.facts.postgres import Postgres
from readiness.profile import MigrationCommands
from readiness.sqltext import statements

STEP_SECONDS = 60.0
Told: TypeAlias = Callable[[str], None]


def untold(_step: str) -> None:
    """Nobody watches."""


_SAID = 300  # characters of a command's last words


class StepError(Exception):
    """A migration didn't run: where, and what the server or the command said."""


class Way(Protocol):
    """How a project's migrations are run; one step each."""

    def up(self, database: Database, migration: MigrationFile) -> float:
        """Apply one migration; the seconds that it took.

        Raises:
            StepError: it failed, or hung.
        """

    def down(self, database: Database, migration: MigrationFile) -> float:
        """Undo one migration.

        Raises:
            StepError: it failed, or hung.
        """

    def undoes(self, migration: MigrationFile) -> bool:
        """Whether there is a way back at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """Plain SQL, each file in a transaction of its own as its framework would have it, in a session of its own."""

    seconds: float = STEP_SECONDS

    def up(self, database: Database, migration: MigrationFile) -> float:
        assert migration.up is not None
        return self._run(database, migration.up)

    def down(self, database: Database, migration: MigrationFile) -> float:
        assert migration.down is not None
        return self._run(database, migration.down)

    def undoes(self, migration: MigrationFile) -> bool:
        return migration.down is not None

    def _run(self, database: Database, script: Script) -> float:
        started = time.perf_counter()
        with scratch.deadline(self.seconds, database.server, database) as passed:
            try:
                if script.transactional:
                    _whole(database.session("migrations"), script)
                else:
                    _apart(database.session("migrations"), script)
            except (psycopg.Error, StepError) as error:
                if passed.is_set():
                    raise StepError(f"{script.path}: hangs: ended after {self.seconds:g} s") from error
                if isinstance(error, StepError):
                    raise
                raise StepError(_placed(database, script, error)) from error
        return time.perf_counter() - started


def _whole(session: psycopg.Connection[Any], script: Script) -> None:
    # In pieces of our own, since a script may bring its own begin and commit.
    session.execute("begin")
    session.execute(script.sql.encode())
    session.execute("commit")


def _apart(session: psycopg.Connection[Any], script: Script) -> None:
    for statement in statements(script.sql):
        try:
            session.execute(statement.text.encode())
        except psycopg.Error as error:
            line = script.line + statement.line - 1
            raise StepError(f"{script.path}:{line}: {_message(error)}") from error


def _placed(database: Database, script: Script, error: psycopg.Error) -> str:
    """The error with its line. Where the server gives no place, it is run once more, by statements, to find it."""
    at = error.diag.statement_position
    line = script.line + script.sql.count("\n", 0, int(at) - 1) if at is not None else None
    if line is None and script.transactional:
        with suppress(psycopg.OperationalError):
            session = database.session("migrations")
            session.execute("begin")
            for statement in statements(script.sql):
                try:
                    session.execute(statement.text.encode())
                except psycopg.Error:
                    line = script.line + statement.line - 1
                    break
            session.execute("rollback")
    return f"{script.path}{f':{line}' if line else ''}: {_message(error)}"


def _message(error: psycopg.Error) -> str:
    parts = [error.diag.message_primary or str(error).strip().splitlines()[0], error.diag.message_detail]
    return "; ".join(" ".join(p.split()) for p in parts if p)[:1000]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The project's own framework, one step a call.

    Args:
        folder: where it is run.
        environment: what it gets beside the scratch database's address.
    """

    commands: MigrationCommands
    folder: Path
    environment: Mapping[str, str]
    seconds: float = STEP_SECONDS

    def up(self, database: Database, migration: MigrationFile) -> float:
        return self._run(database, self.commands.up, migration)

    def down(self, database: Database, migration: MigrationFile) -> float:
        return self._run(database, self.commands.down, migration)

    def undoes(self, migration: MigrationFile) -> bool:
        return migration.reversible is not False

    def _run(self, database: Database, command: str, migration: MigrationFile) -> float:
        words = [word.replace("{name}", migration.name) for word in shlex.split(command)]
        parameters = {k: str(v) for k, v in conninfo.conninfo_to_dict(database.dsn).items() if v is not None}
        own = {
            "PGHOST": parameters.get("host", ""),
            "PGPORT": parameters.get("port", ""),
            "PGUSER": parameters.get("user", ""),
            "PGPASSWORD": parameters.get("password", ""),
            "PGDATABASE": database.name,
            self.commands.url_variable: _url(parameters),
        }
        kept = {k: v for k, v in self.environment.items() if not k.startswith("PG") and k != "DATABASE_URL"}
        started = time.perf_counter()
        workshop = database.server.workshop
        try:
            process = workshop.start(
                words,
                cwd=self.folder,
                env=kept | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise StepError(f"{words[0]}: can't be run: {error.strerror or error}") from error
        try:
            said, _ = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise StepError(f"{migration.path}: hangs: ended after {self.seconds:g} s") from None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # it has a session of its own; nothing that it began stays
            workshop.stop(process)
            database.server.end_sessions(database)
        if process.returncode:
            words_of_it = " / ".join(line.strip() for line in str(said).splitlines() if line.strip())
            raise StepError(f"{migration.path}: {words[0]} ended with {process.returncode}: {words_of_it[-_SAID:]}")
        return time.perf_counter() - started


def _url(parameters: Mapping[str, str]) -> str:
    from urllib.parse import quote  # noqa: PLC0415  only where a command is run

    user, password = quote(parameters.get("user", ""), safe=""), quote(parameters.get("password", ""), safe="")
    host, port = parameters.get("host", "localhost"), parameters.get("port", "5432")
    return f"postgresql://{user}:{password}@{host}:{port}/{quote(parameters['dbname'], safe='')}"


def way(
    folder: MigrationFolder,
    *,
    commands: MigrationCommands | None,
    project: Path,
    environment: Mapping[str, str] = os.environ,
    seconds: float = STEP_SECONDS,
) -> Way:
    """How a folder's migrations are run here.

    Raises:
        DrillError: there are none, or they are not plain SQL and no command is configured.
    """
    if not folder.files:
        raise DrillError(f"{folder.directory}: holds no migrations that are known")
    if commands is not None:
        return Command(commands=commands, folder=project, environment=environment, seconds=seconds)
    foreign = [m for m in folder.files if m.up is None]
    if foreign:
        raise DrillError(
            f"{folder.directory}: {foreign[0].path} is no plain SQL ({folder.framework}); say in the profile how one step is "
            f"run: migrations: {{commands: {{up: ..., down: ...}}}}"
        )
    return Native(seconds=seconds)


def fingerprint(database: Database, framework: str | None, session: Postgres | None = None) -> SchemaFingerprint:
    """A scratch database's schema, without the framework's own bookkeeping.

    Raises:
        DrillError: it can't be read.
    """
    postgres = session or Postgres(database.dsn)
    try:
        found = SchemaFingerprint.of(postgres, without_tables=bookkeeping(framework), prepared=session is not None)
    except Unobservable as refusal:
        raise DrillError(f"the scratch database's schema can't be read: {refusal.detail}") from refusal
    finally:
        if session is None:
            postgres.close()
    return found


def bookkeeping(framework: str | None) -> frozenset[str]:
    own = frameworks.BY_NAME[framework].table if framework in frameworks.BY_NAME else None
    return frameworks.BOOKKEEPING_TABLES | ({own} if own else frozenset())


def apply_all(way: Way, database: Database, migrations: Sequence[MigrationFile]) -> list[float]:
    """Apply every migration in order; the seconds of each.

    Raises:
        StepError: one failed.
    """
    return [way.up(database, m) for m in migrations]


def ground(server: str | None, *, platforms: Sequence[str], as_superuser: bool) -> Any:
    """The server that is drilled on: a context manager of `Server`."""
    if server is None:
        return scratch.own_server()
    return scratch.named_server(server, platforms=platforms, as_superuser=as_superuser)


@contextmanager
def replayed(
    path: Path,
    *,
    framework: str | None = None,
    commands: MigrationCommands | None = None,
    project: Path = Path(),
    seconds: float = STEP_SECONDS,
    told: Told = untold,
) -> Iterator[Database]:
    """A folder's migrations, applied in order on a server of our own: the database, for as long as the block.

    Raises:
        DrillError: they can't be read or run here, or one fails.
        EmbeddedError: there is no server to be had.
    """
    try:
        folder = MigrationFolder.read(path, framework=framework)
    except Unobservable as refusal:
        raise DrillError(refusal.detail) from None
    how = way(folder, commands=commands, project=project, seconds=seconds)
    with scratch.own_server("replay") as server, server.database() as database:
        for at, migration in enumerate(folder.files, 1):
            told(f"{at} of {len(folder.files)}: {migration.path}")
            try:
                how.up(database, migration)
            except StepError as error:
                raise DrillError(str(error)) from None
        yield database
