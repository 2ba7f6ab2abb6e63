"""Dumps of pg_dump in a folder: archives (custom, directory, tar) and plain SQL, also compressed.

Which tables' rows a dump holds is compared with those that its database has: one of some tables only looks like a whole one.

A dump's age is the time that the archive itself names, where that and the file's differ by more than a zone may explain: a
copy of an old dump is an old dump, and a job that failed leaves a fresh file of nothing. What a compressed dump ends with
shows behind all of it alone: that is read of the newest ones, until one is whole or the time for it is over.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from readiness.facts.backups import archives, packed
from readiness.facts.backups.held import Database, Held, PlainText, lacking, one_sided
from readiness.facts.backups.store import Backup, Store

LOOK_SECONDS = 30.0
"""For all of a folder's dumps together: unpacking, and going through what is long."""

_PLAIN = re.compile(rb"-- PostgreSQL database (cluster )?dump\r?\n")
_COMPLETE = b"-- PostgreSQL database %sdump complete"
_ENDS = {archives.MAGIC: bytes(5), f"{archives.TOC}\0".encode(): bytes(1024)}
"""How archives in one file begin, and end: of a tar two empty blocks."""
_BLOCK = 512
_BEGIN = _TAIL = 4096
_PIECE = 1 << 20
_MOST_TAIL = 16 << 20
_ZONES = timedelta(hours=26)  # what two clocks of the same moment can differ by
_NAMES = (".dump", ".sql", ".pgdump", ".backup", ".tar")


def read(directory: Path, database: Database | None = None) -> Store:
    """What lies in the folder; other files than dumps are passed over, and dumps of other databases are told as such.

    A dump has the name by which pg_dump came, which may be a pooler's alias.

    Args:
        database: whose dumps these should be; None takes all.

    Raises:
        OSError: the folder can't be read.
    """
    patience = _Patience(LOOK_SECONDS)
    # Newest first: it decides, and who compresses has many.
    paths = sorted((p for p in directory.iterdir() if _is_dump(p)), key=lambda p: (-_written(p), p.name))
    found = [_dump(path, patience, database) for path in paths]
    return Store(encrypted=None, backups=tuple(sorted(found, key=lambda b: b.label)), archived=None, logical=True)


def kind_of(path: Path) -> str | None:
    """archive, tar (of a folder, which may be an archive's), plain, or None where it is no dump.

    Of what zstd and lz4 packed it isn't known here.
    """
    if path.is_dir():
        return "archive" if (path / archives.TOC).is_file() else None
    try:
        with packed.opened(path) as file:
            return _kind(file.read(_BEGIN))
    except packed.BROKEN:
        return None


def _kind(begin: bytes) -> str | None:
    if begin.startswith(tuple(_ENDS)) and not archives.of_folder(begin[_BLOCK:]):
        return "archive"
    if begin[257:262] == b"ustar":
        return "tar"
    return "plain" if _PLAIN.search(begin[:_BEGIN]) else None


def _is_dump(path: Path) -> bool:
    return (path.is_file() and _names_itself(path)) or kind_of(path) in ("archive", "plain")


def _names_itself(path: Path) -> bool:
    """By its name a dump, whatever it holds."""
    return path.suffix in (*_NAMES, ".gz", *packed.TARS) or (
        path.suffix in packed.SUFFIXES and Path(path.stem).suffix in _NAMES
    )


def _written(path: Path) -> float:
    return max(p.stat().st_mtime for p in _files(path))


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


@dataclass(slots=True)
class _Patience:
    """How long may be looked; and whether it need be, once a dump was whole."""

    seconds: float
    satisfied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a dump says of itself: when it was made, of which database, what it lists, what is wrong, and why that couldn't be seen.

    Args:
        databases: of a whole server's: what it lists, by their names.
        held: None where it was not looked at, as a newer one is whole.
    """

    made_at: datetime | None = None
    database: str | None = None
    databases: Mapping[str, Held] | None = None
    held: Held | None = None
    wrong: str | None = None
    unread: str | None = None


def _dump(path: Path, patience: _Patience, database: Database | None) -> Backup:
    stopped_at = datetime.fromtimestamp(_written(path), UTC)
    began = time.monotonic()
    try:
        told = _told(path, patience)
    except packed.BROKEN:
        told = _Told(wrong="it can't be read to its end: it is cut off, or damaged")
    except ValueError as error:
        told = _Told(wrong=str(error))
    patience.seconds -= time.monotonic() - began
    if told.made_at is not None and stopped_at - told.made_at > _ZONES:
        stopped_at = told.made_at
    wrong, unread = _judged(told, database)
    partial = False
    if wrong is None and unread is None and database is not None and (held := _own(told, database)) is not None:
        wrong, unread = lacking(held, database, stopped_at, _ZONES)
        partial = wrong is not None or unread is not None
    patience.satisfied = patience.satisfied or (wrong is None and unread is None)
    return Backup(
        label=path.name,
        kind="full",
        prior=None,
        stopped_at=stopped_at,
        wrong=wrong,
        unread=None if wrong else unread,
        partial=partial,
        system_identifier=None,
        wal=None,
        size_bytes=sum(p.stat().st_size for p in _files(path)),
    )


def _judged(told: _Told, database: Database | None) -> tuple[str | None, str | None]:
    """What is wrong with it by itself, and why that can't be told."""
    if told.wrong is not None:
        return told.wrong, None
    of, unread = told.database, told.unread
    if of is not None and database is not None and of not in database.names:
        if of in database.others:
            return f"it is of another database, {of}", None
        unread = unread or (
            f"it was dumped by the name of {of}, which no database of this server has: a pooler may, or another server"
        )
    if told.databases is not None and database is not None and _own(told, database) is None:
        return "it holds no dump of this database (pg_dumpall --globals-only or --exclude-database)", None
    held = _own(told, database)
    return None if held is None else one_sided(held, database.beside if database is not None else ()), unread


def _own(told: _Told, database: Database | None) -> Held | None:
    """What it lists of the database."""
    if told.databases is None or database is None:
        return told.held
    return next((held for name, held in told.databases.items() if name in database.names), None)


def _told(path: Path, patience: _Patience) -> _Told:
    if path.is_file() and (packed_by := packed.suffix_of(path)):
        return _of_packed(path, packed_by, patience)
    match kind_of(path):
        case "archive":
            return _of_archive(path, patience)
        case "plain":
            return _of_plain(path, patience)
        case "tar":
            with tarfile.open(path) as archive:
                return _of_tar(archive)
        case _:
            return _Told(wrong="it is empty" if not path.stat().st_size else "it holds no dump")


# -- archives --------------------------------------------------------------------------------------------------------


def _of_archive(path: Path, patience: _Patience) -> _Told:
    table = archives.contents(path)
    unread = None
    try:
        wrong = archives.wrong_with(path, table, patience.seconds)
    except archives.Late:
        wrong = None
        if not patience.satisfied:
            unread = f"it takes longer than {LOOK_SECONDS:g} s to be gone through: it was written into a pipe, or lost its end"
    return _of_table(table, wrong, unread)


def _of_table(table: archives.Contents, wrong: str | None = None, unread: str | None = None) -> _Told:
    held = archives.held(table)
    if held is None:
        unread = unread or "its table of contents is of a version that is not known here"
    return _Told(
        made_at=table.header.made_at.astimezone(UTC),
        database=table.header.database or None,
        held=held,
        wrong=wrong,
        unread=unread,
    )


def _of_tar(archive: tarfile.TarFile) -> _Told:
    """A folder that was packed: its files may come in any order, and below a folder's name."""
    table: archives.Contents | None = None
    sizes: dict[str, int] = {}
    lists: dict[str, bytes] = {}
    try:
        for member in archive:
            name = PurePosixPath(member.name).name
            if not member.isfile():
                continue
            sizes[name] = member.size
            if name == archives.TOC or archives.is_list(name):
                file = archive.extractfile(member)
                assert file is not None
                content = file.read()
                if name == archives.TOC:
                    table = archives.read(io.BytesIO(content))
                else:
                    lists[name] = content
    except tarfile.TarError:
        return _Told(wrong="it is cut off, or damaged")
    if table is None:
        return _Told(wrong="it holds no dump")
    return _of_table(table, archives.missing_of(table.entries or (), sizes, lambda name: lists.get(name, b"")))


# -- plain SQL -------------------------------------------------------------------------------------------------------


def _of_plain(path: Path, patience: _Patience) -> _Told:
    text, until = PlainText(), time.monotonic() + patience.seconds
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
        file.seek(max(0, path.stat().st_size - _TAIL))
        wrong = _cut_off(begin, file.read())
        if wrong or patience.satisfied:
            return _Told(wrong=wrong)
        file.seek(0)
        while piece := file.read(_PIECE):
            text.take(piece)
            if time.monotonic() > until:
                seen = file.tell() >> 20
                return _Told(unread=f"it takes longer than {LOOK_SECONDS:g} s to be read: {seen} MB were looked at")
    return _of_text(begin, text)


def _of_text(begin: bytes, text: PlainText) -> _Told:
    every = _PLAIN.search(begin)
    if every is not None and every[1]:
        return _Told(databases=text.databases, held=text.together())
    return _Told(database=text.last or None, held=text.together())


def _cut_off(begin: bytes, tail: bytes) -> str | None:
    """Of plain SQL. pg_dumpall's ends with a line of its own: those of single databases lie within."""
    plain = _PLAIN.search(begin[:_BEGIN])
    if plain is None:
        return "it holds no dump"
    return None if _COMPLETE % (plain[1] or b"") in tail else "it is cut off: pg_dump's last line is missing"


# -- packed ----------------------------------------------------------------------------------------------------------


class _Late(Exception):  # noqa: N818  an answer
    """There was no time to unpack all of it."""


def _of_packed(path: Path, suffix: str, patience: _Patience) -> _Told:
    """Read to its end, as that is the only place where it shows whether it is whole."""
    if not path.stat().st_size:
        return _Told(wrong="it is empty")
    if suffix not in packed.PROGRAMS and kind_of(path) is None:
        return _Told(wrong="it holds no dump")
    if suffix in packed.PROGRAMS and shutil.which(packed.PROGRAMS[suffix]) is None:
        return _Told(unread=f"what is in it can't be seen: {packed.PROGRAMS[suffix]} is not installed here")
    if patience.satisfied:  # a newer one is whole: this one is not looked through
        return _Told()
    with closing(packed.pieces(path)) as pieces:
        stream = _Stream(pieces, time.monotonic() + patience.seconds)
        try:
            return _of_stream(stream)
        except _Late:
            seen = f"{stream.seen >> 20} MB were looked at"
            return _Told(unread=f"it takes longer than {LOOK_SECONDS:g} s to be unpacked: {seen}")


class _Stream:
    """What is unpacked, as far as there is time."""

    def __init__(self, pieces: Iterator[bytes], until: float) -> None:
        self.seen = 0
        self._pieces, self._until, self._rest = pieces, until, b""

    def piece(self) -> bytes:
        """Empty at the end.

        Raises:
            _Late: there is no time left.
        """
        if self._rest:
            piece, self._rest = self._rest, b""
            return piece
        if time.monotonic() > self._until:
            raise _Late
        piece = next(self._pieces, b"")
        self.seen += len(piece)
        return piece

    def peek(self, count: int) -> bytes:
        begin = b""
        while len(begin) < count and (piece := self.piece()):
            begin += piece
        self._rest = begin
        return begin

    def read(self, count: int) -> bytes:
        """As tarfile reads."""
        taken = self.peek(count)
        self._rest = taken[count:]
        return taken[:count]


def _of_stream(stream: _Stream) -> _Told:
    begin = stream.peek(_BEGIN)[:_BEGIN]
    match _kind(begin):
        case "tar":
            try:
                with tarfile.open(fileobj=stream, mode="r|", bufsize=_PIECE) as archive:  # type: ignore[call-overload]
                    told = _of_tar(archive)
            except tarfile.TarError:
                told = _Told(wrong="it is cut off, or damaged")
            while stream.piece():  # whether its packer's own end is there
                pass
            return told
        case "archive":
            return _of_packed_archive(stream)
        case _:
            text, tail = PlainText(), b""
            while piece := stream.piece():
                text.take(piece)
                tail = (tail + piece)[-_TAIL:]
            wrong = _cut_off(begin, tail)
            return _Told(wrong=wrong) if wrong else _of_text(begin, text)


def _of_packed_archive(stream: _Stream) -> _Told:
    """Behind its last byte an archive has a mark of its own; what lies between is not taken apart here."""
    begin, tail = bytearray(), bytearray()
    table, enough = None, _PIECE
    while piece := stream.piece():
        if table is None:
            begin += piece
            if len(begin) >= enough:
                with suppress(ValueError):
                    table = _toc(begin)
                enough *= 2
        tail += piece
        if len(tail) > 2 * _MOST_TAIL:
            del tail[:-_MOST_TAIL]
    table = table or _toc(begin)
    mark = next(mark for magic, mark in _ENDS.items() if begin.startswith(magic))
    if not tail.endswith(mark) and archives.written_again(io.BytesIO(tail), table, len(tail)) is None:
        return _Told(wrong="it is cut off: its end is missing")
    return _of_table(table)


def _toc(begin: bytearray) -> archives.Contents:
    """A tar's first file is the table of contents."""
    return archives.read(io.BytesIO(begin if begin.startswith(archives.MAGIC) else begin[_BLOCK:]))
