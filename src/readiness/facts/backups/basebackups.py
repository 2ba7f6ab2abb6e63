"""Folders of pg_basebackup, and the folder that WAL is archived to."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import tarfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from readiness.facts.backups import packed
from readiness.facts.backups.store import Backup, Segment, Store
from readiness.facts.backups.wal_files import histories_in, segment_in

_OWN = ("postgresql.auto.conf", "standby.signal", "recovery.signal")
"""What `pg_basebackup -R` writes behind the manifest's back; pg_verifybackup passes them over, too."""


def read(directory: Path, wal: Path | None, segment_bytes: int) -> Store:
    """Folders with a backup_manifest, which pg_basebackup writes last: what has none is not whole.

    Raises:
        OSError: a folder can't be read.
    """
    folders = [folder for folder in sorted(directory.iterdir()) if folder.is_dir()]
    label = cache(_label)
    backups = tuple(_basebackup(folder, segment_bytes, folders, label) for folder in folders)
    if wal is None:
        return Store(encrypted=None, backups=backups, archived=None)
    files = list(wal.rglob("*"))
    told, histories = histories_in(files, segment_bytes)
    return Store(
        encrypted=None,
        backups=backups,
        archived=frozenset(s for f in files if (s := segment_in(f, segment_bytes)) is not None),
        branches=told,
        histories=histories,
    )


def _basebackup(
    folder: Path, segment_bytes: int, beside: Sequence[Path], label_of: Callable[[Path], str | None]
) -> Backup:
    manifest = folder / "backup_manifest"
    try:
        told = json.loads(manifest.read_bytes())
        files = {_path(f): f for f in told["Files"]}
        # The time in the manifest, not the folder's own: a copy of an old backup is an old backup.
        label = files["backup_label"]
        began = datetime.strptime(label["Last-Modified"], "%Y-%m-%d %H:%M:%S GMT").replace(tzinfo=UTC)
    except FileNotFoundError:
        return _no_backup(folder, _without_manifest(folder))
    except (ValueError, KeyError, TypeError):
        return _no_backup(folder, "its backup_manifest is cut off, or none")
    prior = unread = None
    incremental = any("INCREMENTAL." in path for path in files)
    if incremental and label_of(folder) is None:
        unread = "on what it builds can't be seen: what unpacks its base.tar is not installed here"
    elif incremental:
        prior = _summed_from(folder, beside, label_of)
    return Backup(
        label=folder.name,
        kind="incr" if incremental else "full",
        prior=prior,
        stopped_at=began,
        wrong=(wrong := _lost(folder, files)),
        unread=None if wrong else unread,
        system_identifier=told.get("System-Identifier") or _system(folder / "global" / "pg_control"),
        wal=_ranges(told["WAL-Ranges"], segment_bytes),
        size_bytes=sum(f["Size"] for f in files.values()),
    )


def _path(file: Mapping[str, Any]) -> str:
    """Of a file in the manifest; in hexadecimal where it is no UTF-8."""
    return str(file["Path"]) if "Path" in file else os.fsdecode(bytes.fromhex(file["Encoded-Path"]))


def _no_backup(folder: Path, wrong: str) -> Backup:
    return Backup(
        label=folder.name,
        kind="full",
        prior=None,
        stopped_at=datetime.fromtimestamp(folder.stat().st_mtime, UTC),
        wrong=wrong,
        system_identifier=None,
        wal=None,
        size_bytes=0,
    )


def _without_manifest(folder: Path) -> str:
    if not any((folder / name).exists() for name in ("backup_label", "global")) and not _tars(folder):
        return "it holds no backup of pg_basebackup"
    return "it has no backup_manifest, which comes last: it was broken off, or taken with --no-manifest"


def _tars(folder: Path) -> dict[str, Path]:
    """The archives of the tar format, by the name that each has before its suffixes."""
    return {p.name.partition(".")[0]: p for p in folder.iterdir() if re.search(r"\.tar(\.\w+)?$", p.name)}


def _lost(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What the manifest names and the folder doesn't hold in its size. Whether bytes are right, pg_verifybackup tells."""
    tars = _tars(folder)
    if "base" not in tars:
        lost = [path for path, file in files.items() if path not in _OWN and _size(folder / path) != file["Size"]]
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return f"files are missing or cut off that its backup_manifest names: {lost[0]}{more}" if lost else None
    least: dict[str, int] = {}
    for path, file in files.items():
        first, _, rest = path.partition("/")
        tar = rest.partition("/")[0] if first == "pg_tblspc" and "/" in rest else "base"
        least[tar] = least.get(tar, 0) + 512 + -(-file["Size"] // 512) * 512  # a header, and whole blocks
    for tar, size in least.items():
        there = tars.get(tar)
        if there is None:
            return f"{tar}.tar is missing, of which its backup_manifest names files"
        if not there.stat().st_size or (there.suffix == ".tar" and there.stat().st_size < size):
            return f"{there.name} is cut off: it is smaller than its files"
        if packed.whole(there) is False:
            return f"{there.name} is cut off, or damaged"
    return None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _label(folder: Path) -> str | None:
    """The label that pg_basebackup leaves in it, in a tar as its first member; empty where there is none.

    None where it takes a program to unpack it that isn't here.
    """
    with suppress(OSError):
        return (folder / "backup_label").read_text(encoding="utf-8", errors="replace")
    tar = _tars(folder).get("base")
    if tar is None:
        return ""
    if tar.suffix in packed.PROGRAMS and shutil.which(packed.PROGRAMS[tar.suffix]) is None:
        return None
    with suppress(*packed.BROKEN, tarfile.TarError, KeyError), closing(packed.pieces(tar)) as pieces:
        begin = io.BytesIO(next(pieces, b""))
        with tarfile.open(fileobj=begin, mode="r:") as archive:
            first = archive.next()
            member = archive.extractfile(first) if first and first.name.endswith("backup_label") else None
            return member.read().decode("utf-8", "replace") if member else ""
    return ""


def chain(folder: Path) -> list[Path]:
    """The full backup that one builds on, the incremental ones above it, and itself.

    Raises:
        FileNotFoundError: one of them isn't beside it.
    """
    beside, label = [f for f in sorted(folder.parent.iterdir()) if f.is_dir()], cache(_label)
    found = [folder]
    while "INCREMENTAL FROM LSN" in (label(found[0]) or ""):
        below = folder.parent / _summed_from(found[0], beside, label)
        if below in found or below not in beside:
            raise FileNotFoundError(f"what {found[0].name} builds on isn't beside it")
        found.insert(0, below)
    return found


def _summed_from(folder: Path, beside: Sequence[Path], label_of: Callable[[Path], str | None]) -> str:
    """The folder beside an incremental backup that it builds on; no folder's name where there is none."""
    wanted = re.search(r"(?m)^INCREMENTAL FROM LSN: (\S+)", label_of(folder) or "")
    for other in beside if wanted else ():
        begins = re.search(r"(?m)^START WAL LOCATION: (\S+)", label_of(other) or "")
        if wanted and begins and begins[1] == wanted[1] and other != folder:
            return other.name
    return "the backup that it builds on"


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
