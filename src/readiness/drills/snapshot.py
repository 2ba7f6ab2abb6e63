"""Snapshots of a database's content, one file each, and what lies between two of them.

A snapshot holds for every table the number of rows and two sums over their digests, by chunks, so that one that was broken
off goes on where it was; and for tables up to a size the key and digest of every row, so that a comparison can name the rows
that are missing, added or changed. It holds no value but keys. The file is SQLite: the comparison joins on disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Protocol, TypeAlias

import psycopg
from pydantic import BaseModel, ConfigDict, model_validator

from readiness import yamldoc
from readiness.drills import DrillError
from readiness.facts import content
from readiness.facts.content import NOTHING, Chunk, Column, Method, Sums, Table

FORMAT = "readiness.snapshot/1"
APPLICATION_ID = 0x52454153
CHUNK_SECONDS = 600.0
ROWS_UP_TO = 1_000_000
EXAMPLES = 5
_BATCH = 5_000

_SCHEMA = """
create table meta (name text primary key, value text not null) strict;
create table tables (
    id integer primary key, name text not null unique, columns text not null, keyed integer not null, mark text not null,
    rows integer, high text, low text, listed integer not null default 0, unseen text
) strict;
create table chunks (
    table_id integer not null, relation text not null, first integer not null, rows integer not null,
    high text not null, low text not null, primary key (table_id, relation, first)
) strict;
create table rows (table_id integer not null, relation text not null, first integer not null, key text, high integer, low integer) strict;
create table sequences (name text primary key, last_value integer not null) strict;
"""


# -- declared changes ------------------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class KeyMap(_Part):
    """A table that says which new key stands for which old one."""

    table: str
    old: str
    new: str


class ColumnChange(_Part):
    """What becomes of a column, named as it is before."""

    name: str | None = None
    """Its name after."""
    retyped: bool = False
    """Its type is another; the value, as text of the old type, is the same."""
    using: str | None = None
    """Or SQL that gives the old value back; `t` is the new table."""
    key_map: KeyMap | None = None
    """Or the table that maps the new value to the old one."""
    dropped: bool = False
    """It is left out of both snapshots: its loss is meant."""


class TableChange(_Part):
    """What becomes of a table, named schema.table as it is before."""

    to: str | None = None
    """Where it lies after: schema.table."""
    dropped: bool = False
    columns: dict[str, ColumnChange] = {}

    @model_validator(mode="after")
    def _one_of(self) -> TableChange:
        if self.dropped and (self.to or self.columns):
            raise ValueError("a table that is dropped has no other change")
        return self


class Changes(_Part):
    """What a migration is meant to change; all else must be as it was."""

    tables: dict[str, TableChange] = {}


def read_changes(path: Path | None) -> Changes:
    """A file of declared changes; none declares nothing.

    Raises:
        ConfigError: it can't be read, or says something else.
    """
    return Changes() if path is None else yamldoc.validate(Changes, yamldoc.read(path))


def _before(table: Table, changes: Changes) -> Table:
    """A table as it is compared, before the migration: without the columns whose loss is meant."""
    own = changes.tables.get(table.name, TableChange()).columns
    kept = tuple(c for c in table.columns if not own.get(c.name, ColumnChange()).dropped)
    return _with(table, columns=kept)


def _after(
    wanted: Sequence[tuple[str, list[dict[str, str]]]], found: Sequence[Table], changes: Changes
) -> tuple[list[Table], dict[str, str]]:
    """The tables after the migration, told in the terms of before: names, columns, keys and types.

    Args:
        wanted: (name, columns) of the tables of the snapshot before.
    """
    by_name = {t.name: t for t in found}
    told: list[Table] = []
    unseen: dict[str, str] = {}
    for name, columns in wanted:
        change = changes.tables.get(name, TableChange())
        now = by_name.pop(change.to or name, None)
        if now is None:
            continue  # it is missing, which the comparison tells
        joins: list[str] = []
        expressed: list[Column] = []
        here = {c.name: c for c in now.columns}
        for was in columns:
            one = change.columns.get(was["name"], ColumnChange())
            current = here.get(one.name or was["name"])
            if one.using is not None:
                expression = f"({one.using})::{was['type']}"
            elif current is None:
                unseen[name] = f"it has no column {one.name or was['name']}"
                break
            elif one.key_map is not None:
                alias = f"m{len(joins)}"
                joins.append(
                    f" left join {one.key_map.table} as {alias} on {alias}.{_quote(one.key_map.new)} = {current.expression}"
                )
                expression = f"{alias}.{_quote(one.key_map.old)}::{was['type']}"
            elif current.full_type == was["full_type"]:
                expression = current.expression
            elif one.retyped:
                expression = f"{current.expression}::text::{was['type']}"
            else:
                unseen[name] = (
                    f"its column {was['name']} was {was['full_type']} and is {current.full_type}, which the changes don't declare"
                )
                break
            expressed.append(
                Column(
                    name=was["name"],
                    type=was["type"],
                    full_type=was["full_type"],
                    expression=expression,
                    how=was["how"],
                )
            )
        else:
            keys = {c.name: c.expression for c in expressed}
            wanted_key = [c["name"] for c in columns if c.get("key")]
            told.append(
                _with(
                    now,
                    name=name,
                    columns=tuple(expressed),
                    key=tuple(keys[k] for k in sorted(wanted_key, key=lambda k: int(_of(columns, k)["key"]))),
                    joins="".join(joins),
                )
            )
    # What is there beside them is new; also where it bears a name that one of them had before it was moved.
    had = {name for name, _ in wanted}
    told += (_with(t, name=f"{t.name} (another)") if t.name in had else t for t in by_name.values())
    return told, unseen


def _of(columns: Sequence[dict[str, str]], name: str) -> dict[str, str]:
    return next(c for c in columns if c["name"] == name)


def _with(table: Table, **changed: Any) -> Table:
    from dataclasses import replace  # noqa: PLC0415

    return replace(table, **changed)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# -- taking one ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a snapshot came to.

    Args:
        unseen: table -> why it could not be read.
        resumed: whether it was begun by an earlier run: then it is of one moment only where nothing was written since.
    """

    tables: int
    rows: int
    unseen: Mapping[str, str]
    resumed: bool


Errand: TypeAlias = Callable[[content.Session], None]


class Along(Protocol):
    """What else is done in the sessions that read."""

    def errands(self, session: content.Session, chunks: Sequence[Chunk]) -> Sequence[Errand]:
        """What is done beside the chunks, what takes longest first."""
        ...

    def read(self, session: content.Session, chunk: Chunk) -> None:
        """A chunk was read, or could not be."""
        ...


def take(
    dsn: str,
    path: Path,
    *,
    changes: Changes | None = None,
    before: Path | None = None,
    method: Method = Method.FAST,
    workers: int = 2,
    rows_up_to: int = ROWS_UP_TO,
    ignored_schemas: Sequence[str] = (),
    chunk_blocks: int = content.CHUNK_BLOCKS,
    chunk_seconds: float = CHUNK_SECONDS,
    told: Callable[[str], None] = lambda _step: None,
    stop: threading.Event | None = None,
    only: Collection[str] | None = None,
    salt: str | None = None,
    more: threading.Event | None = None,
    along: Along | None = None,
) -> Taken:
    """Take a snapshot into a file, or go on with one that was broken off.

    Args:
        only: of these tables; of all by default.
        salt: large tables are read by version, as far as this chooses (see `content`); of PostgreSQL 14 and later.
        before: the snapshot that this one will be compared with: the tables are told in its terms.
        rows_up_to: up to this many rows a table's keys are kept.
        stop: when it is set, no further chunk is read, and this ends with a DrillError.
        more: until it is set, one worker reads alone.
        along: what else the sessions do.

    Raises:
        DrillError: the database can't be read at all, or the file can't be written or is another thing.
    """
    declared = changes or Changes()
    try:
        with content.session(dsn, seconds=chunk_seconds) as leader, _file(path) as db:
            row = leader.execute("select pg_catalog.pg_export_snapshot()").fetchone()
            assert row is not None
            where = content.where(leader)
            if method is Method.FAST:
                method = where.fastest
            resumed = _begin(db, where, method.value if salt is None else f"{method.value} and versions")
            found, unseen = content.tables(leader, ignored_schemas=ignored_schemas)
            if only is not None:
                found, unseen = [t for t in found if t.name in only], {n: w for n, w in unseen.items() if n in only}
            if before is None:
                found = [_before(t, declared) for t in found if not declared.tables.get(t.name, TableChange()).dropped]
            else:
                with _file(before, must_exist=True) as earlier:
                    wanted = [
                        (name, json.loads(columns))
                        for name, columns in earlier.execute(
                            "select name, columns from tables where unseen is null order by name"
                        )
                    ]
                found, refused = _after(wanted, found, declared)
                unseen |= refused
            if salt is not None:
                found = content.by_version(leader, found, salt)
            work = _plan(db, found, unseen, chunk_blocks)
            errands = along.errands(leader, [w.chunk for w in work]) if along is not None else ()
            _read_all(
                dsn, str(row[0]), work, db, errands=errands, along=along, method=method, encoding=where.encoding, workers=workers,
                rows_up_to=rows_up_to, seconds=chunk_seconds, told=told, stop=stop or threading.Event(),
                more=more,
            )  # fmt: skip
            _sum_up(db)
            db.execute("delete from sequences")
            db.executemany(
                "insert into sequences values (?, ?)",
                content.sequences(leader, ignored_schemas=ignored_schemas).items(),
            )
            _tell(db, large_objects=content.large_objects(leader), finished_at=_now(), resumed=int(resumed))
            db.execute("create index if not exists rows_by_key on rows (table_id, key)")
            tables, rows = db.execute(
                "select count(*), coalesce(sum(rows), 0) from tables where unseen is null"
            ).fetchone()
            shown = dict(db.execute("select name, unseen from tables where unseen is not null order by name"))
    except psycopg.Error as error:
        raise DrillError(
            f"the snapshot was broken off: {' '.join(str(error).split())}; the same command goes on with it"
        ) from error
    except sqlite3.Error as error:
        raise DrillError(f"{path}: can't be written: {error}") from error
    return Taken(tables=tables, rows=rows, unseen=shown, resumed=resumed)


@contextlib.contextmanager
def _file(path: Path, *, must_exist: bool = False) -> Iterator[sqlite3.Connection]:
    if must_exist and not path.is_file():
        raise DrillError(f"{path}: there is no such snapshot")
    if not must_exist:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    how = "ro" if must_exist else "rw"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={how}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        (owner,) = db.execute("pragma application_id").fetchone()
        (objects,) = db.execute("select count(*) from sqlite_master").fetchone()
        if objects and owner != APPLICATION_ID:
            raise DrillError(f"{path}: is no snapshot of this tool")
        if not objects:
            if must_exist:
                raise DrillError(f"{path}: is an empty file")
            db.executescript(_SCHEMA)
            db.execute(f"pragma application_id = {APPLICATION_ID}")
        db.execute("pragma synchronous = off")  # what is lost with the machine is read again
        yield db
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise DrillError(f"{path}: is no snapshot of this tool") from error
        raise
    finally:
        db.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _tell(db: sqlite3.Connection, **values: Any) -> None:
    db.executemany("insert or replace into meta values (?, ?)", [(k, str(v)) for k, v in values.items()])


def _begin(db: sqlite3.Connection, where: content.Where, method: str) -> bool:
    """Note what it is of; whether it was begun before."""
    meta = dict(db.execute("select name, value from meta"))
    here = {
        "format": FORMAT,
        "database": where.database,
        "system_identifier": where.system_identifier or "",
        "major": str(where.major),
        "machine": where.machine,
        "method": method,
    }
    if not meta:
        _tell(db, **here, taken_at=_now())
        return False
    if "finished_at" in meta:
        raise DrillError("the file holds a finished snapshot; name another one")
    if {k: meta.get(k) for k in here} != here:
        raise DrillError(
            "the file holds the beginning of another snapshot (database, version or method); name another one"
        )
    return True


@dataclass(frozen=True, slots=True)
class _Work:
    table_id: int
    table: Table
    chunk: Chunk


def _plan(db: sqlite3.Connection, found: Sequence[Table], unseen: Mapping[str, str], blocks: int) -> list[_Work]:
    """What is still to be read. A table that was written since keeps nothing of what was read."""
    # of a chunk that was broken off rows may stand there already
    db.execute(
        "delete from rows where not exists (select 1 from chunks as c where c.table_id = rows.table_id "
        "and c.relation = rows.relation and c.first = rows.first)"
    )
    known = {name: (table_id, mark) for table_id, name, mark in db.execute("select id, name, mark from tables")}
    work = []
    for table in found:
        columns = json.dumps(
            [
                {"name": c.name, "type": c.type, "full_type": c.full_type, "how": c.how}
                | ({"key": str(table.key.index(c.expression))} if c.expression in table.key else {})
                for c in table.columns
            ]
        )
        table_id, mark = known.get(table.name, (None, None))
        if table_id is not None and mark != table.mark:
            for name in ("chunks", "rows"):
                db.execute(f"delete from {name} where table_id = ?", (table_id,))
            db.execute("delete from tables where id = ?", (table_id,))
            table_id = None
        if table_id is None:
            cursor = db.execute(
                "insert into tables (name, columns, keyed, mark) values (?, ?, ?, ?)",
                (table.name, columns, int(bool(table.key)), table.mark),
            )
            table_id = cursor.lastrowid or 0
        done = set(db.execute("select relation, first from chunks where table_id = ?", (table_id,)))
        work += [
            _Work(table_id, table, chunk)
            for chunk in content.chunks(table, blocks=blocks)
            if (chunk.relation, chunk.first) not in done
        ]
    for name, why in unseen.items():
        db.execute(
            "insert or replace into tables (name, columns, keyed, mark, unseen) values (?, '[]', 0, '', ?)", (name, why)
        )
    return work


def _read_all(
    dsn: str,
    snapshot: str,
    work: Sequence[_Work],
    db: sqlite3.Connection,
    *,
    errands: Sequence[Errand],
    along: Along | None,
    method: Method,
    encoding: str,
    workers: int,
    rows_up_to: int,
    seconds: float,
    told: Callable[[str], None],
    stop: threading.Event,
    more: threading.Event | None,
) -> None:
    """Every chunk, side by side; one writes at a time."""
    queue: Queue[_Work | Errand] = Queue()
    # What takes longest is begun early, so that nobody waits for it; but first something for each worker while the errands may
    # not be ready yet.
    items: list[_Work | Errand] = [*work[:workers], *errands, *work[workers:]]
    for one in items:
        queue.put(one)
    writing, failures = threading.Lock(), list[BaseException]()
    many = {w.table_id for w in work if _estimated(work, w.table_id) > rows_up_to}

    def run(until: threading.Event | None = None) -> None:
        while until is not None and not until.wait(0.1):
            if stop.is_set() or queue.empty():
                return
        try:
            with content.session(dsn, snapshot=snapshot, seconds=seconds) as connection:
                while not stop.is_set():
                    try:
                        item = queue.get_nowait()
                    except Empty:
                        return
                    if not isinstance(item, _Work):
                        item(connection)
                        continue
                    told(f"{item.table.name} from block {item.chunk.first:,}")
                    connection.execute("savepoint chunk")
                    try:
                        _read_one(
                            connection,
                            item,
                            db,
                            writing,
                            method,
                            encoding,
                            keep=item.table_id not in many and rows_up_to > 0,
                        )
                    except psycopg.Error as error:
                        if connection.closed:
                            raise
                        connection.execute("rollback to savepoint chunk")
                        with writing:
                            db.execute(
                                "update tables set unseen = ? where id = ?",
                                (" ".join((error.diag.message_primary or str(error)).split()), item.table_id),
                            )
                    # One below the other they would be gone through for each row whose transaction is looked at.
                    connection.execute("release savepoint chunk")
                    if along is not None:
                        along.read(connection, item.chunk)
        except BaseException as error:  # noqa: BLE001  told by who waits
            failures.append(error)
            stop.set()

    wait: list[threading.Event | None] = [None, *[more] * (min(workers, len(work) + len(errands)) - 1)]
    threads = [threading.Thread(target=run, args=(until,), daemon=True) for until in wait]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)  # so that Ctrl-C is heard
        stopped = stop.is_set()
    finally:
        stop.set()
    if failures:
        raise failures[0]
    if stopped:
        raise DrillError("the snapshot was broken off")


def _estimated(work: Sequence[_Work], table_id: int) -> int:
    """Rows that a table may hold at most, by its blocks: a row takes 28 bytes or more."""
    table = next(w.table for w in work if w.table_id == table_id)
    return sum(blocks for _, blocks in table.relations) * (8192 // 28)


def _read_one(
    connection: content.Session,
    item: _Work,
    db: sqlite3.Connection,
    writing: threading.Lock,
    method: Method,
    encoding: str,
    *,
    keep: bool,
) -> None:
    total = NOTHING
    where = (item.table_id, item.chunk.relation, item.chunk.first)
    if keep:
        batches: list[list[tuple[str | None, int, int]]] = [[]]
        for key, high, low in content.rows(connection, item.table, item.chunk, method, encoding):
            total += Sums(rows=1, high=high, low=low)
            batches[-1].append((key, high, low))
            if len(batches[-1]) >= _BATCH:
                _insert(db, writing, where, batches.pop())
                batches.append([])
        _insert(db, writing, where, batches[-1])
        with writing:
            db.execute("update tables set listed = 1 where id = ?", (item.table_id,))
    else:
        total = content.sums(connection, item.table, item.chunk, method, encoding)
    with writing:
        db.execute(
            "insert into chunks values (?, ?, ?, ?, ?, ?)", (*where, total.rows, str(total.high), str(total.low))
        )


def _insert(
    db: sqlite3.Connection,
    writing: threading.Lock,
    where: tuple[int, str, int],
    batch: Sequence[tuple[str | None, int, int]],
) -> None:
    with writing:
        db.execute("begin")
        db.executemany("insert into rows values (?, ?, ?, ?, ?, ?)", [(*where, *row) for row in batch])
        db.execute("commit")


def _sum_up(db: sqlite3.Connection) -> None:
    # one without partitions has no chunk, and no rows
    totals = {table_id: NOTHING for (table_id,) in db.execute("select id from tables where unseen is null")}
    for table_id, rows, high, low in db.execute("select table_id, rows, high, low from chunks"):
        totals[table_id] = totals.get(table_id, NOTHING) + Sums(rows=rows, high=int(high), low=int(low))
    db.executemany(
        "update tables set rows = ?, high = ?, low = ? where id = ?",
        [(t.rows, str(t.high), str(t.low), table_id) for table_id, t in totals.items()],
    )


# -- comparing two ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """A table whose rows are not the same.

    Args:
        missing, added, changed: how many rows; None where the snapshots keep no keys of it.
        examples: keys of some: "missing 7".
        told: what is wrong beside rows.
    """

    name: str
    before: int | None = None
    after: int | None = None
    missing: int | None = None
    added: int | None = None
    changed: int | None = None
    examples: Sequence[str] = ()
    told: str | None = None

    def __str__(self) -> str:
        if self.told:
            return f"{self.name}: {self.told}"
        if self.missing is None:
            count = (
                f"{self.before:,} rows became {self.after:,}" if self.before != self.after else f"{self.before:,} rows"
            )
            return f"{self.name}: {count}, not the same; no keys were kept of a table of this size (--rows-up-to)"
        counts = {"missing": self.missing, "added": self.added, "changed": self.changed}
        parts = [f"{number:,} {word}" for word, number in counts.items() if number]
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{self.name}: {', '.join(parts)} of {self.before:,} rows{shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What lies between two snapshots.

    Args:
        same: tables that hold the same rows.
        rows: that were compared and are the same.
        system_identifier: of the database after.
        notes: what limits it.
    """

    same: int
    rows: int
    differences: Sequence[TableDifference]
    system_identifier: str | None
    database: str
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        return not self.differences and self.same > 0


def compare(before: Path, after: Path) -> Comparison:
    """Compare two finished snapshots. A table that is new after the migration is none of its business.

    Raises:
        DrillError: one is no finished snapshot, or they can't be compared.
    """
    with _file(before, must_exist=True) as db, _file(after, must_exist=True):
        db.execute("attach database ? as later", (f"{after.absolute().as_uri()}?mode=ro",))
        one = dict(db.execute("select name, value from main.meta"))
        two = dict(db.execute("select name, value from later.meta"))
        for path, meta in ((before, one), (after, two)):
            if "finished_at" not in meta:
                raise DrillError(f"{path}: was broken off; take it to its end first")
        for name in ("method", "major", "machine"):
            if one[name] != two[name] and (name == "method" or one["method"] == Method.FAST):
                raise DrillError(
                    f"the snapshots differ in {name} ({one[name]}, {two[name]}); take both with --portable to compare them"
                )
        differences: list[TableDifference] = []
        same = rows = 0
        for table in db.execute(
            "select a.name, a.id, a.rows, a.high, a.low, a.unseen, a.columns, a.keyed, a.listed, "
            "b.id, b.rows, b.high, b.low, b.unseen, b.columns, b.listed "
            "from main.tables as a left join later.tables as b on a.name = b.name order by a.name"
        ).fetchall():
            found = _compare_one(db, *table)
            if found is None:
                same, rows = same + 1, rows + table[2]
            else:
                differences.append(found)
        for name, was, now in db.execute(
            "select a.name, a.last_value, b.last_value from main.sequences as a "
            "left join later.sequences as b on a.name = b.name where b.last_value < a.last_value order by a.name"
        ):
            differences.append(TableDifference(name=name, told=f"the sequence fell back from {was} to {now}"))
        if one["large_objects"] != two["large_objects"]:
            told = f"{one['large_objects']} became {two['large_objects']}"
            differences.append(TableDifference(name="large objects", told=told))
    notes = [f"{path}: taken in two goes" for path, meta in ((before, one), (after, two)) if meta["resumed"] == "1"]
    if one["large_objects"] != "0":
        notes.append("large objects were counted, not compared")
    return Comparison(
        same=same,
        rows=rows,
        differences=differences,
        system_identifier=two["system_identifier"] or None,
        database=two["database"],
        notes=notes,
    )


def _compare_one(
    db: sqlite3.Connection,
    name: str,
    a: int, rows: int, high: str, low: str, unseen: str | None, columns: str, keyed: int, listed: int,
    b: int | None, rows_b: int, high_b: str, low_b: str, unseen_b: str | None, columns_b: str, listed_b: int,
) -> TableDifference | None:  # fmt: skip
    if b is None:
        return TableDifference(name=name, told=f"the table is missing, with {rows or 0:,} rows")
    if unseen or unseen_b:
        return TableDifference(name=name, told=f"could not be compared: {unseen or unseen_b}")
    if columns != columns_b:
        names = [{c["name"] for c in json.loads(text)} for text in (columns, columns_b)]
        lost = sorted(names[0] - names[1]) or sorted(names[1] - names[0])
        told = f"has other columns ({', '.join(lost) or 'types'}); take the second snapshot with --before and --changes"
        return TableDifference(name=name, told=told)
    if (rows, high, low) == (rows_b, high_b, low_b):
        return None
    if not (listed and listed_b):
        return TableDifference(name=name, before=rows, after=rows_b)
    joined = "main.rows as x {} join later.rows as y on y.table_id = :b and x.key = y.key where x.table_id = :a and {}"
    ids = {"a": a, "b": b}
    if keyed:
        missing = [
            k for (k,) in db.execute(f"select x.key from {joined.format('left', 'y.key is null')} order by x.key", ids)
        ]
        changed = [
            k
            for (k,) in db.execute(
                f"select x.key from {joined.format('inner', '(x.high, x.low) <> (y.high, y.low)')} order by x.key", ids
            )
        ]
        added = [
            k
            for (k,) in db.execute(
                "select y.key from later.rows as y left join main.rows as x on x.table_id = :a and x.key = y.key "
                "where y.table_id = :b and x.key is null order by y.key",
                ids,
            )
        ]
        by_word = {"missing": missing, "added": added, "changed": changed}
        examples = [f"{word} {', '.join(keys[:EXAMPLES])}" for word, keys in by_word.items() if keys]
        if missing or added or changed:
            return TableDifference(
                name=name,
                before=rows,
                after=rows_b,
                missing=len(missing),
                added=len(added),
                changed=len(changed),
                examples=examples,
            )
        return TableDifference(name=name, told="a key stands twice")
    lost, won = (
        db.execute(
            f"select coalesce(sum(max(x.n - coalesce(y.n, 0), 0)), 0) from "
            f"(select high, low, count(*) as n from {first}.rows where table_id = :{i} group by high, low) as x left join "
            f"(select high, low, count(*) as n from {second}.rows where table_id = :{j} group by high, low) as y "
            "on x.high = y.high and x.low = y.low",
            ids,
        ).fetchone()[0]
        for first, i, second, j in (("main", "a", "later", "b"), ("later", "b", "main", "a"))
    )
    return TableDifference(
        name=name,
        before=rows,
        after=rows_b,
        missing=lost,
        added=won,
        changed=0,
        examples=["it has no primary key to name them by"],
    )
