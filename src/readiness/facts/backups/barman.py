"""What Barman keeps of one server, as its commands list it in JSON.

Where its files lie on another machine, its catalog is all that `list-files` tells, and that doesn't notice what was deleted:
`get-wal --peek` looks for the files themselves, from one on to the first that isn't there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from readiness.authoring import Unobservable
from readiness.facts.backups.store import SETTLES_SECONDS, Backup, Segment, Store, answer_of
from readiness.facts.backups.wal_files import histories_in, segment_in
from readiness.model import Reason

_DONE = ("DONE", "WAITING_FOR_WALS")
_MOST_PEEKS = 3
"""How often a timeline's files are looked for again, behind one that isn't there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where Barman keeps a server's files, on its own machine; `coming` is what its next round takes into `wal`."""

    home: Path
    wal: Path
    coming: tuple[Path, ...]


def read(command: Sequence[str], server: str, segment_bytes: int) -> Store:
    """Backups by `list-backups`, the WAL by its folder where that is here, else by `list-files` of each backup.

    Raises:
        Unobservable: it can't be asked, or refuses.
    """
    listed = _ask(command, server, "list-backups", server)
    place = _place(command, server)
    system = _system(place.home)
    done = sorted(b["backup_id"] for b in listed if b["status"] in _DONE)
    ends = {label: _ends(command, server, label, segment_bytes) for label in {*done[:1], *done[-1:]}}
    backups = [
        Backup(
            label=b["backup_id"],
            kind="full",  # what it saves by links or blocks is whole when it is restored
            prior=None,
            stopped_at=datetime.fromtimestamp(int(b.get("end_time_timestamp", 0)), UTC),
            wrong=None if b["status"] in _DONE else f"Barman has it as {b['status']}",
            system_identifier=system,
            wal=ends.get(b["backup_id"]),
            size_bytes=int(b.get("size_bytes", 0)),
        )
        for b in listed
    ]
    told: dict[int, Segment] = {}
    histories: frozenset[int] | None = None
    if place.wal.is_dir():
        # What the server handed over lies in a folder of its own until Barman's next round (cron, each minute) takes it
        # into the catalog; `get-wal` finds it there. What lies there for longer nobody takes. Asked first, since a round
        # may come between.
        young = time.time() - SETTLES_SECONDS
        coming = [f for folder in place.coming if folder.is_dir() for f in folder.iterdir() if _written(f) > young]
        lying = [f for f in (*coming, *place.wal.rglob("*")) if f.is_file()]
        told, histories = histories_in(lying, segment_bytes)
        found = {segment_in(f, segment_bytes, strange=True) for f in lying}
    else:
        names = [line.rpartition("/")[2] for label in done for line in _files(command, server, label)]
        found = _lying(command, server, {Segment.named(name, segment_bytes) for name in names}, segment_bytes)
    archived = frozenset(s for s in found if s is not None)
    store = Store(
        encrypted=None,
        backups=tuple(backups),
        archived=archived,
        settles=histories is None,
        branches=told,
        histories=histories,
    )
    oldest = next((b for b in backups if b.label in done[:1]), None)
    if not (store.gaps(oldest, None) or store.lost_histories(oldest)):
        return store
    # From which on nothing is missing, shows by where each begins.
    asked = [
        b if b.wal or b.label not in done else replace(b, wal=_ends(command, server, b.label, segment_bytes))
        for b in backups
    ]
    return replace(store, backups=tuple(asked))


def _place(command: Sequence[str], server: str) -> Place:
    told = _ask(command, server, "show-servers", server)
    coming = (told.get(f"{how}_wals_directory") for how in ("incoming", "streaming"))
    return Place(
        home=Path(told["backup_directory"]),
        wal=Path(told["wals_directory"]),
        coming=tuple(Path(folder) for folder in coming if folder),
    )


def _written(file: Path) -> float:
    with suppress(FileNotFoundError):  # a round took it
        return file.stat().st_mtime
    return 0.0


def home(command: Sequence[str], server: str) -> Path:
    """The folder of a server on Barman's machine; whose it is may read it.

    Raises:
        Unobservable: it can't be asked.
    """
    return _place(command, server).home


def tablespaces(command: Sequence[str], server: str, label: str) -> list[str]:
    """The names of a backup's tablespaces: `recover` puts each that it isn't told of where the living server has it.

    Raises:
        Unobservable: it can't be told.
    """
    told = _ask(command, server, "show-backup", server, label)
    if not isinstance(told.get("tablespaces"), list):
        raise Unobservable(Reason.ERROR, f"barman show-backup doesn't tell the tablespaces of {label}")
    return [str(space["name"]) for space in told["tablespaces"]]


def _ends(command: Sequence[str], server: str, label: str, segment_bytes: int) -> tuple[Segment, Segment] | None:
    told = _ask(command, server, "show-backup", server, label)["base_backup_information"]
    first, last = (Segment.named(told.get(key) or "", segment_bytes) for key in ("begin_wal", "end_wal"))
    return (first, last) if first is not None and last is not None else None


def _files(command: Sequence[str], server: str, label: str) -> list[str]:
    told = json.loads(answer_of([*command, "-f", "json", "list-files", "--target", "wal", server, label]))
    return [str(line) for line in told.get("_INFO", [])]


def _lying(command: Sequence[str], server: str, listed: set[Segment | None], segment_bytes: int) -> set[Segment | None]:
    """What is listed without what doesn't lie there; what wasn't looked for is believed."""
    gone: set[Segment | None] = set()
    for timeline in sorted({s.timeline for s in listed if s is not None}, reverse=True):
        waiting = sorted(s.number for s in listed if s is not None and s.timeline == timeline)
        for _ in range(_MOST_PEEKS):
            if not waiting:
                break
            first = Segment(timeline=timeline, number=waiting[0])
            words = ("get-wal", "--peek", str(waiting[-1] - waiting[0] + 1), server, first.name(segment_bytes))
            try:
                there = {Segment.named(line, segment_bytes) for line in answer_of([*command, *words]).split()}
            except Unobservable:  # a Barman that doesn't know it, or refuses
                return listed - gone
            reached = max((s.number for s in there if s is not None), default=first.number - 1)
            if reached + 1 in waiting:
                gone.add(Segment(timeline=timeline, number=reached + 1))
            waiting = [number for number in waiting if number > reached + 1]
    return listed - gone


def _system(folder: Path) -> int | None:
    """Of the cluster that Barman began to keep; where it lies on another machine it isn't told."""
    with suppress(OSError, ValueError, KeyError):
        return int(json.loads((folder / "identity.json").read_text(encoding="utf-8"))["systemid"])
    return None


def _ask(command: Sequence[str], server: str, *words: str) -> Any:
    try:
        told = json.loads(answer_of([*command, "-f", "json", *words]))
    except Unobservable as refusal:
        if "Unknown server" in refusal.detail:
            raise Unobservable(Reason.NOT_CONFIGURED, f"Barman knows no server {server!r}") from None
        raise
    return told[server]
