"""The evidence store of a team: runs, observations and drills in a schema `readiness` of a Postgres that all of it reaches.

The same contents as the file's. Safe under concurrent writers: each run is one transaction, and the tables are made under an
advisory lock. A store of a newer version, or one that the role may not write to, is only read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg import conninfo, errors

from readiness import history
from readiness.facts import own
from readiness.facts.drills import DrillRecord
from readiness.history import VERSION, Observed, OutcomeRecord, RunRecord, Store, StoreError
from readiness.model import plain

Place: TypeAlias = Path | str
"""A file, or a Postgres connection string."""

CONNECT_SECONDS = 10
_LOCK = 0x52454144  # as the file's application id

_TABLES = """
create table if not exists readiness.store (version integer not null);
create table if not exists readiness.runs (
    id text primary key,
    target text not null,
    system_identifier text,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    decision text not null,
    score text not null,
    ceiling text not null,
    coverage text not null,
    policy_sha256 text not null,
    checkset_sha256 text not null,
    partial boolean not null,
    document text not null
);
create index if not exists runs_by_target on readiness.runs (target, started_at);
create table if not exists readiness.observations (
    run_id text not null references readiness.runs (id) on delete cascade,
    check_id text not null,
    status text not null,
    credit text,
    examined bigint not null,
    outcome text not null,
    primary key (run_id, check_id)
);
create table if not exists readiness.drills (
    id text primary key,
    kind text not null,
    target text not null,
    system_identifier text,
    taken_at timestamptz not null,
    expires_at timestamptz not null,
    passed boolean not null,
    evidence text not null,
    sha256 text not null
);
create index if not exists drills_by_target on readiness.drills (target, kind, taken_at);
insert into readiness.store (version) select {version} where not exists (select from readiness.store);
"""


def is_dsn(text: str) -> bool:
    """Whether a word names a Postgres and not a file."""
    return text.startswith(("postgres://", "postgresql://")) or ("=" in text and "/" not in text.partition("=")[0])


def place_of(text: str) -> Place:
    return text if is_dsn(text) else Path(text)


def shown(place: Place) -> str:
    """The place without its password."""
    if isinstance(place, Path):
        return str(place)
    try:
        parsed = conninfo.conninfo_to_dict(place)
    except psycopg.Error:
        return "the evidence store"
    return " ".join(f"{k}={v}" for k, v in parsed.items() if k in ("host", "port", "dbname", "service") and v)


def exists(place: Place) -> bool:
    """Whether there is a store; a Postgres is asked when it is opened."""
    return not isinstance(place, Path) or place.exists()


def open_place(place: Place, *, now: datetime) -> Store | TeamStore:
    """Open the store, making it where there is none.

    Raises:
        StoreError: it can't be opened or made.
    """
    return history.open_store(place, now=now) if isinstance(place, Path) else TeamStore(place)


class TeamStore:
    """An open store; what its methods do is what the file's do."""

    def __init__(self, dsn: str) -> None:
        """Connect, and make the tables where there are none.

        Raises:
            StoreError: it can't be reached, or there are no tables and the role may not make them.
        """
        self._place = shown(dsn)
        self.notes: tuple[str, ...] = ()
        self.read_only = False
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(
                dsn, connect_timeout=CONNECT_SECONDS, application_name="readiness evidence", autocommit=True
            )
        except (psycopg.Error, ValueError) as error:
            raise StoreError(f"{self._place}: can't be opened: {' '.join(str(error).split())}") from error
        try:
            self._make()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def _make(self) -> None:
        try:
            if (version := self._version()) is None:
                with self._connection.transaction():
                    self._connection.execute("select pg_catalog.pg_advisory_xact_lock(%s)", [_LOCK])
                    made = own.MAKE + _TABLES.replace("{version}", str(VERSION))
                    self._connection.execute(made.encode())
                version = self._version()
            (may_write,) = self._one("select pg_catalog.has_table_privilege('readiness.runs', 'insert')")
        except psycopg.Error as error:
            raise StoreError(f"{self._place}: no evidence store can be made there: {_said(error)}") from error
        if version is not None and version > VERSION:
            self.read_only, self.notes = True, (f"{self._place} was written by a newer version; it is only read",)
        elif not may_write:
            self.read_only, self.notes = True, (f"the evidence store {self._place} can only be read",)

    def _version(self) -> int | None:
        (there,) = self._one("select pg_catalog.to_regclass('readiness.store') is not null")
        if not there:
            return None
        found = self._connection.execute("select max(version) from readiness.store").fetchone()
        return int(found[0]) if found and found[0] is not None else None

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self._connection.execute(query.encode()).fetchone()
        assert row is not None
        return tuple(row)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[psycopg.Connection[Any]]:
        if self.read_only:
            raise StoreError(f"{self._place}: {self.notes[0]}")
        try:
            with self._connection.transaction():
                self._connection.execute("set local statement_timeout = '30s'")
                yield self._connection
        except psycopg.Error as error:
            raise StoreError(f"{self._place}: can't be written: {_said(error)}") from error

    def _rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return [tuple(row) for row in self._connection.execute(query.encode(), values).fetchall()]
        except psycopg.Error as error:
            raise StoreError(f"{self._place}: can't be read: {_said(error)}") from error

    def save_run(self, run: RunRecord, outcomes: Sequence[OutcomeRecord]) -> None:
        """Keep a run; the same id again replaces it."""
        with self._writing() as db, db.cursor() as cursor:
            cursor.execute("delete from readiness.runs where id = %s", [run.id])
            cursor.execute(
                "insert into readiness.runs values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    run.id,
                    run.target,
                    run.system_identifier,
                    run.started_at,
                    run.finished_at,
                    run.decision,
                    run.score,
                    run.ceiling,
                    run.coverage,
                    run.policy_sha256,
                    run.checkset_sha256,
                    run.partial,
                    _canonical(run.document),
                ],
            )
            cursor.executemany(
                "insert into readiness.observations values (%s, %s, %s, %s, %s, %s)",
                [(run.id, o.check_id, o.status, o.credit, o.examined, _canonical(o.outcome)) for o in outcomes],
            )

    def runs(self, target: str, *, limit: int = 100) -> list[RunRecord]:
        """The newest runs of a target, newest first."""
        query = "select * from readiness.runs where target = %s order by started_at desc, id desc limit %s"
        return [_run(r) for r in self._rows(query, [target, limit])]

    def scores(self, target: str, *, policy_sha256: str, checkset_sha256: str) -> list[tuple[datetime, Fraction]]:
        """When the whole runs of a target ended, and what they scored: those that compare, oldest first."""
        query = (
            "select finished_at, score from readiness.runs where target = %s and policy_sha256 = %s "
            'and checkset_sha256 = %s and not partial order by finished_at, id collate "C"'
        )
        found = self._rows(query, [target, policy_sha256, checkset_sha256])
        return [(at.astimezone(UTC), Fraction(score)) for at, score in found]

    def find(self, prefix: str) -> list[RunRecord]:
        """The runs whose id begins so, of any target, newest first; two of them say that it names none."""
        query = "select * from readiness.runs where pg_catalog.starts_with(id, %s) order by started_at desc, id desc limit 2"
        return [_run(r) for r in self._rows(query, [prefix])]

    def targets(self) -> list[str]:
        """Whose runs are kept, the one with the newest run first."""
        query = "select target from readiness.runs group by target order by max(started_at) desc, target"
        return [target for (target,) in self._rows(query, [])]

    def outcomes(self, run_id: str) -> list[OutcomeRecord]:
        """What every check of a run concluded, by id."""
        query = (
            "select check_id, status, credit, examined, outcome from readiness.observations where run_id = %s "
            'order by check_id collate "C"'
        )
        return [
            OutcomeRecord(check_id=r[0], status=r[1], credit=r[2], examined=r[3], outcome=json.loads(r[4]))
            for r in self._rows(query, [run_id])
        ]

    def prune(self, target: str, *, keep: int | None = None, before: datetime | None = None) -> int:
        """Forget runs of a target beyond the newest `keep`, or begun before a moment; the newest run always stays."""
        query = """
            with aged as (
                select id, started_at, row_number() over (order by started_at desc, id desc) as at
                from readiness.runs
                where target = %s
            )
            delete from readiness.runs as r
            using aged as a
            where r.id = a.id and a.at > 1 and (a.at > %s::int or a.started_at < %s::timestamptz)
        """
        with self._writing() as db:
            return db.execute(query, [target, keep, before]).rowcount

    def observed(self, target: str, check: str, *, since: datetime, limit: int = 1000) -> list[Observed]:
        """What a check saw in the runs of a target that began since a moment, oldest first, the newest `limit` of them."""
        query = (
            "select r.started_at, r.system_identifier, o.outcome from readiness.runs as r "
            "inner join readiness.observations as o on r.id = o.run_id and o.check_id = %s "
            "where r.target = %s and r.started_at >= %s order by r.started_at desc, r.id desc limit %s"
        )
        rows = self._rows(query, [check, target, since, limit])
        return [Observed(r[0].astimezone(UTC), r[1], json.loads(r[2])) for r in reversed(rows)]

    def save_drill(self, record: DrillRecord) -> None:
        """Keep what a drill proved."""
        row = _drill_row(record)
        with self._writing() as db:
            db.execute("delete from readiness.drills where id = %s", [record.id])
            db.execute(
                "insert into readiness.drills values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [*row[:4], record.taken_at, record.expires_at, record.passed, row[7], history.row_sha256(row)],
            )

    def drills(self, target: str) -> list[DrillRecord]:
        """Every drill of a target, newest first; one that was changed since it was kept is left out."""
        query = "select * from readiness.drills where target = %s order by taken_at desc, id"
        found = []
        for r in self._rows(query, [target]):
            try:
                record = DrillRecord(
                    id=r[0],
                    kind=r[1],
                    target=r[2],
                    system_identifier=r[3],
                    taken_at=r[4].astimezone(UTC),
                    expires_at=r[5].astimezone(UTC),
                    passed=r[6],
                    evidence=json.loads(r[7]),
                )
            except ValueError as error:
                raise StoreError(f"{self._place}: a drill's record can't be read: {error}") from error
            if history.row_sha256(_drill_row(record)) == r[8]:
                found.append(record)
        return found


def _drill_row(record: DrillRecord) -> tuple[Any, ...]:
    return (
        record.id,
        record.kind,
        record.target,
        record.system_identifier,
        record.taken_at.astimezone(UTC).isoformat(timespec="microseconds"),
        record.expires_at.astimezone(UTC).isoformat(timespec="microseconds"),
        int(record.passed),
        _canonical(plain(record.evidence)),
    )


def _run(r: Sequence[Any]) -> RunRecord:
    return RunRecord(
        id=r[0],
        target=r[1],
        system_identifier=r[2],
        started_at=r[3].astimezone(UTC),
        finished_at=r[4].astimezone(UTC),
        decision=r[5],
        score=r[6],
        ceiling=r[7],
        coverage=r[8],
        policy_sha256=r[9],
        checkset_sha256=r[10],
        partial=r[11],
        document=json.loads(r[12]),
    )


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))  # as ASCII: whatever the server's encoding


def _said(error: psycopg.Error) -> str:
    if isinstance(error, errors.InsufficientPrivilege):
        return f"{error.diag.message_primary}; let an owner run `readiness history` against it once, and grant the role its tables"
    return error.diag.message_primary or str(error).strip()
