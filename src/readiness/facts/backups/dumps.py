"""Dumps of pg_dump in a folder: archives (custom, directory, tar) and plain SQL, also compressed.

A dump's age is the time that the archive itself names, where that and the file's differ by more than a zone may explain: a
copy of an old dump is an old dump, and a job that failed leaves a fresh file of nothing.
"""

from __future__ import annotations

import gzip
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from readiness.facts.backups.store import Backup, Store

_MAGIC = b"PGDMP"
_PLAIN, _COMPLETE = b"PostgreSQL database dump", b"PostgreSQL database dump complete"
_TAIL = 4096
_ZONES = timedelta(hours=26)  # what two clocks of the same moment can differ by


def read(directory: Path) -> Store:
    """What lies in the folder; other files than dumps are passed over.

    Raises:
        OSError: the folder can't be read.
    """
    found = (_dump(path) for path in sorted(directory.iterdir()))
    return Store(encrypted=None, backups=tuple(d for d in found if d is not None), archived=None, logical=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the table of contents begins with (ReadHead, pg_backup_archiver.c).

    Args:
        made_at: in the zone of the machine that made it, whichever that is.
        server: the version of the server that was dumped.
    """

    made_at: datetime
    database: str
    server: str


def kind_of(path: Path) -> str | None:
    """archive, plain, or None where it is no dump."""
    if path.is_dir():
        return "archive" if (path / "toc.dat").is_file() else None
    if path.suffix == ".gz":
        try:
            with gzip.open(path, "rb") as unpacked:
                return "plain" if _PLAIN in unpacked.read(_TAIL) else None
        except (OSError, EOFError):
            return None
    with path.open("rb") as file:
        begin = file.read(_TAIL)
    if begin.startswith((_MAGIC, b"toc.dat\0")):
        return "archive"
    return "plain" if _PLAIN in begin else None


def header(path: Path) -> Header:
    """The head of an archive of any format.

    Raises:
        ValueError: it is cut off, or no archive.
    """
    if path.is_dir():
        with (path / "toc.dat").open("rb") as file:
            return _head(file)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            file.seek(0)
            return _head(file)
    with tarfile.open(path) as archive:
        member = archive.extractfile("toc.dat")
        if member is None:
            raise ValueError("an archive without a table of contents")
        return _head(member)  # type: ignore[arg-type]


def _dump(path: Path) -> Backup | None:
    kind = kind_of(path)
    names_itself = path.suffix in (".dump", ".sql", ".gz", ".pgdump", ".backup")
    if kind is None and not (path.is_file() and names_itself):
        return None
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    stopped_at = datetime.fromtimestamp(max(p.stat().st_mtime for p in files), UTC)
    failed = kind is None
    try:
        if kind == "archive":
            named = header(path).made_at.astimezone(UTC)
            stopped_at = named if stopped_at - named > _ZONES else stopped_at
        elif kind == "plain" and path.suffix != ".gz":
            failed = _COMPLETE not in _tail(path)
    except (ValueError, tarfile.TarError, OSError):
        failed = True
    return Backup(
        label=path.name,
        kind="full",
        prior=None,
        stopped_at=stopped_at,
        failed=failed,
        system_identifier=None,
        wal=None,
        size_bytes=sum(p.stat().st_size for p in files),
    )


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read()


def _head(file: BinaryIO) -> Header:
    def taken(count: int) -> bytes:
        found = file.read(count)
        if len(found) < count:
            raise ValueError("the table of contents is cut off")
        return found

    if taken(len(_MAGIC)) != _MAGIC:
        raise ValueError("no archive of pg_dump")
    version = tuple(taken(2))
    _revision, integer, _offset, _format = taken(4)

    def number() -> int:
        sign, value = taken(1)[0], int.from_bytes(taken(integer), "little")
        return -value if sign else value

    def text() -> str:
        length = number()
        return taken(length).decode("utf-8", "replace") if length > 0 else ""

    if version >= (1, 15):
        taken(1)  # how it is compressed
    else:
        number()
    second, minute, hour, day, month, year, _summer = (number() for _ in range(7))
    made_at = datetime(1900 + year, month + 1, day, hour, minute, min(second, 59))  # noqa: DTZ001  it names no zone
    return Header(made_at=made_at, database=text(), server=text())
