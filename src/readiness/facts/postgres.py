"""A harmless session with Postgres.

A session is one connection. One short `BEGIN READ ONLY` for each question, with guards that end with the transaction, so that
nothing stays behind on a pooler's server connection (a session `SET` would be inherited by the next client of the
pool). `statement_timeout` does not bound time (a half-open network, a silent foreign server), so a deadline on our
side drops the socket. Every statement bears a marker comment and the session a name, for the DBA who looks.
"""

from __future__ import annotations

import math
import os
import random
import re
import selectors
import socket
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo, errors, generators, pq, sql
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import Loader, PyFormat, Transformer
from psycopg.pq.abc import PGresult

from readiness import __version__
from readiness.authoring import Unobservable
from readiness.facts.pace import Pace
from readiness.facts.stopwatch import Stopwatch, Wait
from readiness.model import Reason
from readiness.sqltext import without_semicolons

APPLICATION_NAME = f"readiness/{__version__}"
CONNECT_SECONDS = 5
LOCK_MILLISECONDS = 50
GRACE_SECONDS = 3  # how much longer than the server's own limit we wait before the socket is dropped
STARTING_UP_SECONDS = 30
MAX_PEERS = 3  # other audits of the same database at once

T = TypeVar("T")
Row = dict[str, Any]


class DeadlineExceededError(psycopg.OperationalError):
    """The server did not answer in time; the connection is gone."""


class _Connection(psycopg.Connection[Any]):
    """A connection whose every wait ends at a deadline."""

    deadline: float | None = None  # on time.monotonic()'s scale

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        asked = timeout is not None and (left is None or timeout <= left)
        try:
            return super().wait(gen, interval, timeout if asked else left)
        except errors._WaitTimeout:  # noqa: SLF001  named in the documentation of wait()
            if asked:
                raise
            self.pgconn.finish()
            raise DeadlineExceededError("no answer in time; the connection was dropped") from None


def deadline_connection(dsn: str) -> _Connection:
    """A connection in autocommit to what isn't a server, such as a pooler's console; its owner sets `deadline`."""
    return _Connection.connect(dsn, autocommit=True, prepare_threshold=None)


class _TolerantText(Loader):
    """Text as it comes: bytes that are no UTF-8 (an SQL_ASCII database) are shown escaped; `infinity` stays a word."""

    def load(self, data: Buffer) -> str:
        return str(data, "utf-8", "backslashreplace")


_TEXTS = ["text", "name", "varchar", "bpchar", '"char"']
_SHOWN_AS_TEXT = [
    "json",
    "jsonb",
    "xml",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "inet",
    "cidr",
    "bytea",
    "regclass",
    "regproc",
    "regtype",
    "regrole",
    "regnamespace",
]


def _prepare(connection: psycopg.Connection[Any]) -> None:
    # The server vouches for what it sends in UTF-8, which psycopg reads much sooner; not where it knows no encoding.
    vouched = connection.info.parameter_status("server_encoding") not in (None, "SQL_ASCII")
    for name in _SHOWN_AS_TEXT if vouched else [*_TEXTS, *_SHOWN_AS_TEXT]:
        found = connection.adapters.types.get(name)
        if found is not None:
            connection.adapters.register_loader(found.oid, _TolerantText)
    connection.adapters.register_loader(0, _TolerantText)  # every type that psycopg doesn't know


# What each transaction sets for itself, and the server version that knows it. Values are constants of ours.
_GUARDS: tuple[tuple[str, str, int], ...] = (
    ("lock_timeout", f"{LOCK_MILLISECONDS}ms", 0),
    ("idle_in_transaction_session_timeout", "15s", 0),
    ("client_connection_check_interval", "1s", 140000),  # a killed auditor leaves no statement behind
    ("max_parallel_workers_per_gather", "0", 0),
    ("jit", "off", 0),
    ("search_path", "pg_catalog", 0),  # nobody's schema can put functions of its own in our way
    ("row_security", "off", 0),  # a filtered answer is an error, not a smaller answer
    ("timezone", "UTC", 0),
    ("datestyle", "ISO, YMD", 0),
    ("intervalstyle", "postgres", 0),
    ("extra_float_digits", "1", 0),
    ("bytea_output", "hex", 0),
)


_BEGIN = sql.SQL("begin /* readiness */ transaction isolation level read committed read only")
_SET = sql.SQL("set /* readiness */ local {} = {}")
_SELECT = sql.SQL("select /* readiness */ ")
_CALL = sql.SQL("pg_catalog.set_config({}, {}, true)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a DSN leads, without its secrets."""

    host: str
    port: str
    database: str
    user: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port and not self.host.startswith("/") else self.host


class Postgres:
    """A session. The connection opens with the first question; when it can't, every question says the same."""

    def __init__(
        self,
        dsn: str = "",
        *,
        statement_seconds: float = 5.0,
        connect_seconds: int = CONNECT_SECONDS,
        extra_guards: Mapping[str, str] | None = None,
        share_when_busy: float = 1.0,
    ) -> None:
        """Prepare a session; nothing is sent yet.

        Args:
            dsn: whatever libpq takes; empty means libpq's own sources.
            statement_seconds: the server-side limit of one statement.
            extra_guards: settings that each transaction sets beside our own.
            share_when_busy: the part of the time, above 0 and up to 1, in which it asks while others are at work.

        Raises:
            ValueError: the DSN can't be parsed. The message quotes nothing of it: a password may be the very reason.
        """
        self._parameters = parse_dsn(dsn)
        self._connect_seconds = connect_seconds
        self._statement_seconds = statement_seconds
        self._extra_guards = dict(extra_guards or {})
        self._connection: _Connection | None = None
        self._guards: list[tuple[str, str]] = []
        self._refusal: Unobservable | None = None
        self._losses = 0
        self._asked: Asked | None = None  # its answer is on its way
        self._pace = Pace(share_when_busy)
        self._pace.before_rest.append(self.receive)
        self._made: list[Postgres] = []
        self.statements = 0
        self.longest_seconds = 0.0

    # -- what a check or a fact uses ---------------------------------------------------------------------------

    def rows(
        self,
        statement: str,
        parameters: Sequence[Any] = (),
        *,
        marker: str,
        settings: Mapping[str, str] | None = None,
        seconds: float | None = None,
        at_once: bool = False,
    ) -> list[Row]:
        """Ask one question in a read-only transaction of its own.

        Args:
            statement: one SQL statement, `$1`, `$2`... for the parameters; `%` means itself.
            marker: who asks; stands in a comment before the statement.
            settings: transaction-local settings beside the guards.
            seconds: the server's limit for this statement, where it differs from the session's.
            at_once: where it has no parameters, the transaction's end goes with it in one message, and the server keeps
                no copies of it. For what is asked by the hundred: a fifth of what a small statement takes.

        Raises:
            Unobservable: with the reason, and the GRANT that would help where that is known.
        """
        return self.ask(
            statement, parameters, marker=marker, settings=settings, seconds=seconds, at_once=at_once
        ).rows()

    def ask(
        self,
        statement: str,
        parameters: Sequence[Any] = (),
        *,
        marker: str,
        settings: Mapping[str, str] | None = None,
        seconds: float | None = None,
        at_once: bool = False,
    ) -> Asked:
        """Send one question, as `rows` does, and don't wait: the server is at work while something else is done here.

        Whatever the session is used for next takes this answer first.
        """
        asked = Asked(self, self._asking_twice(statement, parameters, marker, settings or {}, seconds, at_once=at_once))
        if not asked.proceed():
            self._asked = asked
        return asked

    def receive(self) -> None:
        """Wait for the answer that is on its way, if one is, and end its transaction; reading it is left to who asked."""
        asked, self._asked = self._asked, None
        while asked is not None and not asked.proceed():
            pass

    def rest(self) -> None:
        """Rest now, where others are at work, for what was asked so far: before something whose time is taken."""
        if self._pace.due:
            self._pace.rest(self._others())

    def _others(self) -> int | None:
        connection = self._open()
        try:
            try:
                self._begin(connection, self._statement_seconds, {})
                (row,) = self._execute(connection, f"select {OTHERS_AT_WORK} as others", (), "pace")
            finally:
                self._end(connection)
        except psycopg.Error as error:
            self._answer(error, "")
            return None
        others: int | None = row["others"]
        return others

    @property
    def alone(self) -> bool:
        """Whether nobody else was at work when we looked last; False before the first look."""
        return self._pace.alone

    @property
    def asking_seconds(self) -> float:
        """In which a question of ours was on its way, or was read; of sessions that ask together, of all."""
        return self._pace.asking

    @property
    def waits(self) -> bool:
        """Whether an answer is on its way."""
        return self._asked is not None

    @property
    def link(self) -> _Connection:
        """What the answer that is on its way comes by."""
        assert self._connection is not None
        return self._connection

    @property
    def deadline(self) -> float:
        """When it must be here, on time.monotonic()'s scale."""
        return self.link.deadline or 0.0

    @property
    def lost(self) -> bool:
        """Whether the connection was lost at least once."""
        return self._losses > 0

    @property
    def rested_seconds(self) -> float:
        return self._pace.rested

    def clock(self) -> float:
        """Seconds on time.perf_counter()'s scale, less those of rests: what limits our asking, and tells how long it took."""
        return time.perf_counter() - self._pace.rested

    def stream(
        self, statement: str, *, marker: str, seconds: float, page: int = 5_000
    ) -> Generator[tuple[Any, ...], None, None]:
        """The rows of one statement, for what is too much to hold: by a cursor, in one read-only transaction.

        Args:
            seconds: the server's limit for each page, and for how long it waits for us between two of them.

        Raises:
            Unobservable: as with `rows`, at any row.
        """
        connection = self._open()
        try:
            try:
                idle = {"idle_in_transaction_session_timeout": f"{round(seconds * 1000)}ms"}
                self._begin(connection, seconds, idle)
                self._execute(connection, f"declare readiness no scroll cursor for {statement}", (), marker)
                fetch = f"fetch forward {page} from readiness".encode()
                while True:
                    connection.deadline = time.monotonic() + seconds + GRACE_SECONDS
                    found = connection.execute(fetch).fetchall()
                    yield from found
                    if len(found) < page:
                        return
            finally:
                self._end(connection)
        except psycopg.Error as error:
            raise self._answer(error, statement) from error

    def timed(
        self,
        statement: str,
        parameters: Sequence[Any] = (),
        *,
        marker: str,
        seconds: float,
        settings: Mapping[str, str],
    ) -> Wait:
        """From sending a statement to having all its rows; infinity where it failed or ran out of time.

        Raises:
            Unobservable: it can't run at all (no permission, no such table, a syntax error), or the session is gone.
        """
        connection = self._open()
        try:
            try:
                self._begin(connection, seconds, settings)
                watch = Stopwatch()
                self._execute(connection, statement, parameters, marker)
                return watch.read()
            finally:
                self._end(connection)
        except (errors.QueryCanceled, errors.LockNotAvailable):
            return Wait(math.inf)
        except psycopg.Error as error:
            raise self._answer(error, statement) from error

    def _answer(self, error: psycopg.Error, statement: str) -> Unobservable:
        """What a failure means for who asked. A lost session is opened anew for the next question, once in a run.

        The statement that lost it is not sent again: it may be what ends the server.
        """
        if not _connection_lost(error):
            return classify(error, unlock=self._grants(error, statement))
        self._losses += 1
        if self._losses > 1:
            self._refusal = Unobservable(Reason.UNREACHABLE, "the session was lost twice; something keeps ending it")
        if isinstance(error, DeadlineExceededError):
            return classify(error)
        return Unobservable(Reason.UNREACHABLE, "the session was lost; the network, or somebody, ended it")

    def _grants(self, error: psycopg.Error, statement: str) -> str | None:
        """The statements that would permit what was denied. The server names it without its schema: we look it up."""
        denied = _DENIED.fullmatch(error.diag.message_primary or "") if error.sqlstate == "42501" else None
        if denied is None:
            return None
        try:
            (row,) = _to_the_end(self._asking(_PERMITTING, (*denied.groups(), statement), "grants", {}, None)).rows()
        except psycopg.Error:
            return None
        grants: str | None = row["grants"]
        return grants

    @property
    def address(self) -> Address:
        """Where the session leads, from the connection when it stands."""
        if self._connection is not None and not self._connection.closed:
            info = self._connection.info
            return Address(info.host or "local socket", str(info.port), info.dbname, info.user)
        found = {o.keyword.decode(): (o.val or b"").decode("utf-8", "replace") for o in pq.Conninfo.get_defaults()}
        p = found | self._parameters  # libpq's own sources are the PG* variables, and what is built in
        if p["service"] and not self._parameters.get("host"):
            return Address(f"service {p['service']}", "", p["dbname"], p["user"])
        return Address(p["host"] or "local socket", p["port"], p["dbname"], p["user"])

    @property
    def whereabouts(self) -> Mapping[str, str]:
        """host, hostaddr, port and dbname of the connection that stands, whatever service file or list it came from."""
        info = self._open().info
        found = {"host": info.host, "hostaddr": info.hostaddr, "port": str(info.port), "dbname": info.dbname}
        return {key: value for key, value in found.items() if value}

    @property
    def spoken(self) -> Mapping[str, str]:
        """host, hostaddr, port and dbname as the connection string and libpq's own sources name them, lists and all."""
        found = {o.keyword.decode(): (o.val or b"").decode("utf-8", "replace") for o in pq.Conninfo.get_defaults()}
        info = self._open().info  # what a service file named is told by the connection alone
        named = {"host": info.host, "port": str(info.port)} | {k: v for k, v in found.items() if v} | self._parameters
        return {key: named[key] for key in ("host", "hostaddr", "port", "dbname") if named.get(key)}

    @property
    def tls_parameters(self) -> Mapping[str, str]:
        """What the connection string says of TLS, without keys."""
        return {key: self._parameters[key] for key in ("sslmode", "sslrootcert") if key in self._parameters}

    def __reduce__(self) -> str:
        raise TypeError("a session goes to no other process")

    @property
    def encrypted(self) -> bool:
        """Whether our own leg is (through a pooler, pg_stat_ssl tells of the pooler's)."""
        return bool(self._open().pgconn.ssl_in_use)

    @property
    def startup_pid(self) -> int:
        """The pid that the other side gave when we connected; a pooler gives its own."""
        return self._open().info.backend_pid

    @property
    def own_port(self) -> int | None:
        """Our end's port of a TCP connection; None for a Unix socket."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._open().pgconn.socket)) as ours:
            name = ours.getsockname()
            return int(name[1]) if ours.family in (socket.AF_INET, socket.AF_INET6) else None
        return None

    @property
    def server_version(self) -> int:
        """As server_version_num has it: 150018."""
        return self._open().info.server_version

    def another(self, purpose: str, *, together: bool = False) -> Postgres:
        """A second session to the same place, with the same guards; nothing is sent yet. It is closed with this one at the latest.

        Args:
            purpose: stands behind our name in application_name, so that it isn't taken for another audit.
            together: both ask by turns, and rest together.
        """
        made = Postgres(
            statement_seconds=self._statement_seconds,
            connect_seconds=self._connect_seconds,
            extra_guards=self._extra_guards,
            share_when_busy=self._pace.share,
        )
        made._parameters = self._parameters | {"application_name": f"{APPLICATION_NAME} {purpose}"}
        if together:
            made._pace = self._pace
            made._pace.before_rest.append(made.receive)
        self._made.append(made)
        return made

    def opening(self, **elsewhere: str) -> float:
        """Milliseconds that a further session takes to open, name resolution and TLS included; it is closed at once.

        Args:
            elsewhere: host, port, dbname of another way to the same database.

        Raises:
            Unobservable: it doesn't open.
        """
        parameters = {k: v for k, v in self._parameters.items() if k != "hostaddr" or "host" not in elsewhere}
        dsn = conninfo.make_conninfo(
            "", **(parameters | {"application_name": f"{APPLICATION_NAME} opening"} | elsewhere)
        )
        begun = time.perf_counter()
        try:
            connection = psycopg.connect(dsn, connect_timeout=self._connect_seconds)
        except psycopg.Error as error:
            raise classify_connect(
                error, Address(elsewhere.get("host", ""), elsewhere.get("port", ""), "", "")
            ) from error
        taken = (time.perf_counter() - begun) * 1000
        connection.close()
        return taken

    def close(self) -> None:
        for made in self._made:
            made.close()
        if self._connection is not None:
            if self._asked is not None:
                with suppress(psycopg.Error):
                    self._connection.cancel_safe(timeout=GRACE_SECONDS)
                self.receive()
            self._connection.close()
            self._connection = None

    # -- the connection ----------------------------------------------------------------------------------------

    def _open(self) -> _Connection:
        self.receive()
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._refusal is not None:
            raise self._refusal
        try:
            self._connection = self._connect()
            self._guards = self._accepted_guards(self._connection)
        except Unobservable as refusal:
            self._refusal = refusal  # never tried again in this run: a wrong password must not lock the role out
            raise
        return self._connection

    def _connect(self) -> _Connection:
        started = time.monotonic()
        retries = 2
        while True:
            try:
                connection = _Connection.connect(
                    conninfo.make_conninfo("", **self._parameters),
                    autocommit=True,
                    prepare_threshold=None,  # a pooler in transaction mode has another server connection next time
                )
            except psycopg.Error as error:
                refusal = classify_connect(error, self.address)
                text = str(error)
                starting = any(words in text for words in _COMES_UP)
                if starting and time.monotonic() - started < STARTING_UP_SECONDS:
                    time.sleep(0.5)
                    continue
                crowded = "too many" in text or "slots are reserved" in text
                dropped = "server closed the connection unexpectedly" in text
                if (crowded or dropped) and retries:
                    retries -= 1
                    time.sleep(0.2 + random.random() * 0.3)  # noqa: S311  jitter
                    continue
                raise refusal from error
            except UnicodeDecodeError as error:
                raise Unobservable(Reason.UNREACHABLE, f"{self.address}: its reply can't be read as text") from error
            except UnicodeError as error:  # a label of the host name is empty or too long
                raise Unobservable(Reason.UNREACHABLE, f"{self.address}: the host name can't be resolved") from error
            _prepare(connection)
            return connection

    def _accepted_guards(self, connection: _Connection) -> list[tuple[str, str]]:
        """The guards that this server takes: an old version or another platform lacks some."""
        version = connection.info.server_version
        guards = [(name, value) for name, value, since in _GUARDS if version >= since]
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # Bytes of no known encoding: the server must not try to make UTF-8 of them; our loaders show them escaped.
            guards.append(("client_encoding", "SQL_ASCII"))
        guards += self._extra_guards.items()
        for tried in (guards, *([g] for g in guards)):
            try:
                self._guards = list(tried)
                self._begin(connection, self._statement_seconds, {})
                self._end(connection)
            except psycopg.Error as error:
                if _connection_lost(error):
                    raise classify_connect(error, self.address) from error
                self._end(connection)
                if len(tried) == 1:
                    guards.remove(tried[0])
            else:
                if tried is guards:
                    break
        return guards

    # -- one transaction ---------------------------------------------------------------------------------------

    def _asking_twice(
        self,
        statement: str,
        parameters: Sequence[Any],
        marker: str,
        settings: Mapping[str, str],
        seconds: float | None,
        *,
        at_once: bool,
    ) -> Generator[None, None, _Received]:
        """A question's steps; a failure is told as what it means."""
        try:
            return (yield from self._asking(statement, parameters, marker, settings, seconds, at_once=at_once))
        except (errors.SerializationFailure, errors.DeadlockDetected):
            pass  # a recovery conflict on a standby, or a deadlock's victim: once more, and then it is an answer
        except psycopg.Error as error:
            raise self._answer(error, statement) from error
        try:
            return (yield from self._asking(statement, parameters, marker, settings, seconds, at_once=at_once))
        except psycopg.Error as error:
            raise self._answer(error, statement) from error

    def _asking(
        self,
        statement: str,
        parameters: Sequence[Any],
        marker: str,
        settings: Mapping[str, str],
        seconds: float | None,
        *,
        at_once: bool = False,
    ) -> Generator[None, None, _Received]:
        """One transaction in two steps: up to the statement, and from its answer on."""
        self.rest()
        connection = self._open()
        # One message takes several statements, but none without a semicolon: with none in its text, this is one.
        alone = without_semicolons(statement) if at_once and not parameters and _plain_literals(connection) else None
        started = time.perf_counter()
        try:
            self._begin(connection, seconds or self._statement_seconds, settings)
            self._send(connection, statement if alone is None else alone, parameters, marker, ends=alone is not None)
            yield
            return self._received(connection)
        finally:
            self.longest_seconds = max(self.longest_seconds, time.perf_counter() - started)
            self._end(connection)
            self._pace.asked(time.perf_counter() - started)

    def _begin(self, connection: _Connection, seconds: float, settings: Mapping[str, str]) -> None:
        # `set local` is neither analysed nor planned and answers no row: half of what set_config() takes. But it takes a
        # list for one name, so it is for the guards. Behind the first query nothing makes the transaction read-write.
        guards = [("statement_timeout", f"{round(seconds * 1000)}ms"), *self._guards]
        calls = [_CALL.format(sql.Literal(name), sql.Literal(value)) for name, value in settings.items()]
        opening = [_BEGIN, _guarded(tuple(guards)), _SELECT + sql.SQL(", ").join(calls)]
        connection.deadline = time.monotonic() + seconds + GRACE_SECONDS
        connection.execute(sql.SQL("; ").join(opening))

    def _send(
        self,
        connection: _Connection,
        statement: str,
        parameters: Sequence[Any],
        marker: str,
        *,
        ends: bool = False,
    ) -> None:
        """Send a statement; one that `ends` the transaction, too, has no semicolon in it."""
        self.statements += 1
        text = marked(statement, marker)
        if ends:
            # on a line of its own, for the statement may end in a comment
            connection.pgconn.send_query(f"{text}\n; {_ROLLBACK}".encode())
        else:
            # the extended protocol takes one statement, never `commit; insert ...`
            given = Transformer.from_context(connection)
            values = given.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
            connection.pgconn.send_query_params(text.encode(), values, given.types, given.formats)
        connection.wait(generators.send(connection.pgconn))

    def _received(self, connection: _Connection) -> _Received:
        if connection.deadline is not None and time.monotonic() > connection.deadline and _came([connection]):
            connection.deadline = time.monotonic() + GRACE_SECONDS  # it was in time; we were elsewhere
        results = connection.wait(generators.fetch_many(connection.pgconn))
        for result in results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise errors.error_from_result(result, connection.info.encoding)
            if result.status not in _ANSWERED:
                raise psycopg.ProgrammingError("the statement copies, instead of answering with rows")
        return _Received(connection, results[0])

    def _execute(self, connection: _Connection, statement: str, parameters: Sequence[Any], marker: str) -> list[Row]:
        self._send(connection, statement, parameters, marker)
        return self._received(connection).rows()

    def _end(self, connection: _Connection) -> None:
        if connection.closed:
            return
        try:
            if connection.info.transaction_status is not pq.TransactionStatus.IDLE:
                connection.deadline = time.monotonic() + GRACE_SECONDS
                connection.execute(_ROLLBACK)
        except psycopg.Error:
            connection.close()
        finally:
            connection.deadline = None


# State and kind of others' sessions are hidden from a role without pg_read_all_stats; their number is not.
OTHERS_AT_WORK = """
case
    when pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage') then (
        select pg_catalog.count(*)
        from pg_catalog.pg_stat_get_activity(null) as a  -- the view joins names to it, which costs as much again
        where
            a.backend_type = 'client backend'
            and a.state = 'active'
            and a.application_name !~ '^readiness/'
            and a.pid <> pg_catalog.pg_backend_pid()
    )
end::int4"""
"""How many, null where the role may not see it."""


_ROLLBACK = "rollback /* readiness */"


@lru_cache(maxsize=64)
def _guarded(guards: tuple[tuple[str, str], ...]) -> sql.Composable:
    """Kept: they are the same for nearly every question."""
    settings = (_SET.format(sql.Identifier(name), sql.Literal(value)) for name, value in guards)
    return sql.SQL(sql.SQL("; ").join(settings).as_string())


def _came(connections: Iterable[_Connection], seconds: float = 0.0) -> list[_Connection]:
    """Those that have something of an answer here, unread, as soon as one has."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.pgconn.socket, selectors.EVENT_READ, connection)
        return [key.data for key, _ in selector.select(seconds)]


def first_answered(sessions: Sequence[Postgres]) -> Postgres:
    """Of sessions that wait for an answer the one that has it first; the one whose time is over, where none has."""
    if len(sessions) == 1:
        return sessions[0]
    late = min(sessions, key=lambda session: session.deadline)
    links = {session.link: session for session in sessions}
    came = [link for link in links if link.closed] or _came(links, late.deadline - time.monotonic())
    return links[came[0]] if came else late


def _plain_literals(connection: _Connection) -> bool:
    """Whether a backslash in a literal means itself."""
    return connection.info.parameter_status("standard_conforming_strings") == "on"


class Asked:
    """A question that was sent."""

    def __init__(self, session: Postgres, steps: Generator[None, None, _Received]) -> None:
        self._session = session
        self._steps = steps
        self._came: _Received | Exception | None = None

    def proceed(self) -> bool:
        """Take the next step, for the session; whether it was the last. What went wrong is for who reads the answer."""
        try:
            next(self._steps)
        except StopIteration as end:
            self._came = end.value
        except Exception as error:  # noqa: BLE001  raised by rows()
            self._came = error
        return self._came is not None

    @property
    def here(self) -> bool:
        return self._came is not None

    def receive(self) -> None:
        """Wait until the answer is here."""
        if self._came is None:
            self._session.receive()

    def rows(self) -> list[Row]:
        """The answer.

        Raises:
            Unobservable: with the reason, and the GRANT that would help where that is known.
        """
        self.receive()
        assert self._came is not None, "the wait for it was interrupted"
        if isinstance(self._came, Exception):
            raise self._came
        try:
            return self._came.rows()
        except psycopg.Error as error:
            raise classify(error) from error


class _Received:
    """An answer as libpq holds it: reading it takes nothing of the session, which may be gone by then."""

    def __init__(self, connection: _Connection, result: PGresult) -> None:
        self._result = result
        self._reader = Transformer.from_context(connection)
        self._reader.set_pgresult(result)
        encoding = connection.info.encoding
        self._names = [(result.fname(i) or b"").decode(encoding, "backslashreplace") for i in range(result.nfields)]

    def rows(self) -> list[Row]:
        names = self._names
        if len(set(names)) < len(names):
            raise ValueError(f"two columns are named {next(n for n in names if names.count(n) > 1)!r}")
        found: list[Row] = self._reader.load_rows(0, self._result.ntuples, lambda values: dict(zip(names, values)))  # noqa: B905  as many
        odd = [name for i, name in enumerate(names) if self._result.ftype(i) not in _PLAIN_TYPES]
        for row in found if odd else ():
            for name in odd:
                row[name] = _plain(row[name])
        return found


_ANSWERED = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY)


def _to_the_end(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


_MARKER_UNSAFE = re.compile(r"[^\w:./@ -]")
_FIRST_WORD = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\w+", re.DOTALL)


def marked(statement: str, marker: str) -> str:
    """The statement with a comment that says whose it is, behind its first word: pg_stat_statements cuts one before it."""
    comment = f" /* readiness:{_MARKER_UNSAFE.sub('-', marker)} */"
    first = _FIRST_WORD.match(statement)
    at = first.end() if first else 0
    return f"{statement[:at]}{comment}{statement[at:]}"


def parse_dsn(dsn: str) -> dict[str, str]:
    """A DSN's parameters, with our own name and a bound on connecting.

    Raises:
        ValueError: it can't be parsed; the message quotes nothing of it.
    """
    try:
        parsed = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        form = "a URI postgresql://user@host:port/database" if "://" in dsn else "host=... port=... dbname=... user=..."
        raise ValueError(
            f"the connection string can't be parsed; expected {form} (in a URI, percent-encode @ : / % in the password)"
        ) from None
    odd_port = not re.fullmatch(r"[0-9,]*", str(parsed.get("port") or ""))
    if odd_port or ("://" in dsn and any("@" in str(parsed.get(key) or "") for key in ("host", "dbname"))):
        # libpq took a part of the password for the host, the port or the database; its errors would show that part.
        raise ValueError(
            "the connection string falls apart; percent-encode @ : / ? # in the password (%40 %3A %2F %3F %23)"
        )
    parameters = {key: str(value) for key, value in parsed.items() if value is not None}
    parameters.setdefault("connect_timeout", str(CONNECT_SECONDS))
    return parameters | {"application_name": APPLICATION_NAME, "client_encoding": "utf8"}


# bool, "char", name, int8, int2, int4, text and oid come as Python's own
_PLAIN_TYPES = frozenset([16, 18, 19, 20, 21, 23, 25, 26])


def _plain(value: Any) -> Any:
    """Numbers as Python's own; what is no number is None, so that it can't pass for one."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _connection_lost(error: psycopg.Error) -> bool:
    state = error.sqlstate or ""
    lost = isinstance(error, psycopg.OperationalError) and not state
    return lost or state.startswith("08") or state in ("57P01", "57P02", "57P03", "25P03")


_DENIED = re.compile(r"permission denied for ((?:materialized |foreign )?\w+) (.+)", re.DOTALL)

# Of several things of one name, those that the statement names.
_PERMITTING = """
with denied as (
    select
        pg_catalog.format('%I.%I', ns.nspname, c.relname) as name,
        case when c.relkind = 'S' then 'select on sequence ' else 'select on ' end as permission,
        '' as arguments
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where
        $1 in ('table', 'relation', 'view', 'materialized view', 'foreign table', 'sequence')
        and c.relname = $2
        and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        and not pg_catalog.has_table_privilege(c.oid, 'select')
    union all
    select
        pg_catalog.format('%I.%I', ns.nspname, f.proname),
        'execute on function ',
        '(' || pg_catalog.pg_get_function_identity_arguments(f.oid) || ')'
    from pg_catalog.pg_proc as f
    inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
    where $1 = 'function' and f.proname = $2 and not pg_catalog.has_function_privilege(f.oid, 'execute')
    union all
    select pg_catalog.quote_ident(ns.nspname), 'usage on schema ', ''
    from pg_catalog.pg_namespace as ns
    where $1 = 'schema' and ns.nspname = $2
),
written as (
    select
        pg_catalog.strpos($3, d.name) > 0 as named,
        pg_catalog.format('grant %s%s%s to %I;', d.permission, d.name, d.arguments, current_user) as line
    from denied as d
)
select coalesce(
    pg_catalog.string_agg(w.line, ' ' order by w.line) filter (where w.named),
    pg_catalog.string_agg(w.line, ' ' order by w.line)
) as grants
from written as w
"""


def classify(error: psycopg.Error, *, unlock: str | None = None) -> Unobservable:
    """What a failed statement means for the check that asked it."""
    state, message = error.sqlstate or "", (error.diag.message_primary or str(error)).strip()
    match state:
        case "42501":
            if "row-level security" in message:
                unlock = "audit as a role with BYPASSRLS (readiness role-sql --tier 5)"
            return Unobservable(Reason.NO_PERMISSION, message, unlock)
        case "57014":
            by_limit = "timeout" in message
            return Unobservable(Reason.TIMEOUT if by_limit else Reason.ERROR, message)
        case "55P03":
            return Unobservable(Reason.LOCKED, "a table that it reads is locked by a running DDL statement")
        case "42P01" | "42883" | "42703" | "3F000":
            return Unobservable(Reason.UNSUPPORTED, message)
        case "55000" if "shared_preload_libraries" in message:
            library = message.split()[0].strip('"')
            return Unobservable(
                Reason.MISSING_EXTENSION, message, f"add {library} to shared_preload_libraries and restart the server"
            )
    if isinstance(error, DeadlineExceededError):
        return Unobservable(Reason.TIMEOUT, str(error))
    return Unobservable(Reason.ERROR, f"{message} (SQLSTATE {state})" if state else message)


def classify_connect(error: psycopg.Error, address: Address) -> Unobservable:
    """Why there is no connection, in one sentence; libpq gives no SQLSTATE here, so its words decide."""
    text = " ".join(str(error).split())
    unlock: str | None = None
    for words, told in _CONNECT_FAILURES:
        if any(word in text for word in words):
            said = told
            break
    else:
        said = text.removeprefix("connection failed: ")
    if "no pg_hba.conf entry" in text:
        unlock = f"add a hostssl line for {address.user or 'the role'} and {address.database or 'the database'} to pg_hba.conf"
    return Unobservable(Reason.UNREACHABLE, f"{address}: {said}", unlock)


_COMES_UP = ("starting up", "shutting down", "recovery", "not yet accepting connections")

_CONNECT_FAILURES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Connection refused",), "connection refused; is the server running and listening there?"),
    (
        ("could not translate host name", "failed to resolve host", "Name or service not known"),
        "the host name can't be resolved",
    ),
    (("received invalid response",), "something answers there that isn't Postgres"),
    (
        ("timeout expired", "Operation timed out", "connection timeout"),
        "no answer in time; a firewall, or a silent server",
    ),
    (("Network is unreachable", "No route to host"), "there is no route to the host"),
    (("password authentication failed", "SASL authentication failed"), "password authentication failed"),
    (
        ("fe_sendauth: no password supplied",),
        "the server asks for a password and none is configured (passfile, PGPASSWORD)",
    ),
    (
        ("remaining connection slots are reserved", "too many clients", "too many connections"),
        "all connection slots are taken",
    ),
    (
        ("certificate verify failed",),
        "TLS: the server's certificate does not verify: sslrootcert doesn't vouch for it, or it has expired",
    ),
    (("root certificate file",), "TLS: the root certificate file is missing (sslrootcert)"),
    (("does not match host name",), "TLS: the server's certificate is for another host name"),
    (
        ("no protocols available", "unsupported protocol", "tlsv1 alert protocol version"),
        "TLS: no common protocol version",
    ),
    (
        ("server does not support SSL", "server does not support encryption"),
        "TLS is required and the server offers none",
    ),
    (("unsupported startup parameter",), "the pooler refuses a startup parameter (options=); remove it from the DSN"),
    (("starting up",), "the server is starting up"),
    (("shutting down",), "the server is shutting down"),
    (("No such file or directory",), "no server listens on that socket"),
)
