"""The backups that there are, and the archived WAL beside them, as their stores list them. Nothing is restored here.

What a tool says of itself is not believed where it can be seen: a segment that was never handed over leaves pgBackRest's
`info` and `verify`, and pg_stat_archiver, all green, and the restore ends before it. So the segments are counted.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target, declared
from readiness.model import Reason
from readiness.profile import BackupStore

COMMAND_SECONDS = 60.0
_SAID = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A WAL file's place: the timeline, and its number on it (XLByteToSeg, xlog_internal.h)."""

    timeline: int
    number: int

    @classmethod
    def named(cls, name: str, segment_bytes: int) -> Self | None:
        """Of a file's name; None for a history file, a partial or something else."""
        found = _WAL_NAME.match(name)
        if not found:
            return None
        timeline, high, low = (int(part, 16) for part in found.groups())
        return cls(timeline=timeline, number=high * (2**32 // segment_bytes) + low)

    def name(self, segment_bytes: int) -> str:
        high, low = divmod(self.number, 2**32 // segment_bytes)
        return f"{self.timeline:08X}{high:08X}{low:08X}"


# The name alone, or with what tools add: pgBackRest the checksum, and the suffix of how it is packed.
_WAL_NAME = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(?:-[0-9a-f]{40})?(?:\.(?:gz|lz4|zst|bz2|xz))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup.

    Args:
        kind: full, diff or incr.
        prior: the label of the one that it builds on.
        stopped_at: when it was whole (for base backups: when it began, which is what the files themselves say).
        failed: it is not whole, or holds pages that were damaged when they were read.
        system_identifier: of the cluster that it was taken of; None where that can't be told.
        wal: the first and the last segment without which it is nothing.
    """

    label: str
    kind: str
    prior: str | None
    stopped_at: datetime
    failed: bool
    system_identifier: int | None
    wal: tuple[Segment, Segment] | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What one store holds.

    Args:
        encrypted: whether what lies there is enciphered by the tool; None where the tool leaves that to others.
        archived: the segments that lie there; None where it keeps no WAL.
    """

    encrypted: bool | None
    backups: tuple[Backup, ...]
    archived: frozenset[Segment] | None

    def good(self, system_identifier: int | None) -> tuple[Backup, ...]:
        """Those that are whole with all that they build on, and of this cluster; oldest first."""
        own = {b.label: b for b in self.backups if not b.failed and b.system_identifier in (None, system_identifier)}

        def whole(backup: Backup | None) -> bool:
            while backup is not None and backup.prior is not None:
                backup = own.get(backup.prior)
            return backup is not None

        return tuple(sorted((b for b in own.values() if whole(b)), key=lambda b: b.stopped_at))

    def gaps(self, oldest: Backup | None, last_archived: Segment | None) -> list[Segment]:
        """The segments that are missing from the oldest backup that counts up to what the server says is archived."""
        if self.archived is None:
            return []
        by_timeline: dict[int, set[int]] = {}
        for segment in self.archived:
            by_timeline.setdefault(segment.timeline, set()).add(segment.number)
        first = oldest.wal[0] if oldest and oldest.wal else None
        for edge in (first, oldest.wal[1] if oldest and oldest.wal else None, last_archived):
            if edge is not None:
                by_timeline.setdefault(edge.timeline, set())
        missing: list[Segment] = []
        for timeline, have in sorted(by_timeline.items()):
            if first is not None and timeline < first.timeline:
                continue
            ends = [s.number for s in (first, last_archived) if s is not None and s.timeline == timeline]
            if first is not None and oldest is not None and oldest.wal and oldest.wal[1].timeline == timeline:
                ends.append(oldest.wal[1].number)
            low = first.number if first is not None and first.timeline == timeline else min([*have, *ends])
            high = max([*have, *ends])
            missing += [Segment(timeline=timeline, number=n) for n in range(low, high + 1) if n not in have][
                : _MOST_MISSING - len(missing)
            ]
        return missing


_MOST_MISSING = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """The declared stores, and what the server itself says beside them.

    Args:
        stores: name -> what it holds, or why that could not be seen.
        clock: the server's, UTC.
        last_archived: what the archiver says it handed over last, before the stores were asked.
        system_identifier: None where the role may not read it.
    """

    stores: Mapping[str, Store | Unobservable]
    clock: datetime
    last_archived: Segment | None
    segment_bytes: int
    system_identifier: int | None
    age_hours: float
    window_days: float

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        declared(target.profile, "backups")
        (row,) = postgres.rows(_LOOK, marker="backups")
        try:
            (control,) = postgres.rows(
                "select s.system_identifier::text as id from pg_catalog.pg_control_system() as s", marker="backups"
            )
            identifier = int(control["id"])
        except Unobservable:
            identifier = None
        segment_bytes = row["segment_bytes"]
        last = Segment.named(row["last_archived_wal"] or "", segment_bytes)  # before the stores are asked
        folder = target.folder
        return cls(
            stores={n: _look(s, folder, segment_bytes, identifier) for n, s in target.profile.backups.items()},
            clock=datetime.fromtimestamp(row["clock"], UTC),
            last_archived=last,
            segment_bytes=segment_bytes,
            system_identifier=identifier,
            age_hours=target.profile.targets.backup_age_hours,
            window_days=target.profile.targets.recovery_window_days,
        )


_LOOK = """
select
    extract(epoch from pg_catalog.clock_timestamp())::float8 as clock,
    (select a.last_archived_wal from pg_catalog.pg_stat_archiver as a) as last_archived_wal,
    (select s.setting::int8 from pg_catalog.pg_settings as s where s.name = 'wal_segment_size') as segment_bytes
"""


def _look(store: BackupStore, folder: Path, segment_bytes: int, system_identifier: int | None) -> Store | Unobservable:
    try:
        match store.tool:
            case "pgbackrest":
                assert store.stanza is not None
                return pgbackrest(store.command, store.stanza, segment_bytes, system_identifier)
            case "basebackup":
                assert store.directory is not None
                wal = folder / store.wal_directory if store.wal_directory else None
                return basebackups(folder / store.directory, wal, segment_bytes)
    except Unobservable as refusal:
        return refusal
    except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        return Unobservable(Reason.ERROR, f"what it answers is not understood: {type(error).__name__}: {error}")
    except OSError as error:
        return Unobservable(Reason.UNREACHABLE, f"{error.filename or store.tool}: {error.strerror or error}")


# -- pgBackRest ------------------------------------------------------------------------------------------------


def pgbackrest(command: Sequence[str], stanza: str, segment_bytes: int, system_identifier: int | None) -> Store:
    """What pgBackRest's `info` and `repo-ls` list of a stanza, in all its repositories together.

    WAL counts where it is of the given system: a stanza that was upgraded holds that of the cluster before, too.

    Raises:
        Unobservable: it can't be asked, or refuses.
    """
    found = json.loads(_run([*command, f"--stanza={stanza}", "info", "--output=json"]))
    (info,) = [i for i in found if i["name"] == stanza] or [None]
    if info is None or info["status"]["code"] == 1:  # "missing stanza path"
        raise Unobservable(Reason.NOT_CONFIGURED, f"pgBackRest knows no stanza {stanza!r}", "pgbackrest stanza-create")
    systems = {(d["repo-key"], d["id"]): d["system-id"] for d in info["db"]}
    backups = []
    for b in info["backup"]:
        database = b["database"]
        ends = [Segment.named(b["archive"][end] or "", segment_bytes) for end in ("start", "stop")]
        backups.append(
            Backup(
                label=b["label"],
                kind=b["type"],
                prior=b["prior"],
                stopped_at=datetime.fromtimestamp(b["timestamp"]["stop"], UTC),
                failed=bool(b.get("error")),
                system_identifier=systems.get((database["repo-key"], database["id"])),
                wal=(ends[0], ends[1]) if ends[0] is not None and ends[1] is not None else None,
                size_bytes=b["info"]["size"],
            )
        )
    archived: set[Segment] = set()
    for archive in info["archive"]:
        if system_identifier not in (None, systems[archive["database"]["repo-key"], archive["database"]["id"]]):
            continue
        repository = f"--repo={archive['database']['repo-key']}"
        # `info` tells the first and the last one alone, of which nothing follows for what lies between.
        path = f"archive/{stanza}/{archive['id']}"
        listed = json.loads(_run([*command, repository, "repo-ls", path, "--recurse", "--output=json"]))
        for name in listed:
            if (segment := Segment.named(name.rpartition("/")[2], segment_bytes)) is not None:
                archived.add(segment)
    return Store(
        encrypted=all(r["cipher"] != "none" for r in info["repo"]) if info["repo"] else None,
        backups=tuple(backups),
        archived=frozenset(archived),
    )


def _run(words: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except FileNotFoundError:
        raise Unobservable(
            Reason.UNREACHABLE, f"{words[0]}: there is no such program here", "install it, or name the way in `command`"
        ) from None
    except subprocess.TimeoutExpired:
        raise Unobservable(Reason.TIMEOUT, f"{words[0]} gave no answer in {COMMAND_SECONDS:g} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())[-_SAID:]
        raise Unobservable(Reason.UNREACHABLE, f"{words[0]} ended with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")


# -- base backups in a folder ------------------------------------------------------------------------------------


def basebackups(directory: Path, wal: Path | None, segment_bytes: int) -> Store:
    """Folders with a backup_manifest, which pg_basebackup writes last: what has none is not whole.

    Raises:
        OSError: a folder can't be read.
    """
    return Store(
        encrypted=None,
        backups=tuple(_basebackup(folder, segment_bytes) for folder in sorted(directory.iterdir()) if folder.is_dir()),
        archived=None
        if wal is None
        else frozenset(s for f in wal.rglob("*") if (s := Segment.named(f.name, segment_bytes)) is not None),
    )


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
