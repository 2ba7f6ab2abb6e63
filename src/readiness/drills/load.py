"""So many connections, really opened and at work at once, and the throughput that they sustain.

In a scratch database on a server that the user names, since only one like the platform's proves anything. First the headroom
is reckoned: what is free after the reserved slots and what others hold must leave some. Then every connection holds a
transaction open, and the server is asked how many do. Then a transaction mix works over as many connections, unlimited (a run
that is held to 1000 a second delivers 994): the profile's own where it declares one, else pgbench's "simple update", by pgbench
where that is to be had and by a driver of our own where it isn't. Where the promise is met, once more at the promised rate,
open loop: what a transaction waits then, its turn included. Meanwhile the server is asked what its sessions are waiting for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from readiness.drills import DrillError, mix
from readiness.drills.mix import SEED, Kind
from readiness.drills.scratch import CONNECT_SECONDS, Database
from readiness.embedded import EmbeddedError, find_runtime
from readiness.profile import Load
from readiness.quantiles import Quantile, quantile

SPARE = 5  # connections that stay free for others while the drill runs
PREPARING_SECONDS = 300
LOOK_SECONDS = 0.25  # between two looks at what the sessions wait for
KEPT_UP = 0.95  # of the promised rate; below, no latency at it was measured
BUSY = 0.9  # of a core, used by the driver: then it is the narrow place

_ROOM = """
select
    pg_catalog.current_setting('max_connections')::int4,
    pg_catalog.current_setting('superuser_reserved_connections')::int4
    + coalesce(pg_catalog.current_setting('reserved_connections', true)::int4, 0),
    (select pg_catalog.sum(d.numbackends) from pg_catalog.pg_stat_database as d)::int4
"""

# One of each session at work: nothing (on the processor, or in line for it), or the kind of what it waits for.
_WAITS = """
select coalesce(a.wait_event_type || ':' || a.wait_event, 'CPU') as what, pg_catalog.count(*)::int4 as sessions
from pg_catalog.pg_stat_activity as a
where a.datname = pg_catalog.current_database() and a.pid <> pg_catalog.pg_backend_pid() and a.state = 'active'
group by 1
order by 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many connections a server has to give."""

    most: int
    reserved: int
    used: int

    @property
    def free(self) -> int:
        return self.most - self.reserved - self.used

    def __str__(self) -> str:
        return f"max_connections {self.most}, reserved {self.reserved}, in use {self.used}: {self.free} free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a mix did over all connections.

    Args:
        rate: transactions a second that were due; None where it was unlimited.
        per_second: transactions that came to a good end, a second, without the time of connecting.
        failed: transactions that ended in an error.
        errors: how often, by SQLSTATE; empty where the client doesn't tell.
        lost: sessions that ended before their time.
        said: the first error's words.
        latency: in milliseconds, at a rate from when a transaction was due; None where none came to an end.
        series: of each whole second, transactions and their P95 in milliseconds (None where there were none).
        active: sessions at work on the average, as the server saw them.
        waits: what they were waiting for: its share of all that was seen, the largest first.
        narrow: the client, not the server, was at its limit: the throughput is a lower bound.
    """

    rate: float | None
    seconds: int
    per_second: float
    failed: int
    errors: Mapping[str, int]
    lost: int
    said: str
    latency: Quantile | None
    series: tuple[tuple[int, float | None], ...]
    active: float
    waits: Mapping[str, float]
    narrow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it.

    Args:
        held: how many connections the server itself saw with an open transaction at once.
        refused: why no more could be had.
        connect: how long a connection takes to open, in milliseconds, one after the other; None where none was tried.
        mix: what was worked, and by which client.
        capacity: unlimited; None where it came not to that.
        promised: at the promised rate; None where capacity didn't reach it.
    """

    wanted: int
    held: int
    room: Room
    refused: str | None
    connect: Quantile | None
    mix: str
    capacity: Work | None
    promised: Work | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The profile's own transactions, ready to be worked.

    Args:
        prepare: SQL scripts that make and fill the tables.
    """

    prepare: tuple[str, ...]
    kinds: tuple[tuple[Kind, str | None], ...]

    @classmethod
    def of(cls, load: Load, folder: Path) -> Mix:
        """From a profile.

        Raises:
            DrillError: a file of it can't be read.
        """
        scripts = []
        for name in load.prepare:
            try:
                scripts.append((folder / name).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise DrillError(f"load.prepare: {name} can't be read as text") from error
        return cls(
            prepare=tuple(scripts),
            kinds=tuple(
                (
                    Kind(
                        name=name,
                        weight=t.weight,
                        statements=tuple(s.strip().rstrip(";") for s in t.statements),
                        values=tuple(mix.as_text(v) for v in t.values),
                    ),
                    t.values_sql,
                )
                for name, t in load.transactions.items()
            ),
        )


def pgbench() -> tuple[Path, Mapping[str, str]] | None:
    """Where pgbench is, and the environment that it needs: on the PATH, or beside the server that we bring."""
    found = shutil.which("pgbench")
    if found is not None:
        return Path(found), os.environ
    try:
        runtime = find_runtime()
    except EmbeddedError:
        return None
    program = runtime.bindir / "pgbench"
    return (program, runtime.env()) if program.is_file() else None


def drill(
    database: Database,
    *,
    connections: int,
    seconds: int,
    scale: int,
    own: Mix | None = None,
    promised: float | None = None,
    client: tuple[Path, Mapping[str, str]] | None = None,
) -> Result:
    """Open, hold, count; then work.

    Args:
        own: the profile's transactions; pgbench's "simple update" where it declares none.
        promised: transactions a second; where they are reached, it works once more at this rate.
        client: pgbench; without, the driver is our own.

    Raises:
        DrillError: the mix can't be made ready, or its client could not work.
    """
    with _connect(database) as watcher:
        ((most, reserved, used),) = watcher.execute(_ROOM).fetchall()
        room = Room(most=most, reserved=reserved, used=used)
        blank = Result(
            wanted=connections, held=0, room=room, refused=None, connect=None, mix="", capacity=None, promised=None
        )
        if room.free < connections + SPARE:
            told = f"{connections} are wanted and {SPARE} stay free ({room})"
            return dataclasses.replace(blank, refused=told)
        held, refused, opened = _hold(database, watcher, connections)
        result = dataclasses.replace(blank, held=held, refused=refused, connect=quantile(opened) if opened else None)
        if refused is not None or held < connections:
            return result
        runner = (
            _Pgbench(database, *client, scale=scale, connecting=sum(opened) / 1000)
            if client is not None and own is None
            else _Driver(
                database, own or _simple_update(scale), "the profile's" if own else f"simple update, scale {scale}"
            )
        )
        capacity = _watched(database, runner, connections=connections, seconds=seconds, rate=None)
        at_rate = None
        if promised is not None and capacity.per_second >= promised and not capacity.lost:
            at_rate = _watched(database, runner, connections=connections, seconds=seconds, rate=promised)
        return dataclasses.replace(result, mix=runner.told, capacity=capacity, promised=at_rate)


def _hold(
    database: Database, watcher: psycopg.Connection[Any], connections: int
) -> tuple[int, str | None, list[float]]:
    """Every connection in a transaction of its own, all at once, as the server counts them; and what each took to open."""
    refused = None
    opened: list[float] = []
    with ExitStack() as stack:
        pids = []
        try:
            for _ in range(connections):
                begun = time.perf_counter()
                session = stack.enter_context(_connect(database))
                opened.append((time.perf_counter() - begun) * 1000)
                session.execute("begin")
                row = session.execute("select pg_catalog.pg_backend_pid()").fetchone()
                assert row is not None
                pids.append(row[0])
        except psycopg.Error as error:
            refused = " ".join(str(error).split())[:300]
        count = watcher.execute(
            "select pg_catalog.count(*)::int4 from pg_catalog.pg_stat_activity as a "
            "where a.pid = any (%s) and a.state = 'idle in transaction'",
            [pids],
        ).fetchone()
    return count[0] if count else 0, refused, opened


# -- at work ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What a client says of its run; the waits are in its logs."""

    per_second: float
    failed: int
    errors: Mapping[str, int]
    lost: int
    said: str
    narrow: bool
    logs: Sequence[Path]


def _watched(
    database: Database, runner: _Pgbench | _Driver, *, connections: int, seconds: int, rate: float | None
) -> Work:
    seen: Counter[str] = Counter()
    looks = 0
    over = threading.Event()

    def look() -> None:
        nonlocal looks
        with contextlib.suppress(psycopg.Error), _connect(database) as session:  # what it can't see it doesn't tell
            while not over.wait(LOOK_SECONDS):
                rows = session.execute(_WAITS).fetchall()
                if rows:  # before and after, nobody works
                    looks += 1
                    seen.update(dict(rows))

    watcher = threading.Thread(target=look, daemon=True, name="readiness-load")
    watcher.start()
    try:
        done = runner.run(connections=connections, seconds=seconds, rate=rate)
    finally:
        over.set()
        watcher.join()
    waits, series = _read(done.logs)
    for log in done.logs:
        log.unlink()
    total = seen.total()
    return Work(
        rate=rate,
        seconds=seconds,
        per_second=done.per_second,
        failed=done.failed,
        errors=done.errors,
        lost=done.lost,
        said=done.said,
        latency=quantile(waits) if waits else None,
        series=series,
        active=total / looks if looks else 0.0,
        waits={what: n / total for what, n in seen.most_common(6)},
        narrow=done.narrow,
    )


def _read(logs: Sequence[Path]) -> tuple[array[float], tuple[tuple[int, float | None], ...]]:
    """All waits in milliseconds, and each whole second's transactions and P95 (pgbench's log: client, number, wait in
    microseconds or what became of it, script, and when it ended in seconds and microseconds).
    """
    waits = array("d")
    by_second: dict[int, array[float]] = {}
    for log in logs:
        with log.open(encoding="ascii") as lines:
            for line in lines:
                _, _, wait, _, second, *_ = line.split()
                if wait.isdigit():
                    waits.append(int(wait) / 1000)
                    by_second.setdefault(int(second), array("d")).append(int(wait) / 1000)
    if not by_second:
        return waits, ()
    whole = range(min(by_second) + 1, max(by_second))  # the first and the last are cut
    return waits, tuple((len(w), round(quantile(w).point, 3)) if (w := by_second.get(s)) else (0, None) for s in whole)


class _Pgbench:
    """pgbench's "simple update" (TPC-B like, without the rows that all update)."""

    def __init__(
        self, database: Database, program: Path, environment: Mapping[str, str], *, scale: int, connecting: float
    ) -> None:
        self._database = database
        self._program = program
        self._environment = environment
        self._connecting = math.ceil(connecting)
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, env=environment)
        self.told = f"{version.stdout.strip()}, simple update, scale {scale}"
        with self._address() as dsn:
            self._run([program, "-i", "-q", "-s", str(scale), dsn], PREPARING_SECONDS)

    def run(self, *, connections: int, seconds: int, rate: float | None) -> _Done:
        folder = self._database.server.workshop.folder
        logs = folder / f"{self._database.name}-waits"
        # The time that it is given begins before it connects; what it says of a second doesn't count that.
        threads = min(connections, os.cpu_count() or 1)
        how: list[Path | str] = [
            *(
                self._program,
                "-n",
                "-N",
                "-c",
                str(connections),
                "-j",
                str(threads),
                "-T",
                str(seconds + self._connecting),
            ),
            *("-l", "--log-prefix", str(logs), *(("-R", f"{rate:g}") if rate else ())),
        ]
        with self._address() as dsn:
            out, err = self._run([*how, dsn], seconds + PREPARING_SECONDS)
        tps = re.search(r"^tps = ([\d.]+) \(without", out, re.MULTILINE)
        if tps is None and not re.search(r"actually processed: 0\b", out):
            raise DrillError("pgbench: its summary can't be read")
        failed = re.search(r"number of failed transactions: (\d+)", out)
        aborted = [line for line in err.splitlines() if re.search(r"client \d+ .*aborted", line)]
        return _Done(
            per_second=float(tps[1]) if tps else 0.0,  # the time was over before the first came to its end
            failed=int(failed[1]) if failed else 0,
            errors={},
            lost=len(aborted),
            said=aborted[0] if aborted else "",
            narrow=False,
            logs=sorted(folder.glob(f"{logs.name}*")),
        )

    @contextlib.contextmanager
    def _address(self) -> Iterator[str]:
        """The database's, with its password in a passfile and not in the list of processes."""
        parameters = conninfo.conninfo_to_dict(self._database.dsn)
        password = str(parameters.pop("password", "") or "")
        passfile = self._database.server.workshop.folder / f"{self._database.name}.pgpass"
        passfile.touch(0o600)
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        passfile.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
        parameters |= {"application_name": "readiness-drill work"} | ({"passfile": str(passfile)} if password else {})
        try:
            yield conninfo.make_conninfo("", **parameters)
        finally:
            passfile.unlink(missing_ok=True)

    def _run(self, command: list[Path | str], seconds: float) -> tuple[str, str]:
        """What a program says that ends with the workshop, and with us.

        Raises:
            DrillError: it failed.
        """
        workshop = self._database.server.workshop
        piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = workshop.start(command, cwd=workshop.folder, env=self._environment, **piped)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise DrillError(f"pgbench: no end within {seconds:g} s") from error
        finally:
            workshop.stop(process)
        if process.returncode and "number of transactions actually processed" not in out:
            said = next((line for line in err.splitlines() if "error" in line.lower()), "it said nothing")
            raise DrillError(f"pgbench: {said[:300]}")
        return out, err


class _Driver:
    """A mix by our own driver, in a process for each core."""

    def __init__(self, database: Database, own: Mix, name: str) -> None:
        self._database = database
        self._processes = min(os.cpu_count() or 1, 8)
        self.told = f"{name} mix ({', '.join(k.name for k, _ in own.kinds)}) by readiness"
        try:
            with _connect(database) as session:
                for script in own.prepare:
                    session.execute(script.encode())
                session.execute("analyze")
                self._kinds = [_with_values(session, kind, values_sql) for kind, values_sql in own.kinds]
        except psycopg.Error as error:
            raise DrillError(f"load: {' '.join(str(error).split())[:300]}") from None

    def run(self, *, connections: int, seconds: int, rate: float | None) -> _Done:
        workshop = self._database.server.workshop
        dsn = conninfo.make_conninfo(self._database.dsn, application_name="readiness-drill work")
        jobs = mix.jobs(
            self._kinds, dsn=dsn, connections=connections, processes=self._processes, seconds=seconds, rate=rate
        )
        go = workshop.folder / f"{self._database.name}-go"
        running: list[subprocess.Popen[str]] = []
        logs, ready, notes = [], [], []
        try:
            for job in jobs:
                stem = workshop.folder / f"{self._database.name}-work-{job['number']}"
                logs.append(stem.with_suffix(".log"))
                ready.append(stem.with_suffix(".ready"))
                notes.append(stem.with_suffix(".json"))
                notes[-1].touch(0o600)
                files = {"log": str(logs[-1]), "ready": str(ready[-1]), "go": str(go)}
                notes[-1].write_text(json.dumps(job | files), encoding="utf-8")
                piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
                running.append(workshop.start([sys.executable, "-m", "readiness.drills.mix", notes[-1]], **piped))
            ends = time.monotonic() + PREPARING_SECONDS
            while not all(path.exists() for path in ready):
                if time.monotonic() > ends or any(p.poll() is not None for p in running):
                    break
                time.sleep(0.01)
            go.touch()
            told = [self._end(process, seconds) for process in running]
        finally:
            for process in running:
                workshop.stop(process)
            for path in (go, *ready, *notes):
                path.unlink(missing_ok=True)
        lasted = max(t["ended"] for t in told) - min(t["begun"] for t in told)
        errors: Counter[str] = Counter()
        for t in told:
            errors.update(t["errors"])
        good = sum(t["good"] for t in told)
        return _Done(
            per_second=good / lasted,
            failed=errors.total(),
            errors=dict(errors),
            lost=sum(t["lost"] for t in told),
            said=next((t["said"] for t in told if t["said"]), ""),
            narrow=max(t["busy"] for t in told) > BUSY,
            logs=logs,
        )

    def _end(self, process: subprocess.Popen[str], seconds: float) -> dict[str, Any]:
        try:
            out, err = process.communicate(timeout=seconds + PREPARING_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise DrillError(f"the driver: no end within {seconds + PREPARING_SECONDS:g} s") from error
        if process.returncode:
            raise DrillError(f"the driver: {(err.strip().splitlines() or ['it said nothing'])[-1][:300]}")
        told: dict[str, Any] = json.loads(out)
        return told


def _with_values(session: psycopg.Connection[Any], kind: Kind, values_sql: str | None) -> Kind:
    """With the sets of values that its query yields in the database that was just filled.

    Raises:
        DrillError: it yields none.
    """
    if values_sql is None:
        return kind
    statement = f"select * from (\n{values_sql.strip().rstrip(';')}\n) as v limit {MOST_VALUES}"
    rows = session.execute(statement.encode()).fetchall()
    if not rows:
        raise DrillError(f"load.transactions.{kind.name}: its values_sql yields no row")
    return dataclasses.replace(kind, values=tuple(mix.as_text(row) for row in rows))


MOST_VALUES = 10_000


def _simple_update(scale: int) -> Mix:
    """What pgbench's "simple update" does, for where there is no pgbench: 100,000 accounts for each step of the scale."""
    chance = random.Random(SEED)  # noqa: S311  the same in each run
    rows = 100_000 * scale
    values = tuple(mix.as_text((chance.randint(1, rows), chance.randint(-5000, 5000))) for _ in range(MOST_VALUES))
    prepare = (
        "create table accounts (id int8 not null, balance int8 not null, filler char(84) not null default '') "
        "with (fillfactor = 100)",
        f"insert into accounts (id, balance) select i, 0 from pg_catalog.generate_series(1, {rows}) as i",
        "alter table accounts add primary key (id)",
        "create table entries (account int8 not null, amount int8 not null, made_at timestamptz not null)",
    )
    statements = (
        "update accounts set balance = balance + $2 where id = $1",
        "select balance from accounts where id = $1",
        "insert into entries (account, amount, made_at) values ($1, $2, current_timestamp)",
    )
    return Mix(
        prepare=prepare, kinds=((Kind(name="simple-update", weight=1, statements=statements, values=values), None),)
    )


def _connect(database: Database) -> psycopg.Connection[Any]:
    return psycopg.connect(database.dsn, autocommit=True, connect_timeout=CONNECT_SECONDS, prepare_threshold=None)
