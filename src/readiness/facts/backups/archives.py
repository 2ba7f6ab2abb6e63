"""Archives of pg_dump (custom, directory, tar): what their table of contents names, and whether all of it is there.

By pg_backup_archiver.c, pg_backup_custom.c, pg_backup_tar.c and pg_backup_directory.c. Nothing is unpacked: the lengths that
the custom format writes before each piece lead from one to the next, and to the file's end. Of the directory format there are
also tars, packed by others.
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from readiness.facts.backups.held import OF_THE_WHOLE, Held

MAGIC = b"PGDMP"
TOC = "toc.dat"

_FORM = len(MAGIC) + 5  # behind the version in three bytes, and the sizes of an integer and of an offset
_OLDEST, _NEWEST = (1, 12), (1, 16)  # of 9.0; of 17 and 18
_CUSTOM, _DIRECTORY = 1, 5
_SET, _NO_DATA = 2, 3
_LARGE_OBJECTS = 3
_NUMBERED = frozenset(map(str, (1247, 1255, 1259, 2604, 2606, 2615, 2620, 3256)))
"""pg_type, pg_proc, pg_class, pg_attrdef, pg_constraint, pg_namespace, pg_trigger, pg_policy: nobody chooses an oid there."""
_MOST_TEXT = 64 << 20  # of one entry's definition
_BLOCK = 4096
_AHEAD = 1 << 18
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
        oid: of what it describes, by the server that was dumped; 0 where that is nothing of the catalog.
        numbered: by the server, one object after another.
        data: it has data, which lies in the archive.
        offset: where in the file, of the custom format; None where whoever wrote it could not go back to say.
        file: in which file, of the others.
    """

    number: int
    kind: str
    name: str
    oid: int
    numbered: bool
    data: bool
    offset: int | None
    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How an archive writes what it writes.

    Args:
        integer: bytes of an integer, without its sign.
        offset: bytes of a place in the file.
    """

    version: tuple[int, ...]
    integer: int
    offset: int
    form: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The table of contents.

    Args:
        entries: None where they are of a version that is not known here.
        begin: where the entries begin, with their count.
        end: where the table ends.
    """

    header: Header
    layout: Layout
    entries: tuple[Entry, ...] | None
    begin: int
    end: int


def contents(path: Path) -> Contents:
    """The table of contents of an archive of any format.

    Raises:
        ValueError: it is cut off, or no archive.
        OSError: it can't be read.
    """
    if path.is_dir():
        with (path / TOC).open("rb") as file:
            return read(file)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            file.seek(0)
            return read(file)
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile(TOC)
            if member is None:
                raise ValueError("an archive without a table of contents")
            return read(member)
    except (tarfile.TarError, KeyError) as error:
        raise ValueError("it is cut off, or no archive") from error


def held(table: Contents) -> Held | None:
    """What it lists; None where it is of a version that is not known here."""
    if table.entries is None:
        return None
    found = Held()
    for entry in table.entries:
        if entry.kind == "TABLE":
            found.defined[entry.name] = entry.oid
        elif entry.kind == "TABLE DATA":
            found.filled[entry.name] = entry.oid
        found.whole = found.whole or entry.kind in OF_THE_WHOLE
        if entry.numbered:
            found.number(entry.oid)
    return found


class Late(Exception):  # noqa: N818  an answer
    """There was no time to go through all of it."""


def of_folder(begin: bytes) -> bool:
    """Whether a table of contents that begins so is of the directory format."""
    return begin.startswith(MAGIC) and begin[_FORM : _FORM + 1] == bytes([_DIRECTORY])


def wrong_with(path: Path, table: Contents, seconds: float) -> str | None:
    """What keeps an archive from giving back its database; None where all that its table of contents names is there.

    Raises:
        Late: it took longer.
        OSError: it can't be read.
    """
    if path.is_dir():
        return None if table.entries is None else _missing_files(path, table.entries)
    if tarfile.is_tarfile(path):
        return _missing_members(path, table.entries or ())
    return _missing_pieces(path, table, seconds)


def cut_off(lost: Sequence[str]) -> str | None:
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return f"it is cut off: {lost[0]}{more} is not in it" if lost else None


# -- the custom format -----------------------------------------------------------------------------------------------


def _missing_pieces(path: Path, table: Contents, seconds: float) -> str | None:
    size = path.stat().st_size
    with path.open("rb", buffering=1 << 18) as file:
        entries = table.entries
        if (again := written_again(file, table, size)) is not None:
            entries, size = again, size - (table.end - table.begin)
        walk = _Walk(file, size, table.layout.integer, time.monotonic() + seconds)
        if entries is None:
            return None if walk.ends_well() else "it is cut off: its end is missing"
        wanted = {e.number: e for e in entries if e.data}
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
        try:
            found = walk.through(max(told.values()) if len(told) == len(wanted) else table.end)
        except Late:
            if len(told) < len(wanted) or not walk.written_to_end():
                raise
            return None
    if found is None:
        return "it is cut off, or damaged: its last part leads nowhere"
    return None if len(told) == len(wanted) else cut_off([e.name for n, e in wanted.items() if n not in found])


def written_again(file: IO[bytes], table: Contents, size: int) -> tuple[Entry, ...] | None:
    """The entries as they stand behind all data, where they do.

    With the data's places, which weren't known before, pg_dump writes them once more over the first ones; but of 18 to
    the end, where its standard output is a file (the shell's `>`).

    Args:
        size: where the file ends, counted as the table's places are.
    """
    at = size - (table.end - table.begin)
    if table.entries is None or at < table.end:
        return None
    file.seek(at)
    try:
        again = _entries(_Reader(file, table.layout), len(table.entries))
    except ValueError:
        return None
    same = again is not None and [e.number for e in again] == [e.number for e in table.entries]
    return again if same and file.tell() == size else None


@dataclass(frozen=True, slots=True)
class _Walk:
    """The pieces of a custom archive: a type, the entry's number, chunks with their lengths, a length of nothing."""

    file: IO[bytes]
    size: int
    integer: int
    until: float

    def ends_well(self) -> bool:
        mark = bytes(1 + self.integer)
        self.file.seek(max(0, self.size - len(mark)))
        return self.file.read(len(mark)) == mark

    def written_to_end(self) -> bool:
        """A file system that lost the end leaves zeros, which look like a mark."""
        self.file.seek(max(0, self.size - _BLOCK))
        return any(self.file.read(_BLOCK - (1 + self.integer)))

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
        """Without compression each row is one: what was read ahead is gone through where it lies."""
        word = 1 + self.integer
        at = self.file.tell()
        while True:
            if time.monotonic() > self.until:
                raise Late
            self.file.seek(at)
            ahead = self.file.read(_AHEAD)
            inside = 0
            while inside + word <= len(ahead):
                length = int.from_bytes(ahead[inside + 1 : inside + word], "little")
                if ahead[inside]:  # less than nothing
                    return False
                inside += word + length
                if not length:
                    self.file.seek(at + inside)
                    return True
            if not inside or at + inside > self.size:
                return False
            at += inside

    def _number(self) -> int | None:
        raw = self.file.read(1 + self.integer)
        if len(raw) <= self.integer:
            return None
        value = int.from_bytes(raw[1:], "little")
        return -value if raw[0] else value


# -- the others ------------------------------------------------------------------------------------------------------


def _missing_files(folder: Path, entries: Sequence[Entry]) -> str | None:
    """pg_dump writes the table of contents first: what it names need not have come."""
    sizes = {p.name: p.stat().st_size for p in folder.iterdir() if p.is_file()}
    return missing_of(entries, sizes, lambda name: (folder / name).read_bytes())


def missing_of(entries: Sequence[Entry], sizes: Mapping[str, int], content: Callable[[str], bytes]) -> str | None:
    """What a folder with these files lacks.

    Args:
        content: of a list of large objects.
    """

    def there(name: str) -> bool:
        return any(sizes.get(f"{name}{suffix}") for suffix in _PACKED)

    def lies(name: str) -> bool:
        return any(f"{name}{suffix}" in sizes for suffix in _PACKED)  # it may be empty

    lost = [e.name for e in entries if e.data and e.file and not there(e.file)]
    for entry in entries:
        if entry.data and entry.file and is_list(entry.file) and entry.file in sizes:
            listed = content(entry.file).decode("utf-8", "replace").splitlines()
            named = [words for line in listed if len(words := line.split(" ", 1)) == 2]
            lost += [f"the large object {oid}" for oid, name in named if not lies(name)]
    return cut_off(lost)


def is_list(name: str) -> bool:
    """Of large objects: which files they lie in."""
    return name.endswith(".toc")


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


class _Reader:
    """Numbers and texts, one behind the other."""

    def __init__(self, file: IO[bytes], layout: Layout) -> None:
        self.file, self.layout = file, layout

    def taken(self, count: int) -> bytes:
        found = self.file.read(count)
        if len(found) < count:
            raise ValueError("it is cut off in its table of contents")
        return found

    def number(self) -> int:
        raw = self.taken(1 + self.layout.integer)
        value = int.from_bytes(raw[1:], "little")
        return -value if raw[0] else value

    def text(self) -> str | None:
        length = self.number()
        if length > _MOST_TEXT:
            raise ValueError("its table of contents is damaged")
        return None if length < 0 else self.taken(length).decode("utf-8", "replace")

    def texts(self, count: int) -> None:
        for _ in range(count):
            self.text()


def read(file: IO[bytes]) -> Contents:
    """The table of contents that begins there.

    Raises:
        ValueError: it is cut off, or none.
    """
    begin = file.read(_FORM + 1)
    if begin[: len(MAGIC)] != MAGIC:
        raise ValueError("no archive of pg_dump")
    if len(begin) <= _FORM:
        raise ValueError("it is cut off in its table of contents")
    major, minor, _revision, integer, offset, form = begin[len(MAGIC) :]
    layout = Layout(version=(major, minor), integer=integer, offset=offset, form=form)
    reader = _Reader(file, layout)
    if layout.version >= (1, 15):
        reader.taken(1)  # how it is compressed
    else:
        reader.number()
    second, minute, hour, day, month, year, _summer = (reader.number() for _ in range(7))
    made_at = datetime(1900 + year, month + 1, day, hour, minute, min(second, 59))  # noqa: DTZ001  it names no zone
    header = Header(made_at=made_at, database=reader.text() or "", server=reader.text() or "")
    reader.text()  # pg_dump's own version
    at = file.tell()
    entries = _entries(reader) if _OLDEST <= layout.version <= _NEWEST else None
    return Contents(header=header, layout=layout, entries=entries, begin=at, end=file.tell())


def _entries(reader: _Reader, expected: int | None = None) -> tuple[Entry, ...] | None:
    """None where they are not as many as expected."""
    count = reader.number()
    return None if expected not in (None, count) else tuple(_entry(reader) for _ in range(count))


def _entry(reader: _Reader) -> Entry:
    layout = reader.layout
    own = reader.number()
    dumps = bool(reader.number())
    catalog, oid = reader.text(), int(reader.text() or 0)
    tag, kind = reader.text() or "", reader.text() or ""
    reader.number()  # the section
    reader.texts(3)  # how to make it, to drop it, to copy into it
    schema = reader.text()
    reader.text()  # the tablespace
    if layout.version >= (1, 14):
        reader.text()  # the access method
    if layout.version >= (1, 16):
        reader.number()  # the relation's kind
    reader.texts(2)  # the owner; OIDs of rows
    while reader.text() is not None:
        pass  # what it depends on
    data, at, name = dumps, None, None
    if layout.form == _CUSTOM:
        state, place = reader.taken(1)[0], int.from_bytes(reader.taken(layout.offset), "little")
        data, at = dumps and state != _NO_DATA, place if state == _SET else None
    else:
        name = reader.text() or None
        data = dumps and name is not None
    return Entry(
        number=own,
        kind=kind,
        name=f"{schema}.{tag}" if schema else tag,
        oid=oid,
        numbered=catalog in _NUMBERED,
        data=data,
        offset=at,
        file=name,
    )
