"""Dumps of pg_dump in a folder: archives (custom, directory, tar) and plain SQL, also compressed.

A dump's age is the time that the archive itself names, where that and the file's differ by more than a zone may explain: a
copy of an old dump is an old dump, and a job that failed leaves a fresh file of nothing. What a compressed dump ends with
shows behind all of it alone: that is read of the newest ones, until one is whole or the time for it is over.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Container
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from readiness.facts.backups import archives, packed
from readiness.facts.backups.store import Backup, Store

UNPACK_SECONDS = 30.0
"""For all of a folder's compressed dumps together."""

_PLAIN = re.compile(rb"-- PostgreSQL database (cluster )?dump\r?\n")
_COMPLETE = b"-- PostgreSQL database %sdump complete"
_ENDS = {archives.MAGIC: bytes(5), b"toc.dat\0": bytes(1024)}
"""How archives in one file begin, and end: of a tar two empty blocks."""
_BEGIN = _TAIL = 4096
_PIECE = 1 << 20
_SCAN_BYTES = 64 << 20  # of plain SQL, in which tables and rows are looked for
_TABLE, _ROWS = re.compile(rb"(?m)^CREATE (?:UNLOGGED )?TABLE "), re.compile(rb"(?m)^(?:COPY|INSERT INTO) ")
_ZONES = timedelta(hours=26)  # what two clocks of the same moment can differ by
_NAMES = (".dump", ".sql", ".pgdump", ".backup", ".tar")


def read(directory: Path, names: Container[str] | None = None, others: Container[str] = ()) -> Store:
    """What lies in the folder; other files than dumps are passed over, and archives of other databases are told as such.

    An archive has the name by which pg_dump came, which may be a pooler's alias.

    Args:
        names: of the database whose dumps these should be; None takes all.
        others: the other databases of its server.

    Raises:
        OSError: the folder can't be read.
    """
    patience = _Patience(UNPACK_SECONDS)
    # Newest first: it decides, and who compresses has many.
    paths = sorted((p for p in directory.iterdir() if _is_dump(p)), key=lambda p: (-_written(p), p.name))
    found = [_dump(path, patience, names, others) for path in paths]
    return Store(encrypted=None, backups=tuple(sorted(found, key=lambda b: b.label)), archived=None, logical=True)


def kind_of(path: Path) -> str | None:
    """archive, plain, or None where it is no dump; of what zstd and lz4 packed it isn't known here."""
    if path.is_dir():
        return "archive" if (path / "toc.dat").is_file() else None
    try:
        with packed.opened(path) as file:
            begin = file.read(_BEGIN)
    except packed.BROKEN:
        return None
    if begin.startswith(tuple(_ENDS)):
        return "archive"
    return "plain" if _PLAIN.search(begin) else None


def _is_dump(path: Path) -> bool:
    return kind_of(path) is not None or (path.is_file() and _names_itself(path))


def _names_itself(path: Path) -> bool:
    """By its name a dump, whatever it holds."""
    return path.suffix in (*_NAMES, ".gz") or (path.suffix in packed.SUFFIXES and Path(path.stem).suffix in _NAMES)


def _written(path: Path) -> float:
    return max(p.stat().st_mtime for p in _files(path))


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


@dataclass(slots=True)
class _Patience:
    """How long may be unpacked; and whether it need be, once a dump was whole."""

    seconds: float
    satisfied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a dump says of itself: when it was made, of which database, what is wrong, and why that couldn't be seen."""

    made_at: datetime | None = None
    database: str | None = None
    wrong: str | None = None
    unread: str | None = None


def _dump(path: Path, patience: _Patience, names: Container[str] | None, others: Container[str]) -> Backup:
    stopped_at = datetime.fromtimestamp(_written(path), UTC)
    try:
        told = _told(path, patience)
    except packed.BROKEN:
        told = _Told(wrong="it can't be read to its end: it is cut off, or damaged")
    except ValueError as error:
        told = _Told(wrong=str(error))
    if told.made_at is not None and stopped_at - told.made_at > _ZONES:
        stopped_at = told.made_at
    wrong, unread, of = told.wrong, told.unread, told.database
    if of is not None and of in others:
        wrong = wrong or f"it is of another database, {of}"
    elif of is not None and names is not None and of not in names:
        unread = (
            f"it was dumped by the name of {of}, which no database of this server has: a pooler may, or another server"
        )
    return Backup(
        label=path.name,
        kind="full",
        prior=None,
        stopped_at=stopped_at,
        wrong=wrong,
        unread=None if wrong else unread,
        system_identifier=None,
        wal=None,
        size_bytes=sum(p.stat().st_size for p in _files(path)),
    )


def _told(path: Path, patience: _Patience) -> _Told:
    if path.suffix in packed.SUFFIXES and path.is_file():
        return _of_packed(path, patience)
    match kind_of(path):
        case "archive":
            table = archives.contents(path)
            wrong = archives.wrong_with(path, table)
            made_at = table.header.made_at.astimezone(UTC)
            return _Told(made_at=made_at, database=table.header.database or None, wrong=wrong)
        case "plain":
            with path.open("rb") as file:
                begin = file.read(_SCAN_BYTES)
                file.seek(max(0, path.stat().st_size - _TAIL))
                rows = len(begin) == _SCAN_BYTES or _ROWS.search(begin) is not None  # so much is no mere schema
                return _Told(wrong=_wrong_with(begin, file.read(), tables=_TABLE.search(begin) is not None, rows=rows))
        case _:
            return _Told(wrong="it is empty" if not path.stat().st_size else "it holds no dump")


def _wrong_with(begin: bytes, tail: bytes, *, tables: bool, rows: bool) -> str | None:
    """Of plain SQL. pg_dumpall's ends with a line of its own: those of single databases lie within."""
    plain = _PLAIN.search(begin[:_BEGIN])
    if plain is None:
        return "it holds no dump"
    if _COMPLETE % (plain[1] or b"") not in tail:
        return "it is cut off: pg_dump's last line is missing"
    return archives.one_sided(tables=tables, rows=rows)


def _of_packed(path: Path, patience: _Patience) -> _Told:
    """Read to its end, as that is the only place where it shows whether it is whole."""
    if not path.stat().st_size:
        return _Told(wrong="it is empty")
    if path.suffix not in packed.PROGRAMS and kind_of(path) is None:
        return _Told(wrong="it holds no dump")
    if path.suffix in packed.PROGRAMS and shutil.which(packed.PROGRAMS[path.suffix]) is None:
        return _Told(unread=f"what is in it can't be seen: {packed.PROGRAMS[path.suffix]} is not installed here")
    if patience.satisfied:  # a newer one is whole: this one is not looked through
        return _Told()
    began = time.monotonic()
    begin = tail = b""
    seen = 0
    tables = rows = False
    try:
        with closing(packed.pieces(path)) as pieces:
            for piece in pieces:
                if len(begin) < _BEGIN:
                    begin += piece[: _BEGIN - len(begin)]
                both = tail + piece
                tables = tables or bool(_TABLE.search(both))
                rows = rows or bool(_ROWS.search(both))
                tail, seen = both[-_TAIL:], seen + len(piece)
                if time.monotonic() - began > patience.seconds:
                    gone = f"it takes longer than {UNPACK_SECONDS:g} s to be unpacked: {seen >> 20} MB were looked at"
                    return _Told(unread=gone)
    finally:
        patience.seconds -= time.monotonic() - began
    mark = next((mark for magic, mark in _ENDS.items() if begin.startswith(magic)), None)
    if mark is not None:
        # Behind its last byte an archive has a mark of its own; what lies between is not taken apart here.
        wrong = None if tail.endswith(mark) else "it is cut off: its end is missing"
    else:
        wrong = _wrong_with(begin, tail, tables=tables, rows=rows)
    patience.satisfied = wrong is None
    return _Told(wrong=wrong)
