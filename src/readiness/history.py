"""The evidence store: runs, their observations, and what drills proved, in one SQLite file.

Safe under concurrent runs (WAL, a busy timeout, BEGIN IMMEDIATE). A damaged file is put aside, never deleted; one from
a newer version is left alone. The store serves the audit: when it can't be had, the audit goes on and says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from readiness.facts.drills import DrillRecord
from readiness.model import plain

VERSION = 1
APPLICATION_ID = 0x52454144  # "READ": another program's SQLite file is not ours to fill
BUSY_SECONDS = 10
CHECKED_BYTES = 64 << 20  # up to this size the file is looked through when it is opened

_TABLES = """
create table runs (
    id text primary key,
    target text not null,
    system_identifier text,
    started_at text not null,
    finished_at text not null,
    decision text not null,
    score text not null,
    ceiling text not null,
    coverage text not null,
    policy_sha256 text not null,
    checkset_sha256 text not null,
    partial integer not null,
    document text not null
) strict;
create index runs_by_target on runs (target, started_at);
create table observations (
    run_id text not null references runs (id) on delete cascade,
    check_id text not null,
    status text not null,
    credit text,
    examined integer not null,
    outcome text not null,
    primary key (run_id, check_id)
) strict;
create table drills (
    id text primary key,
    kind text not null,
    target text not null,
    system_identifier text,
    taken_at text not null,
    expires_at text not null,
    passed integer not null,
    evidence text not null,
    sha256 text not null
) strict;
create index drills_by_target on drills (target, kind, taken_at);
"""


class StoreError(Exception):
    """The store can't be used: one sentence, with the mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as it is kept: its document, and beside it what is asked for often."""

    id: str
    target: str
    system_identifier: str | None
    started_at: datetime
    finished_at: datetime
    decision: str
    score: str
    ceiling: str
    coverage: str
    policy_sha256: str
    checkset_sha256: str
    partial: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRecord:
    """One check's outcome in a run, so that it can be judged again under another policy."""

    check_id: str
    status: str
    credit: str | None
    examined: int
    outcome: Mapping[str, Any]


class Observed(NamedTuple):
    """What one check saw in one run, as its document has it."""

    at: datetime
    system_identifier: str | None
    outcome: Mapping[str, Any]


def default_path(folder: Path, environment: Mapping[str, str], *, has_profile: bool) -> Path:
    """Beside the profile, in `.readiness/`; without one, in the user's state folder."""
    if given := environment.get("READINESS_EVIDENCE"):
        return Path(given)
    if has_profile:
        return folder / ".readiness" / "evidence.db"
    state = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME") or "/tmp") / ".local" / "state")  # noqa: S108
    return Path(state) / "readiness" / "evidence.db"


class Store:
    """An open store. Use `open_store`."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, *, notes: Sequence[str] = (), read_only: bool = False
    ) -> None:
        self._connection = connection
        self.path = path
        self.notes = tuple(notes)
        self.read_only = read_only

    def close(self) -> None:
        self._connection.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self.read_only:
            raise StoreError(f"{self.path}: written by a newer version; it is only read")
        try:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: can't be written: {error}") from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: can't be read: {error}") from error

    def save_run(self, run: RunRecord, outcomes: Sequence[OutcomeRecord]) -> None:
        """Keep a run; the same id again replaces it."""
        with self._writing() as db:
            db.execute("delete from runs where id = ?", (run.id,))
            db.execute(
                "insert into runs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    run.target,
                    run.system_identifier,
                    _stamp(run.started_at),
                    _stamp(run.finished_at),
                    run.decision,
                    run.score,
                    run.ceiling,
                    run.coverage,
                    run.policy_sha256,
                    run.checkset_sha256,
                    int(run.partial),
                    _canonical(run.document),
                ),
            )
            db.executemany(
                "insert into observations values (?, ?, ?, ?, ?, ?)",
                [(run.id, o.check_id, o.status, o.credit, o.examined, _canonical(o.outcome)) for o in outcomes],
            )

    def runs(self, target: str, *, limit: int = 100) -> list[RunRecord]:
        """The newest runs of a target, newest first."""
        with self._reading() as db:
            rows = db.execute(
                "select * from runs where target = ? order by started_at desc, id desc limit ?", (target, limit)
            ).fetchall()
        return [_run(r) for r in rows]

    def scores(self, target: str, *, policy_sha256: str, checkset_sha256: str) -> list[tuple[datetime, Fraction]]:
        """When the whole runs of a target ended, and what they scored: those that compare, oldest first."""
        with self._reading() as db:
            rows = db.execute(
                "select finished_at, score from runs where target = ? and policy_sha256 = ? and checkset_sha256 = ? "
                "and not partial order by finished_at, id",
                (target, policy_sha256, checkset_sha256),
            ).fetchall()
        return [(_time(at), Fraction(score)) for at, score in rows]

    def find(self, prefix: str) -> list[RunRecord]:
        """The runs whose id begins so, of any target, newest first; two of them say that it names none."""
        with self._reading() as db:
            rows = db.execute(
                "select * from runs where substr(id, 1, ?) = ? order by started_at desc, id desc limit 2",
                (len(prefix), prefix),
            ).fetchall()
        return [_run(r) for r in rows]

    def prune(self, target: str, *, keep: int | None = None, before: datetime | None = None) -> int:
        """Forget runs of a target beyond the newest `keep`, or begun before a moment; the newest run always stays.

        Returns:
            How many were forgotten. Drills stay: they end by themselves.
        """
        with self._writing() as db:
            rows = db.execute(
                "select id, started_at from runs where target = ? order by started_at desc, id desc", (target,)
            ).fetchall()
            old = [
                run
                for at, (run, started) in enumerate(rows)
                if at and ((keep is not None and at >= keep) or (before is not None and _time(started) < before))
            ]
            db.executemany("delete from runs where id = ?", [(run,) for run in old])
        return len(old)

    def targets(self) -> list[str]:
        """Whose runs are kept, the one with the newest run first."""
        with self._reading() as db:
            rows = db.execute(
                "select target from runs group by target order by max(started_at) desc, target"
            ).fetchall()
        return [target for (target,) in rows]

    def outcomes(self, run_id: str) -> list[OutcomeRecord]:
        """What every check of a run concluded, by id."""
        with self._reading() as db:
            rows = db.execute(
                "select check_id, status, credit, examined, outcome from observations where run_id = ? order by check_id",
                (run_id,),
            ).fetchall()
        return [
            OutcomeRecord(check_id=r[0], status=r[1], credit=r[2], examined=r[3], outcome=json.loads(r[4]))
            for r in rows
        ]

    def observed(self, target: str, check: str, *, since: datetime, limit: int = 1000) -> list[Observed]:
        """What a check saw in the runs of a target that began since a moment, oldest first, the newest `limit` of them."""
        with self._reading() as db:
            rows = db.execute(
                "select r.started_at, r.system_identifier, o.outcome from runs as r "
                "inner join observations as o on r.id = o.run_id and o.check_id = ? "
                "where r.target = ? and r.started_at >= ? order by r.started_at desc, r.id desc limit ?",
                (check, target, _stamp(since), limit),
            ).fetchall()
        return [Observed(_time(r[0]), r[1], json.loads(r[2])) for r in reversed(rows)]

    def save_drill(self, record: DrillRecord) -> None:
        """Keep what a drill proved."""
        row = (
            record.id,
            record.kind,
            record.target,
            record.system_identifier,
            _stamp(record.taken_at),
            _stamp(record.expires_at),
            int(record.passed),
            _canonical(plain(record.evidence)),
        )
        with self._writing() as db:
            db.execute("insert or replace into drills values (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, row_sha256(row)))

    def drills(self, target: str) -> list[DrillRecord]:
        """Every drill of a target, newest first; one that was changed since it was kept is left out."""
        with self._reading() as db:
            rows = db.execute("select * from drills where target = ? order by taken_at desc, id", (target,)).fetchall()
        try:
            return [
                DrillRecord(
                    id=r[0],
                    kind=r[1],
                    target=r[2],
                    system_identifier=r[3],
                    taken_at=_time(r[4]),
                    expires_at=_time(r[5]),
                    passed=bool(r[6]),
                    evidence=json.loads(r[7]),
                )
                for r in rows
                if row_sha256(r[:8]) == r[8]
            ]
        except ValueError as error:
            raise StoreError(f"{self.path}: a drill's record can't be read: {error}") from error


def _run(row: Sequence[Any]) -> RunRecord:
    return RunRecord(
        id=row[0],
        target=row[1],
        system_identifier=row[2],
        started_at=_time(row[3]),
        finished_at=_time(row[4]),
        decision=row[5],
        score=row[6],
        ceiling=row[7],
        coverage=row[8],
        policy_sha256=row[9],
        checkset_sha256=row[10],
        partial=bool(row[11]),
        document=json.loads(row[12]),
    )


def row_sha256(row: Sequence[Any]) -> str:
    return hashlib.sha256(_canonical(list(row)).encode()).hexdigest()


def open_store(path: Path, *, now: datetime) -> Store:
    """Open the store, making it where there is none; only its owner may read it.

    A damaged one is put aside, never deleted; where it can only be read it is only read.

    Raises:
        StoreError: it can't be opened or made.
    """
    notes: list[str] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.is_symlink():
            raise StoreError(f"{path}: is a symbolic link, which is not followed; name the file itself")
        if path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            # SQLite wants its index beside a file that has a log; where there is none, nobody writes: nothing moves.
            still = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{still}", uri=True, timeout=BUSY_SECONDS)
            return Store(connection, path, notes=[f"the evidence store {path} can only be read"], read_only=True)
        # One at a time looks for damage and puts a damaged file aside, else two would, and the second one a sound file.
        with _alone(path):
            _make(path)
            try:
                connection, read_only = _connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                    raise
                aside = _put_aside(path, now)
                notes.append(f"the evidence store was damaged; it was put aside as {aside.name} and a new one begun")
                _make(path)
                connection, read_only = _connect(path)
    except (OSError, sqlite3.Error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"{path}: can't be opened: {said}") from error
    if read_only:
        notes.append(f"the evidence store {path} was written by a newer version; it is only read")
    return Store(connection, path, notes=notes, read_only=read_only)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _put_aside(path: Path, now: datetime) -> Path:
    """Rename the file, and what belongs to it, to names that are free."""
    stamp, n = f"{now:%Y%m%dT%H%M%SZ}", 0
    while (aside := path.with_name(f"{path.name}.corrupt-{stamp}{f'-{n}' if n else ''}")).exists():
        n += 1
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _connect(path: Path) -> tuple[sqlite3.Connection, bool]:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        (version,) = connection.execute("pragma user_version").fetchone()
        (owner,) = connection.execute("pragma application_id").fetchone()
        (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
        if owner != APPLICATION_ID and (owner or tables):
            raise sqlite3.OperationalError("it is another program's database")
        if version > VERSION:
            connection.execute("pragma query_only = on")
            return connection, True
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma foreign_keys = on")
        if version == 0:
            connection.execute("begin immediate")
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"pragma application_id = {APPLICATION_ID}")
            connection.execute(f"pragma user_version = {VERSION}")
            connection.execute("commit")
        elif path.stat().st_size <= CHECKED_BYTES:
            _look_through(connection)
    except BaseException:
        connection.close()
        raise
    return connection, False


def _look_through(connection: sqlite3.Connection) -> None:
    (sound,) = connection.execute("pragma quick_check(1)").fetchone()
    if sound != "ok":
        raise sqlite3.DatabaseError(f"malformed: {sound}")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
