"""Folders of pg_basebackup, and the folder that WAL is archived to."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from readiness.facts.backups.store import Backup, Segment, Store


def read(directory: Path, wal: Path | None, segment_bytes: int) -> Store:
    """Folders with a backup_manifest, which pg_basebackup writes last: what has none is not whole.

    Raises:
        OSError: a folder can't be read.
    """

    def lies_there(file: Path) -> Segment | None:
        # One that is cut short (a full disk, a copy that was ended) is none, nor is one that begins with another's bytes
        # or with none (a file system that lost what wasn't flushed): no restore takes it.
        segment = Segment.named(file.name, segment_bytes)
        size = file.stat().st_size if segment else 0
        if segment is None or not size or file.suffix:
            return segment if size else None
        return segment if size == segment_bytes and _begins(file) in (None, segment.number * segment_bytes) else None

    return Store(
        encrypted=None,
        backups=tuple(_basebackup(folder, segment_bytes) for folder in sorted(directory.iterdir()) if folder.is_dir()),
        archived=None if wal is None else frozenset(s for f in wal.rglob("*") if (s := lies_there(f)) is not None),
    )


def _begins(wal: Path) -> int | None:
    """Where in the log a file of it says to begin (XLogPageHeaderData, xlog_internal.h); None where it may not be read.

    Behind two numbers of 16 bits and one of 32, in the machine's own order. No file begins at 0.
    """
    try:
        with wal.open("rb") as file:
            head = file.read(16)
    except PermissionError:
        return None
    begins: int = struct.unpack("=8xQ", head)[0]
    return begins


def _basebackup(folder: Path, segment_bytes: int) -> Backup:
    manifest = folder / "backup_manifest"
    if not manifest.is_file():
        return Backup(
            label=folder.name,
            kind="full",
            prior=None,
            stopped_at=datetime.fromtimestamp(folder.stat().st_mtime, UTC),
            failed=True,
            system_identifier=None,
            wal=None,
            size_bytes=0,
        )
    told = json.loads(manifest.read_bytes())
    files = {f.get("Path", ""): f for f in told["Files"]}
    # The time in the manifest, not the folder's own: a copy of an old backup is an old backup.
    began = datetime.strptime(files["backup_label"]["Last-Modified"], "%Y-%m-%d %H:%M:%S GMT").replace(tzinfo=UTC)
    return Backup(
        label=folder.name,
        kind="full",
        prior=None,
        stopped_at=began,
        failed=False,
        system_identifier=told.get("System-Identifier") or _system(folder / "global" / "pg_control"),
        wal=_ranges(told["WAL-Ranges"], segment_bytes),
        size_bytes=sum(f["Size"] for f in files.values()),
    )


def _ranges(ranges: Sequence[Mapping[str, Any]], segment_bytes: int) -> tuple[Segment, Segment] | None:
    if not ranges:
        return None

    def at(end: Mapping[str, Any], key: str) -> Segment:
        high, low = (int(part, 16) for part in end[key].split("/"))
        return Segment(timeline=end["Timeline"], number=(high * 2**32 + low - (key == "End-LSN")) // segment_bytes)

    return at(ranges[-1], "Start-LSN"), at(ranges[0], "End-LSN")


def _system(control: Path) -> int | None:
    """The first field of pg_control (ControlFileData, pg_control.h): the system identifier, in the machine's own order."""
    try:
        with control.open("rb") as file:
            found: int = struct.unpack("=Q", file.read(8))[0]
    except FileNotFoundError:
        return None
    return found
