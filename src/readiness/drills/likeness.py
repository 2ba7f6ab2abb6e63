"""Whether a restored copy is what its source was: schema and rows, told apart from what was written since.

The source lives on while its backup is restored. A physical copy has the source's transaction numbers, so that each row
that differs tells by its own (xmin) whether it was written by a transaction that the copy knows: then the copy should hold
it as it is, and doesn't; or by a later one, which is no difference to a backup. Only a row that the source no longer has
tells nothing: where no transaction came since, it is a difference; else it was deleted, and is counted.

Tables are first summed up on both sides, in chunks; of those that differ block by block, and only blocks that differ are read row
by row. Large ones may be summed up by the
versions of their rows, place and transaction, which a rewritten table has others of; where too much of one differs it is summed
up by content again.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from readiness.authoring import Unobservable
from readiness.drills import DrillError, snapshot
from readiness.facts import content
from readiness.facts.content import Chunk, Method, Table
from readiness.facts.fingerprint import SchemaFingerprint, SchemaObject
from readiness.facts.postgres import Postgres

ROWS_UP_TO = 1_000_000
EXAMPLES = 5
READ_SECONDS = 3600.0
STOP_SECONDS = 30.0

_FIRST_XID = 3  # below lie those that stand for "frozen" and the like (FirstNormalTransactionId, transam.h)
_EPOCH = 2**32

_Digests: TypeAlias = tuple[int, int]  # of a row, high and low
_Other: TypeAlias = tuple[str | None, str, int, _Digests]  # key, what is wrong, who wrote it


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What the copy knows of the source's transactions.

    Args:
        copy: a connection string.
        next_xid: the copy's first transaction number that was not given out; None for a logical copy, which has its own.
        source_xid: the source's, when it was last looked at.
        made_at: when a logical copy's backup was begun, where the source keeps the time of its commits.
    """

    copy: str
    next_xid: int | None
    source_xid: int
    source: str = field(repr=False)
    made_at: datetime | None = None

    @property
    def quiet(self) -> bool:
        """Whether no transaction that wrote came since."""
        return self.next_xid is not None and self.source_xid <= self.next_xid

    def later(self, xids: Iterable[int]) -> frozenset[int]:
        """Those of the source's transactions that the copy doesn't know.

        Args:
            xids: as a row tells them, 32 bits.
        """
        asked = sorted({x for x in xids if x >= _FIRST_XID})
        if not asked:
            return frozenset()
        if self.next_xid is None:
            return self._committed_after(asked)
        full = {x: self._full(x) for x in asked}
        beyond = {x for x, f in full.items() if f >= self.next_xid}
        known = [(x, f) for x, f in full.items() if 0 < f < self.next_xid]
        with psycopg.connect(self.copy, autocommit=True) as session:
            # One that was under way at the restore point counts there as aborted.
            rows = session.execute(
                "select x.f from pg_catalog.unnest(%s::bigint[]) as x (f) "
                "where pg_catalog.pg_xact_status(x.f::text::xid8) <> 'committed'",
                [[f for _, f in known]],
            ).fetchall()
        undone = {f for (f,) in rows}
        return frozenset(beyond | {x for x, f in known if f in undone})

    def _full(self, xid: int) -> int:
        """With its epoch: the newest such number that the source can have given out."""
        found = self.source_xid // _EPOCH * _EPOCH + xid
        return found if found <= self.source_xid else found - _EPOCH

    def _committed_after(self, xids: Sequence[int]) -> frozenset[int]:
        if self.made_at is None:
            return frozenset()
        with psycopg.connect(self.source, autocommit=True) as session:
            rows = session.execute(
                "select x.f from pg_catalog.unnest(%s::bigint[]) as x (f) "
                "where pg_catalog.pg_xact_commit_timestamp(x.f::text::xid) >= %s",
                [list(xids), self.made_at],
            ).fetchall()
        return frozenset(f for (f,) in rows)


@dataclass(slots=True, kw_only=True)
class Likeness:
    """What the comparison came to.

    Args:
        tables, rows: that were compared and are the same.
        findings: what the copy lacks, or holds otherwise.
        since: table -> rows that were written after the restore point.
        unproved: what could not be compared, and why.
        notes: what limits it.
    """

    tables: int = 0
    rows: int = 0
    objects: int = 0
    findings: list[str] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=dict)
    unproved: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the content is read.

    Args:
        workers: sessions that read the source side by side.
        of_copy: and the copy, which is ours.
        rows_up_to: rows of differing blocks that are compared one by one, for each table.
        versions: large tables are read by version first (see `content`); what it chooses blocks by. None: all by content.
    """

    ignored_schemas: Sequence[str] = ()
    workers: int = 2
    of_copy: int = 2
    rows_up_to: int = ROWS_UP_TO
    versions: str | None = None
    told: Callable[[str], None] = lambda _step: None

    def take(
        self,
        dsn: str,
        path: Path,
        *,
        rows_up_to: int = 0,
        stop: threading.Event | None = None,
        only: Collection[str] | None = None,
        copy: bool = False,
        more: threading.Event | None = None,
        along: snapshot.Along | None = None,
    ) -> snapshot.Taken:
        return snapshot.take(
            dsn,
            path,
            salt=self.versions,
            workers=self.of_copy if copy else self.workers,
            rows_up_to=rows_up_to,
            ignored_schemas=self.ignored_schemas,
            chunk_seconds=0 if copy else READ_SECONDS,
            told=self.told,
            stop=stop,
            only=only,
            more=more,
            along=along,
        )


class Beside:
    """A database, read by a thread while the backup is restored, or while something else is read.

    Args:
        sums: the file that tells of its rows; None where they are not read.
        meanwhile: rows were begun with before `hurry`.
        free: rows are read when this tells that nobody minds, by one session, until `hurry`.
        along: what else the sessions do that read.
    """

    def __init__(
        self,
        dsn: str,
        sums: Path | None,
        reading: Reading,
        *,
        schema: bool,
        copy: bool = False,
        free: Callable[[], bool] | None = None,
        along: snapshot.Along | None = None,
    ) -> None:
        self.reading = reading
        self.sums = sums
        self.fingerprint: SchemaFingerprint | None = None
        self.unseen: Mapping[str, str] = {}
        self.meanwhile = False
        self._copy = copy
        self._along = along
        self._failure: BaseException | None = None
        self._stop, self._more = threading.Event(), threading.Event()
        self._free = free
        if free is None:
            self._more.set()
        self._thread = threading.Thread(target=self._run, args=(dsn, schema), daemon=True)
        self._thread.start()

    def _run(self, dsn: str, schema: bool) -> None:  # noqa: FBT001  of a thread
        try:
            if schema:
                self.fingerprint = fingerprint(dsn, self.reading)
            while self._free is not None and not (self._more.is_set() or self._stop.is_set() or self._free()):
                self._more.wait(0.05)
            self.meanwhile = self._free is None or not self._more.is_set()
            if self.sums is not None:
                self.unseen = self.reading.take(
                    dsn, self.sums, stop=self._stop, copy=self._copy, more=self._more, along=self._along
                ).unseen
        except BaseException as error:  # noqa: BLE001  told by who waits
            self._failure = error

    def hurry(self) -> None:
        """Nothing else is at work that it would be in the way of."""
        self._more.set()

    def wait(self) -> None:
        """Until it is read.

        Raises:
            DrillError: it can't be.
        """
        while self._thread.is_alive():
            self._thread.join(0.2)  # so that Ctrl-C is heard
        match self._failure:
            case None:
                return
            case Unobservable():
                raise DrillError(f"the source's schema can't be read: {self._failure.detail}") from None
            case failure:
                raise failure

    def end(self) -> None:
        self._stop.set()
        self._thread.join(STOP_SECONDS)


def fingerprint(dsn: str, reading: Reading) -> SchemaFingerprint:
    """The schema of a source or a copy.

    Raises:
        Unobservable: it can't be read.
    """
    postgres = Postgres(dsn)
    try:
        return SchemaFingerprint.of(postgres, ignored_schemas=reading.ignored_schemas)
    finally:
        postgres.close()


# -- the schema --------------------------------------------------------------------------------------------------

# Kind of object -> the catalogs whose rows DDL on it writes.
_CATALOGS: Mapping[str, tuple[str, ...]] = {
    "function": ("pg_proc", "pg_aggregate"),
    "schema": ("pg_namespace",),
    "extension": ("pg_extension",),
    "type": ("pg_type", "pg_enum", "pg_range", "pg_constraint"),
}
_ANY = (
    *("pg_proc", "pg_namespace", "pg_extension", "pg_type", "pg_collation", "pg_operator", "pg_opclass", "pg_opfamily"),
    *("pg_cast", "pg_event_trigger", "pg_publication", "pg_subscription", "pg_foreign_server", "pg_default_acl"),
    *("pg_statistic_ext", "pg_ts_config", "pg_ts_dict", "pg_db_role_setting", "pg_seclabel", "pg_language"),
)

_OF_RELATION = """
with relation as (
    select pg_catalog.to_regclass(%s) as oid
)
select w.x::text::bigint
from relation as r
cross join lateral (
    select c.xmin as x from pg_catalog.pg_class as c where c.oid = r.oid
    union all select a.xmin from pg_catalog.pg_attribute as a where a.attrelid = r.oid
    union all select d.xmin from pg_catalog.pg_attrdef as d where d.adrelid = r.oid
    union all select i.xmin from pg_catalog.pg_index as i where r.oid in (i.indrelid, i.indexrelid)
    union all select k.xmin from pg_catalog.pg_constraint as k where k.conrelid = r.oid
    union all select t.xmin from pg_catalog.pg_trigger as t where t.tgrelid = r.oid
    union all select p.xmin from pg_catalog.pg_policy as p where p.polrelid = r.oid
    union all select e.xmin from pg_catalog.pg_rewrite as e where e.ev_class = r.oid
    union all select s.xmin from pg_catalog.pg_sequence as s where s.seqrelid = r.oid
    union all
    select o.xmin from pg_catalog.pg_description as o where o.classoid = 'pg_catalog.pg_class'::regclass and o.objoid = r.oid
) as w
"""


def schema(
    source: str, other: SchemaFingerprint, beside: Beside, since: Callable[[], Since], reading: Reading, found: Likeness
) -> None:
    """Every object of the two schemas, compared.

    Args:
        other: the copy's.
        beside: the source, read meanwhile; where it differs it is read again, since it may have moved on.
        since: what the copy knows, asked after the source was read.

    Raises:
        DrillError: the source's schema can't be read.
    """
    own = beside.fingerprint
    if own is None or own.objects != other.objects:
        try:
            own = fingerprint(source, reading)
        except Unobservable as refusal:
            raise DrillError(f"the source's schema can't be read: {refusal.detail}") from None
    here, there = ({(o.kind, o.name): o for o in p.objects} for p in (own, other))
    found.objects = sum(here[k] == there.get(k) for k in here)
    if here == there:
        return
    known = since()
    changed = [k for k in here if k in there and here[k] != there[k]]
    missing = [k for k in here if k not in there]
    lost = {name for kind, name in missing if kind in ("table", "view", "materialized view")}
    later = 0
    with closing(psycopg.connect(source, autocommit=True)) as session:
        for key in (*missing, *changed):
            if key in missing and here[key].parent in lost:
                continue  # said of the table
            if _written_since(session, here[key], known):
                later += 1
                continue
            kind, name = key
            found.findings.append(
                f"{kind} {name}: is missing" if key in missing else f"{kind} {name}: {_differs(here[key], there[key])}"
            )
    gone = [k for k in there if k not in here]
    if gone and (known.quiet or known.next_xid is None):
        found.findings += [f"{kind} {name}: the source has no such object" for kind, name in gone[:EXAMPLES]]
    elif gone:
        later += len(gone)
    if later:
        found.notes.append(f"{later:,} objects of the schema were made, changed or dropped since the restore point")


def _written_since(session: psycopg.Connection[Any], which: SchemaObject, since: Since) -> bool:
    # a partition's parent is another table, which its coming and going leaves as it is
    relation = which.name if which.kind == "table" else which.parent or which.name
    xids = [x for (x,) in session.execute(_OF_RELATION, [relation]).fetchall()] if which.kind not in _CATALOGS else []
    if not xids:
        for catalog in _CATALOGS.get(which.kind, _ANY):
            rows = session.execute(
                f"select distinct c.xmin::text::bigint from pg_catalog.{catalog} as c".encode()
            ).fetchall()
            xids += [x for (x,) in rows]
    return bool(since.later(xids))


def _differs(one: SchemaObject, other: SchemaObject) -> str:
    names = sorted(
        {n for n, v in one.properties.items() if other.properties.get(n) != v}
        | (other.properties.keys() - one.properties.keys())
    )
    if not names:
        return "belongs to another object"
    name = names[0]
    return f"{name} is {_short(other.properties.get(name))}, and {_short(one.properties.get(name))} in the source"


def _short(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


_UNLOGGED = """
select n.name
from pg_catalog.unnest(%s::text[]) as n (name)
inner join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(n.name)
where c.relpersistence = 'u'
"""


# -- the rows ----------------------------------------------------------------------------------------------------


def rows(
    source: str,
    copy: str,
    folder: Path,
    beside: Beside,
    copied: Beside,
    since: Callable[[], Since],
    reading: Reading,
    found: Likeness,
) -> None:
    """Every table of the two databases, compared.

    Args:
        folder: for the sums.
        beside: the source's sums, taken meanwhile; of tables that are missing, new or other than the copy's they are taken again.
        copied: the copy's, taken meanwhile too.
        since: what the copy knows, asked after the source was read.

    Raises:
        DrillError: the source can't be read.
    """
    copied.wait()
    beside.wait()
    before, after, broken = beside.sums, copied.sums, copied.unseen
    assert before is not None
    assert after is not None
    compared = snapshot.compare(before, after)
    found.tables, found.rows = found.tables + compared.same, found.rows + compared.rows
    notes, differences = compared.notes, list(compared.differences)
    # It may have been read before the last transaction that the copy holds.
    again = {d.name for d in differences if d.told and d.name not in broken} | _unread(source, before, after)
    later = folder / "source-again.sums"
    if again:
        reading.take(source, later, only=again)
        compared = snapshot.compare(later, after)
        found.tables, found.rows = found.tables + compared.same, found.rows + compared.rows
        notes, differences = (
            compared.notes,
            [*(d for d in differences if d.name not in again), *compared.differences],
        )
    found.notes += [n for n in notes if "large objects" in n]
    _tell_all(differences, source, broken, since, found)
    moved = _moved(before, after, later if again else None) if reading.versions is not None else set()
    differ = {d.name for d in differences}
    names = {d.name for d in differences if not d.told} | (moved - differ)
    sums = {name: (later if name in again else before, after) for name in sorted(names)}
    rewritten = _by_row(source, copy, sums, moved, since, reading, found)
    for name in rewritten - differ:  # the same by version, which says too little of it
        found.tables, found.rows = found.tables - 1, found.rows - _alike(sums[name][0], name, [])
    if rewritten:
        by_content = replace(reading, versions=None)
        own = (folder / "source-content.sums", folder / "copy-content.sums")
        by_content.take(source, own[0], only=rewritten)
        by_content.take(copy, own[1], only=rewritten, copy=True)
        gone = rewritten - _names(own[0])
        found.unproved += [f"{name}: was made or dropped while it was read" for name in sorted(gone)]
        compared = snapshot.compare(*own)
        found.tables, found.rows = found.tables + compared.same, found.rows + compared.rows
        differences = [d for d in compared.differences if d.name in rewritten]
        _tell_all(differences, source, broken, since, found)
        sums = {d.name: own for d in differences if not d.told}
        _by_row(source, copy, sums, frozenset(), since, by_content, found)


def _by_row(
    source: str,
    copy: str,
    which: Mapping[str, tuple[Path, Path]],
    moved: Collection[str],
    since: Callable[[], Since],
    reading: Reading,
    found: Likeness,
) -> set[str]:
    """Tables whose sums differ, row by row where their blocks do.

    Args:
        which: by name, with the sums of either side.
        moved: those that lie in other files than the copy's, which are looked at also where their sums don't differ.

    Returns:
        Those that were read by version, and by content may be the same: they lie in other files, or so much of them differs.
    """
    rewritten: set[str] = set()
    if not which:
        return rewritten
    read = {path: _files(path) for path, _ in which.values()}
    with content.session(source, seconds=READ_SECONDS) as left, content.session(copy, seconds=0) as right:
        known = since()  # of whatever the session sees of the source
        where = content.where(left)
        sides, unseen = [], dict[str, str]()
        for session, of_copy in ((left, False), (right, True)):
            tables, refused = content.tables(session, ignored_schemas=reading.ignored_schemas)
            unseen |= refused
            if reading.versions is not None:
                tables = content.by_version(session, tables, reading.versions)
            sides.append({t.name: _Side(session, t, where.fastest, where.encoding, of_copy) for t in tables})
        for name, sums in which.items():
            mine, its = sides[0].get(name), sides[1].get(name)
            if mine is None or its is None:
                why = (
                    f"could not be compared: {unseen[name]}"
                    if name in unseen
                    else "was made or dropped while it was read"
                )
                found.unproved.append(f"{name}: {why}")
                continue
            try:
                if not _one_table(mine, its, sums, read[sums[0]].get(name), name in moved, known, reading, found):
                    rewritten.add(name)
            except _Unreadable as refusal:
                if refusal.damaged:
                    found.findings.append(f"{name}: can't be read from the copy: {refusal}")
                else:
                    found.unproved.append(f"{name}: could not be compared: {refusal}")
    return rewritten


def _one_table(
    mine: _Side,
    its: _Side,
    sums: tuple[Path, Path],
    files: list[str] | None,
    moved: bool,  # noqa: FBT001  see `_by_row`
    known: Since,
    reading: Reading,
    found: Likeness,
) -> bool:
    """Whether that could be told; else by content it may be the same.

    Args:
        files: in which it lay when its sums were taken.
    """
    name, physical = mine.table.name, known.next_xid is not None
    again = physical and files != _numbers(mine.table.mark)  # its rows lie elsewhere since its sums were taken
    if reading.versions is not None and (again or (moved and (mine.table.salt or its.table.salt))):
        return False
    differing = _differing_chunks(*sums, name, physical=physical)
    if again:
        relations = dict(mine.table.relations) | dict(its.table.relations)
        differing = [Chunk(relation=relation, first=0, end=None) for relation in relations]
    alike = 0 if again else _alike(sums[0], name, differing)
    if not differing and differing is not None:
        return True
    if differing is not None:
        empty = its.unlogged({chunk.relation for chunk in differing})
        told = [f"{one}: is unlogged, and empty behind any recovery" for one in sorted(empty)]
        found.notes += [note for note in told if note not in found.notes]
        if empty.issuperset(relation for relation, _ in mine.table.relations):
            return True
        differing = [chunk for chunk in differing if chunk.relation not in empty]
        if mine.table.by_range and its.table.by_range:
            places = _places(mine, its, differing, reading.rows_up_to)
            if places is None and reading.versions is not None:
                return False
            if places is None:
                found.unproved.append(_too_many(name, reading))
                return True
            differing, alike = places[0], alike + places[1]
    _one_by_one(mine, its, differing, alike, known, reading, found)
    return True


def _moved(before: Path, after: Path, again: Path | None) -> set[str]:
    """Tables that lie in other files on either side: rewritten since, with the transactions of their rows, at other places."""
    own, its = _files(before) | (_files(again) if again is not None else {}), _files(after)
    return {name for name, files in own.items() if name in its and (not files or files != its[name])}


def _files(sums: Path) -> dict[str, list[str]]:
    """Of each table the numbers of its files, as its mark begins with them (see `content.Table`)."""
    with closing(sqlite3.connect(f"{sums.absolute().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute("select name, mark from tables where unseen is null").fetchall()
    return {name: _numbers(mark) for name, mark in rows}


def _numbers(mark: str) -> list[str]:
    return [part.partition("/")[0] for part in mark.split()]


def _too_many(name: str, reading: Reading) -> str:
    return f"{name}: more than {reading.rows_up_to:,} rows lie in blocks that differ (--rows-up-to)"


class _Unreadable(Exception):  # noqa: N818  of one table, which doesn't end the comparison
    """What the server says instead of rows.

    Args:
        damaged: for the copy's sake.
    """

    def __init__(self, error: psycopg.Error, *, of_copy: bool) -> None:
        super().__init__(" ".join((error.diag.message_primary or str(error)).split()))
        # Not that it has other columns or isn't there, or that a key's bytes are of no known encoding.
        self.damaged = of_copy and not (error.sqlstate or "").startswith(("42", "22021"))


@dataclass(frozen=True, slots=True)
class _Side:
    """A table of the source or of the copy."""

    session: content.Session
    table: Table
    method: Method
    encoding: str
    of_copy: bool

    def blocks(self, chunk: Chunk, *, by_version: bool) -> set[tuple[int, int, str, str]]:
        table = self.table if by_version else replace(self.table, salt=None)
        if not self._there([chunk]):
            return set()
        with self._asked():
            return content.blocks(self.session, table, chunk, self.method, self.encoding)

    def versions(self, chunks: Sequence[Chunk] | None) -> Iterator[tuple[str | None, int, int, int]]:
        """Of some chunks, or one of the table's after the other."""
        with self._asked():
            for some in (self._there(chunks),) if chunks is not None else ((c,) for c in content.chunks(self.table)):
                yield from content.versions(self.session, self.table, some, self.method, self.encoding)

    def unlogged(self, relations: Collection[str]) -> set[str]:
        return {name for (name,) in self.session.execute(_UNLOGGED, [list(relations)])}

    def _there(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Without those of partitions that came or went since, which one of the two databases doesn't have."""
        others = {chunk.relation for chunk in chunks}.difference(relation for relation, _ in self.table.relations)
        asked = (
            "select n.name from pg_catalog.unnest(%s::text[]) as n (name) where pg_catalog.to_regclass(n.name) is null"
        )
        gone = {name for (name,) in self.session.execute(asked, [list(others)])} if others else set()
        return [chunk for chunk in chunks if chunk.relation not in gone]

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """What one table refuses keeps nobody from the next."""
        try:
            yield
        except psycopg.Error as error:
            if self.session.closed:
                raise
            raise _Unreadable(error, of_copy=self.of_copy) from error


def _places(source: _Side, copy: _Side, chunks: Sequence[Chunk], rows_up_to: int) -> tuple[list[Chunk], int] | None:
    """Which blocks of some chunks differ, block by block, and how many rows lie in the others; None where too many lie in those."""
    by_version = source.table.salt == copy.table.salt  # else one of them is too small for that
    found: list[Chunk] = []
    alike = differing = 0
    with ThreadPoolExecutor(1) as beside:
        for chunk in chunks:
            begun = beside.submit(source.blocks, chunk, by_version=by_version)
            other = copy.blocks(chunk, by_version=by_version)
            one = begun.result()
            runs = _runs(sorted({block for block, *_ in one ^ other}))
            found += [Chunk(relation=chunk.relation, first=first, end=end) for first, end in runs]
            within = {block for first, end in runs for block in range(first, end)}
            alike += sum(rows for block, rows, *_ in one if block not in within)
            differing += max(sum(rows for block, rows, *_ in side if block in within) for side in (one, other))
            if differing > rows_up_to:
                return None
    return found, alike


def _runs(blocks: Sequence[int]) -> list[tuple[int, int]]:
    """(first, end) of blocks that lie together."""
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and block == runs[-1][1]:
            runs[-1] = (runs[-1][0], block + 1)
        else:
            runs.append((block, block + 1))
    return runs


def _names(sums: Path) -> set[str]:
    with closing(sqlite3.connect(f"{sums.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return {name for (name,) in db.execute("select name from tables")}


def _unread(source: str, before: Path, after: Path) -> set[str]:
    """Tables of source and copy that weren't there yet when the source was read."""
    if not (new := _names(after) - _names(before)):
        return set()
    with psycopg.connect(source, autocommit=True) as session:
        rows = session.execute(
            "select n.name from pg_catalog.unnest(%s::text[]) as n (name) where pg_catalog.to_regclass(n.name) is not null",
            [sorted(new)],
        ).fetchall()
    return {name for (name,) in rows}


def _tell_all(
    differences: Sequence[snapshot.TableDifference],
    source: str,
    broken: Mapping[str, str],
    since: Callable[[], Since],
    found: Likeness,
) -> None:
    """What is wrong with tables and all else, beside the rows that differ."""
    if told := [d for d in differences if d.told]:
        known = since()
        with closing(psycopg.connect(source, autocommit=True)) as asked:
            for d in told:
                _tell(d, asked, known, broken, found)


def _tell(
    d: snapshot.TableDifference,
    session: psycopg.Connection[Any],
    since: Since,
    broken: Mapping[str, str],
    found: Likeness,
) -> None:
    told = d.told or ""
    if d.name in broken:
        found.findings.append(f"{d.name}: can't be read from the copy: {broken[d.name]}")
    elif told.startswith("could not be compared"):
        found.unproved.append(str(d))
    elif told.startswith("the sequence fell back") or d.name == "large objects":
        if since.quiet or since.next_xid is None:
            found.findings.append(str(d))
        else:
            found.notes.append(f"{d}; the source went on since")
    else:
        xids = [x for (x,) in session.execute(_OF_RELATION, [d.name]).fetchall()]
        if since.later(xids):
            found.notes.append(f"{d.name}: was made or changed since the restore point")
        else:
            found.findings.append(str(d).partition(";")[0])


def _differing_chunks(before: Path, after: Path, table: str, *, physical: bool) -> list[Chunk] | None:
    """The blocks whose sums are not the same; None stands for the whole table, where blocks don't compare."""
    if not physical:
        return None
    sums = []
    for path in (before, after):
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            sums.append(
                {
                    (relation, first): (n, high, low)
                    for relation, first, n, high, low in db.execute(
                        "select c.relation, c.first, c.rows, c.high, c.low from chunks as c "
                        "join tables as t on t.id = c.table_id where t.name = ?",
                        (table,),
                    )
                }
            )
    one, other = sums
    ends: dict[str, list[int]] = {}
    for relation, first in one.keys() | other.keys():
        ends.setdefault(relation, []).append(first)
    found = []
    for relation, starts in ends.items():
        starts.sort()
        for first, end in zip(starts, [*starts[1:], None], strict=True):
            # The last chunk of either side has no end; what lies behind it differs by itself.
            if one.get((relation, first)) != other.get((relation, first)):
                found.append(Chunk(relation=relation, first=first, end=end))
    return found


def _alike(sums: Path, table: str, differing: list[Chunk] | None) -> int:
    """The rows of a table that lie in blocks that don't differ."""
    if differing is None:
        return 0
    with closing(sqlite3.connect(f"{sums.absolute().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "select c.relation, c.first, c.rows from chunks as c join tables as t on t.id = c.table_id where t.name = ?",
            (table,),
        ).fetchall()
    read = {(chunk.relation, chunk.first) for chunk in differing}
    return sum(n for relation, first, n in rows if (relation, first) not in read)


def _one_by_one(
    source: _Side,
    copy: _Side,
    chunks: list[Chunk] | None,
    alike: int,
    since: Since,
    reading: Reading,
    found: Likeness,
) -> None:
    """Row by row: those of the source that the copy should hold and doesn't, and what the copy holds beside them."""
    name, most = source.table.name, reading.rows_up_to
    with ThreadPoolExecutor(1) as beside:
        # Of the blocks that differ there are few enough rows to be held.
        begun = None if chunks is None else beside.submit(lambda: list(islice(source.versions(chunks), most + 1)))
        held = _Held.of(islice(copy.versions(chunks), most + 1))
    if held.count > most or (begun is not None and len(begun.result()) > most):
        found.unproved.append(_too_many(name, reading))
        return
    other: list[_Other] = []
    same = 0
    for key, high, low, xid in source.versions(None) if begun is None else begun.result():
        what = held.without(key, (high, low), xid)
        if what is None:
            same += 1
        else:
            other.append((key, what, xid, (high, low)))
        if len(other) > most:
            found.unproved.append(f"{name}: more than {most:,} rows differ (--rows-up-to)")
            return
    later = since.later(xid for _, _, xid, _ in other)
    wrong = held.without_alike([row for row in other if row[2] not in later], since)
    left_over = len(held.by_key) + sum(held.keyless.values())
    written = len(other) - len(wrong)
    parts = []
    for what in ("missing", "changed", "missing or changed"):
        keys = [key for key, w, _, _ in wrong if w == what]
        if keys:
            shown = ", ".join(k for k in sorted(k for k in keys if k is not None)[:EXAMPLES])
            parts.append(f"{len(keys):,} {what}{f' ({shown})' if shown else ''}")
    if again := sorted(key for key, rest in held.twice.items() if rest):
        parts.append(f"{len(again):,} whose key stands twice in the copy ({', '.join(again[:EXAMPLES])})")
    if left_over and not _old_versions(held.keyless, written):
        if since.quiet or since.next_xid is None:
            shown = ", ".join(sorted(held.by_key)[:EXAMPLES])
            parts.append(f"{left_over:,} that the source doesn't have{f' ({shown})' if shown else ''}")
        else:
            found.notes.append(f"{name}: {left_over:,} rows of the copy were deleted since, as far as can be told")
    if parts:
        found.findings.append(f"{name}: of {alike + same + len(other):,} rows, {', '.join(parts)}")
    else:
        found.tables, found.rows = found.tables + 1, found.rows + alike + same
    if written:
        found.since[name] = written


@dataclass(slots=True)
class _Held:
    """Rows of the copy, without those that the source was found to have.

    Args:
        twice: of keys that stand twice, as no sound table has them.
        keyless: how often the digests of rows without a key are there.
        count: all of them, when they were read.
        taken: of rows without a key that the source has: who wrote them.
    """

    by_key: dict[str, _Digests] = field(default_factory=dict)
    twice: dict[str, list[_Digests]] = field(default_factory=dict)
    keyless: Counter[_Digests] = field(default_factory=Counter)
    count: int = 0
    taken: dict[_Digests, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[str | None, int, int, int]]) -> _Held:
        held = cls()
        for key, high, low, _ in rows:
            held.count += 1
            if key is None:
                held.keyless[high, low] += 1
            elif key in held.twice:
                held.twice[key].append((high, low))
            elif key in held.by_key:
                held.twice[key] = [held.by_key.pop(key), (high, low)]
            else:
                held.by_key[key] = (high, low)
        return held

    def without(self, key: str | None, digests: _Digests, xid: int) -> str | None:
        """Take a row of the source off; what is wrong with it here."""
        if key is None:
            if self.keyless[digests] == 0:
                return "missing or changed"
            self.keyless[digests] -= 1
            self.taken.setdefault(digests, []).append(xid)
            return None
        if several := self.twice.get(key):
            if digests not in several:
                return "changed"
            several.remove(digests)
            return None
        one = self.by_key.pop(key, None)
        return None if one == digests else "missing" if one is None else "changed"

    def without_alike(self, wrong: Sequence[_Other], since: Since) -> list[_Other]:
        """Without rows whose place one that is alike has taken, which was written since."""
        alike = {digests for key, _, _, digests in wrong if key is None and digests in self.taken}
        later = since.later(xid for digests in alike for xid in self.taken[digests])
        spare = Counter({digests: sum(xid in later for xid in self.taken[digests]) for digests in alike})
        kept = []
        for row in wrong:
            if row[0] is None and spare[row[3]] > 0:
                spare[row[3]] -= 1
            else:
                kept.append(row)
        return kept


def _old_versions(keyless: Counter[_Digests], written: int) -> bool:
    """Whether the old versions of rows without a key may be what is left over: an update leaves one behind."""
    return bool(keyless) and sum(keyless.values()) <= written
