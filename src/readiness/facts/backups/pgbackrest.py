"""What pgBackRest keeps, as its `info` and `repo-ls` list it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from readiness.authoring import Unobservable
from readiness.facts.backups.store import Backup, Segment, Store, answer_of, branches
from readiness.model import Reason

_HISTORY = re.compile(r"([0-9A-F]{8})\.history")
_PACKED = (".gz", ".lz4", ".zst", ".bz2")


def read(command: Sequence[str], stanza: str, segment_bytes: int, system_identifier: int | None) -> Store:
    """What pgBackRest's `info` and `repo-ls` list of a stanza, in all its repositories together.

    WAL counts where it is of the given system: a stanza that was upgraded holds that of the cluster before, too.

    Raises:
        Unobservable: it can't be asked, or refuses.
    """
    found = json.loads(answer_of([*command, f"--stanza={stanza}", "info", "--output=json"]))
    (info,) = [i for i in found if i["name"] == stanza] or [None]
    if info is None or info["status"]["code"] == 1:  # "missing stanza path"
        raise Unobservable(Reason.NOT_CONFIGURED, f"pgBackRest knows no stanza {stanza!r}", "pgbackrest stanza-create")
    systems = {(d["repo-key"], d["id"]): d["system-id"] for d in info["db"]}
    backups = []
    # The catalog lists what it was told to keep, whether or not that still lies there.
    keys = {b["database"]["repo-key"] for b in info["backup"]}
    lying = {key: _listed(command, key, f"backup/{stanza}") for key in keys}
    for b in info["backup"]:
        database = b["database"]
        wrong = "pgBackRest found damaged pages, or files, when it was taken" if b.get("error") else None
        if b["label"] not in lying[database["repo-key"]]:
            wrong = "its files are gone from the repository, whose catalog still lists it"
        ends = [Segment.named(b["archive"][end] or "", segment_bytes) for end in ("start", "stop")]
        backups.append(
            Backup(
                label=b["label"],
                kind=b["type"],
                prior=b["prior"],
                stopped_at=datetime.fromtimestamp(b["timestamp"]["stop"], UTC),
                wrong=wrong,
                system_identifier=systems.get((database["repo-key"], database["id"])),
                wal=(ends[0], ends[1]) if ends[0] is not None and ends[1] is not None else None,
                size_bytes=b["info"]["size"],
            )
        )
    archived: set[Segment] = set()
    newest: tuple[int, list[str]] = (0, [])
    histories: set[int] = set()
    for archive in info["archive"]:
        if system_identifier not in (None, systems[archive["database"]["repo-key"], archive["database"]["id"]]):
            continue
        key = archive["database"]["repo-key"]
        # `info` tells the first and the last one alone, of which nothing follows for what lies between.
        path = f"archive/{stanza}/{archive['id']}"
        for name, file in _listed(command, key, path, "--recurse").items():
            segment = Segment.named(name.rpartition("/")[2], segment_bytes)
            # What isn't packed has a segment's size, enciphered a little more; of what is only an empty file shows.
            least = 1 if name.endswith(_PACKED) else segment_bytes
            if segment is not None and file.get("size", least) >= least:
                archived.add(segment)
            if (history := _HISTORY.fullmatch(name)) and file.get("size", 1):
                histories.add(timeline := int(history[1], 16))
                newest = max(newest, (timeline, [*command, f"--repo={key}", "repo-get", f"{path}/{name}"]))
    told: dict[int, Segment] = {}
    if newest[0]:
        with suppress(Unobservable):  # it tells of all before it; what it doesn't tell is seen by where WAL ends
            told = branches(newest[0], answer_of(newest[1]), segment_bytes)
    return Store(
        encrypted=all(r["cipher"] != "none" for r in info["repo"]) if info["repo"] else None,
        backups=tuple(backups),
        archived=frozenset(archived),
        branches=told,
        histories=frozenset(histories),
    )


def _listed(command: Sequence[str], repository: int, path: str, *words: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(
        answer_of([*command, f"--repo={repository}", "repo-ls", path, *words, "--output=json"])
    )
    return found
