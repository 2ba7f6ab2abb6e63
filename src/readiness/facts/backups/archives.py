"""Archives of pg_dump (custom, directory, tar): what their table of contents names, and whether all of it is there.

By pg_backup_archiver.c, pg_backup_custom.c, pg_backup_tar.c and pg_backup_directory.c. Nothing is unpacked: the lengths that
the custom format writes before each piece lead from one to the next, and to the file's end.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

MAGIC = b"PGDMP"
WALK_BYTES = 256 << 20
"""How much of an archive is gone through piece by piece; beyond it stands the file's last mark alone."""

_OLDEST, _NEWEST = (1, 12), (1, 16)  # of 9.0; of 17 and 18
_CUSTOM = 1
_SET, _NO_DATA = 2, 3
_LARGE_OBJECTS = 3
_MOST_TEXT = 64 << 20  # of one entry's definition
_PACKED = ("", ".gz", ".lz4", ".zst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the table of contents begins with (ReadHead).

    Args:
        made_at: in the zone of the machine that made it, whichever that is.
        server: the version of the server that was dumped.
    """

    made_at: datetime
    database: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the table of contents (ReadToc).

    Args:
        kind: TABLE, TABLE DATA, BLOBS...
        data: it has data, which lies in the archive.
        offset: where in the file, of the custom format; None where whoever wrote it could not go back to say.
        file: in which file, of the others.
    """

    number: int
    kind: str
    name: str
    data: bool
    offset: int | None
    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The table of contents.

    Args:
        entries: None where they are of a version that is not known here.
        integer: bytes of an integer, without its sign.
        end: where the table ends.
    """

    header: Header
    entries: tuple[Entry, ...] | None
    integer: int
    end: int


def contents(path: Path) -> Contents:
    """The table of contents of an archive of any format.

    Raises:
        ValueError: it is cut off, or no archive.
        OSError: it can't be read.
    """
    if path.is_dir():
        with (path / "toc.dat").open("rb") as file:
            return _read(file)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            file.seek(0)
            return _read(file)
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile("toc.dat")
            if member is None:
                raise ValueError("an archive without a table of contents")
            return _read(member)
    except (tarfile.TarError, KeyError) as error:
        raise ValueError("it is cut off, or no archive") from error


def wrong_with(path: Path, table: Contents) -> str | None:
    """What keeps an archive from giving back its database; None where all that its table of contents names is there.

    Raises:
        OSError: it can't be read.
    """
    if path.is_dir():
        lost = None if table.entries is None else _missing_files(path, table.entries)
    elif tarfile.is_tarfile(path):
        lost = _missing_members(path, table.entries or ())
    else:
        lost = _missing_pieces(path, table)
    return lost or one_sided(
        tables=any(e.kind == "TABLE" for e in table.entries or ()),
        rows=any(e.kind == "TABLE DATA" for e in table.entries or ()),
    )


def one_sided(*, tables: bool, rows: bool) -> str | None:
    """What is missing of a dump that has only one of both; an empty database has neither."""
    if tables and not rows:
        return "it holds tables without their rows (pg_dump --schema-only)"
    return "it holds rows without their tables (pg_dump --data-only)" if rows and not tables else None


def cut_off(lost: Sequence[str]) -> str | None:
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return f"it is cut off: {lost[0]}{more} is not in it" if lost else None


# -- the custom format -----------------------------------------------------------------------------------------------


def _missing_pieces(path: Path, table: Contents) -> str | None:
    size = path.stat().st_size
    with path.open("rb", buffering=1 << 18) as file:
        walk = _Walk(file, size, table.integer)
        if table.entries is None:
            return None if walk.ends_well() else "it is cut off: its end is missing"
        wanted = {e.number: e for e in table.entries if e.data}
        if not wanted:
            return None
        told = {n: e.offset for n, e in wanted.items() if e.offset is not None}
        lost = [e.name for e in wanted.values() if e.number in told and walk.piece(told[e.number]) != e.number]
        if lost:
            return cut_off(lost)
        if not walk.ends_well():
            return "it is cut off: its end is missing"
        # Each piece begins where the table says; the last one must lead to the very end. Where the table doesn't say (it
        # was written into a pipe), all are gone through.
        at = max(told.values()) if len(told) == len(wanted) else table.end
        if size - at > WALK_BYTES:
            return None
        found = walk.through(at)
    if found is None:
        return "it is cut off, or damaged: its last part leads nowhere"
    return None if len(told) == len(wanted) else cut_off([e.name for n, e in wanted.items() if n not in found])


@dataclass(frozen=True, slots=True)
class _Walk:
    """The pieces of a custom archive: a type, the entry's number, chunks with their lengths, a length of nothing."""

    file: IO[bytes]
    size: int
    integer: int

    def ends_well(self) -> bool:
        mark = bytes(1 + self.integer)
        self.file.seek(max(0, self.size - len(mark)))
        return self.file.read() == mark

    def piece(self, at: int) -> int | None:
        """The number of the entry whose data begins there."""
        if at >= self.size:
            return None
        self.file.seek(at + 1)
        return self._number()

    def through(self, at: int) -> set[int] | None:
        """The entries whose data lies from there to the end; None where it doesn't end there."""
        found = set()
        while at < self.size:
            self.file.seek(at)
            kind, number = self.file.read(1), self._number()
            if number is None:
                return None
            if kind == bytes([_LARGE_OBJECTS]):
                while large_object := self._number():
                    if not self._chunks():
                        return None
                if large_object is None:
                    return None
            elif not self._chunks():
                return None
            found.add(number)
            at = self.file.tell()
        return found if at == self.size else None

    def _chunks(self) -> bool:
        while length := self._number():
            at = self.file.tell() + length
            if length < 0 or at > self.size:
                return False
            self.file.seek(at)
        return length is not None

    def _number(self) -> int | None:
        raw = self.file.read(1 + self.integer)
        if len(raw) <= self.integer:
            return None
        value = int.from_bytes(raw[1:], "little")
        return -value if raw[0] else value


# -- the others ------------------------------------------------------------------------------------------------------


def _missing_files(folder: Path, entries: Sequence[Entry]) -> str | None:
    """pg_dump writes the table of contents first: what it names need not have come."""

    def there(name: str) -> bool:
        return any((file := folder / f"{name}{suffix}").is_file() and file.stat().st_size for suffix in _PACKED)

    lost = [e.name for e in entries if e.data and e.file and not there(e.file)]
    for entry in entries:
        if entry.data and entry.file and entry.file.endswith(".toc") and (folder / entry.file).is_file():
            listed = (folder / entry.file).read_text(encoding="utf-8", errors="replace").splitlines()
            named = [words for line in listed if len(words := line.split(" ", 1)) == 2]
            lost += [f"the large object {oid}" for oid, name in named if not (_lies(folder, name))]
    return cut_off(lost)


def _lies(folder: Path, name: str) -> bool:
    """A large object may be empty, and its file with it."""
    return any((folder / f"{name}{suffix}").is_file() for suffix in _PACKED)


def _missing_members(path: Path, entries: Sequence[Entry]) -> str | None:
    """A tar ends with two blocks of zeros, behind restore.sql."""
    try:
        with tarfile.open(path) as archive:
            members = set(archive.getnames())
    except tarfile.TarError:
        return "it is cut off: its end is missing"
    # Of large objects the table has another name than the archive.
    lost = [
        e.name
        for e in entries
        if e.data
        and e.file
        and members.isdisjoint((e.file, "blobs.toc", f"blobs_{e.number}.toc") if e.kind == "BLOBS" else (e.file,))
    ]
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1024))
        ended = file.read() == bytes(1024) and not file.tell() % 512
    return cut_off(lost) or (None if ended and "restore.sql" in members else "it is cut off: its end is missing")


# -- the table of contents -------------------------------------------------------------------------------------------


def _read(file: IO[bytes]) -> Contents:
    def taken(count: int) -> bytes:
        found = file.read(count)
        if len(found) < count:
            raise ValueError("it is cut off in its table of contents")
        return found

    if taken(len(MAGIC)) != MAGIC:
        raise ValueError("no archive of pg_dump")
    version = tuple(taken(2))
    _revision, integer, offset, form = taken(4)

    def number() -> int:
        raw = taken(1 + integer)
        value = int.from_bytes(raw[1:], "little")
        return -value if raw[0] else value

    def text() -> str | None:
        length = number()
        if length > _MOST_TEXT:
            raise ValueError("its table of contents is damaged")
        return None if length < 0 else taken(length).decode("utf-8", "replace")

    if version >= (1, 15):
        taken(1)  # how it is compressed
    else:
        number()
    second, minute, hour, day, month, year, _summer = (number() for _ in range(7))
    made_at = datetime(1900 + year, month + 1, day, hour, minute, min(second, 59))  # noqa: DTZ001  it names no zone
    header = Header(made_at=made_at, database=text() or "", server=text() or "")
    text()  # pg_dump's own version
    if not _OLDEST <= version <= _NEWEST:
        return Contents(header=header, entries=None, integer=integer, end=file.tell())

    def entry() -> Entry:
        own = number()
        dumps = bool(number())
        text(), text()  # the catalog's oid, and the object's
        tag, kind = text() or "", text() or ""
        number()  # the section
        text(), text(), text()  # how to make it, to drop it, to copy into it
        schema = text()
        text()  # the tablespace
        if version >= (1, 14):
            text()  # the access method
        if version >= (1, 16):
            number()  # the relation's kind
        text(), text()  # the owner; OIDs of rows
        while text() is not None:
            pass  # what it depends on
        data, at, name = dumps, None, None
        if form == _CUSTOM:
            state, place = taken(1)[0], int.from_bytes(taken(offset), "little")
            data, at = dumps and state != _NO_DATA, place if state == _SET else None
        else:
            name = text() or None
            data = dumps and name is not None
        return Entry(number=own, kind=kind, name=f"{schema}.{tag}" if schema else tag, data=data, offset=at, file=name)

    entries = tuple(entry() for _ in range(number()))
    return Contents(header=header, entries=entries, integer=integer, end=file.tell())
