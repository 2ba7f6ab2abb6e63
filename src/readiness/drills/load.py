"""So many connections, really opened and at work at once, and the throughput that they sustain.

In a scratch database on a server that the user names, since only one like the platform's proves anything. First the headroom
is reckoned: what is free after the reserved slots and what others hold must leave some. Then every connection holds a
transaction open, and the server is asked how many do. Then pgbench works over as many connections, unlimited (a run that is
held to 1000 a second delivers 994), and each transaction's latency is read from its log.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from readiness.drills import DrillError
from readiness.drills.scratch import CONNECT_SECONDS, Database
from readiness.quantiles import Quantile, quantile

SPARE = 5  # connections that stay free for others while the drill runs
PREPARING_SECONDS = 300

_ROOM = """
select
    pg_catalog.current_setting('max_connections')::int4,
    pg_catalog.current_setting('superuser_reserved_connections')::int4
    + coalesce(pg_catalog.current_setting('reserved_connections', true)::int4, 0),
    (select pg_catalog.sum(d.numbackends) from pg_catalog.pg_stat_database as d)::int4
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
class Throughput:
    """What pgbench sustained: its own mix (TPC-B like, without the updates of one row by all), over all connections.

    Args:
        per_second: transactions a second, without the time of connecting.
        failed: transactions that ended in an error.
        latency: in milliseconds; None where none came to an end.
        series: transactions a second, in each second of the run.
        client: the version of pgbench.
    """

    per_second: float
    failed: int
    latency: Quantile | None
    series: tuple[float, ...]
    seconds: int
    scale: int
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it.

    Args:
        held: how many connections the server itself saw with an open transaction at once.
        refused: why no more could be had.
        throughput: None where it came not to that.
    """

    wanted: int
    held: int
    room: Room
    refused: str | None
    throughput: Throughput | None


def pgbench() -> Path:
    """Where pgbench is.

    Raises:
        DrillError: it isn't installed.
    """
    found = shutil.which("pgbench")
    if found is None:
        raise DrillError(
            "pgbench is not on the PATH; install PostgreSQL's client programs (Debian: postgresql-contrib)"
        )
    return Path(found)


def drill(database: Database, *, connections: int, seconds: int, scale: int) -> Result:
    """Open, hold, count; then work.

    Raises:
        DrillError: pgbench is not there, or could not work.
    """
    program = pgbench()
    with _connect(database) as watcher:
        ((most, reserved, used),) = watcher.execute(_ROOM).fetchall()
        room = Room(most=most, reserved=reserved, used=used)
        if room.free < connections + SPARE:
            told = f"{connections} are wanted and {SPARE} stay free ({room})"
            return Result(wanted=connections, held=0, room=room, refused=told, throughput=None)
        held, refused = _hold(database, watcher, connections)
    if refused is not None or held < connections:
        return Result(wanted=connections, held=held, room=room, refused=refused, throughput=None)
    worked = _work(program, database, connections=connections, seconds=seconds, scale=scale)
    return Result(wanted=connections, held=held, room=room, refused=None, throughput=worked)


def _hold(database: Database, watcher: psycopg.Connection[Any], connections: int) -> tuple[int, str | None]:
    """Every connection in a transaction of its own, all at once, as the server counts them."""
    refused = None
    with ExitStack() as stack:
        pids = []
        try:
            for _ in range(connections):
                session = stack.enter_context(_connect(database))
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
    return count[0] if count else 0, refused


def _work(program: Path, database: Database, *, connections: int, seconds: int, scale: int) -> Throughput:
    workshop = database.server.workshop
    parameters = conninfo.conninfo_to_dict(database.dsn)
    password = str(parameters.pop("password", "") or "")
    passfile = workshop.folder / f"{database.name}.pgpass"
    passfile.touch(0o600)
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    passfile.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
    parameters |= {"application_name": "readiness-drill pgbench"} | ({"passfile": str(passfile)} if password else {})
    dsn = conninfo.make_conninfo("", **parameters)
    logs = workshop.folder / f"{database.name}-latency"
    try:
        _run(database, [program, "-i", "-q", "-s", str(scale), dsn], PREPARING_SECONDS)
        done = _run(
            database,
            [
                *(program, "-n", "-N", "-c", str(connections), "-j", "2", "-T", str(seconds), "-P", "1"),
                *("-l", "--log-prefix", str(logs), dsn),
            ],
            seconds + PREPARING_SECONDS,
        )
        waits = [
            int(line.split()[2]) / 1000
            for log in sorted(workshop.folder.glob(f"{logs.name}*"))
            for line in log.read_text(encoding="ascii").splitlines()
            if line.split()[2].isdigit()
        ]
    finally:
        passfile.unlink(missing_ok=True)
    tps = re.search(r"^tps = ([\d.]+) \(without", done.stdout, re.MULTILINE)
    if tps is None and not re.search(r"actually processed: 0\b", done.stdout):
        raise DrillError("pgbench: its summary can't be read")
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    return Throughput(
        per_second=float(tps[1]) if tps else 0.0,  # the time was over before the first came to its end
        failed=int(failed[1]) if failed else 0,
        latency=quantile(waits) if waits else None,
        series=tuple(float(x) for x in re.findall(r"^progress: [\d.]+ s, ([\d.]+) tps", done.stderr, re.MULTILINE)),
        seconds=seconds,
        scale=scale,
        client=_version(program),
    )


def _run(database: Database, command: list[Path | str], seconds: float) -> subprocess.CompletedProcess[str]:
    """A program that ends with the workshop, and with us.

    Raises:
        DrillError: it failed.
    """
    workshop = database.server.workshop
    process = workshop.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=workshop.folder)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise DrillError(f"pgbench: no end within {seconds:g} s") from error
    finally:
        workshop.stop(process)
    if process.returncode:
        said = next((line for line in err.splitlines() if "error" in line.lower()), "it said nothing")
        raise DrillError(f"pgbench: {said[:300]}")
    return subprocess.CompletedProcess(command, 0, out, err)


def _version(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _connect(database: Database) -> psycopg.Connection[Any]:
    return psycopg.connect(database.dsn, autocommit=True, connect_timeout=CONNECT_SECONDS, prepare_threshold=None)
