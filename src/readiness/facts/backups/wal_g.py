"""What WAL-G keeps, by its `backup-list --detail --json` and `wal-show --detailed-json`, as it documents them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from readiness.facts.backups.store import Backup, Segment, Store, answer_of, moment

_DELTA = re.compile(r"base_([0-9A-F]{24})(?:_D_([0-9A-F]{24}))?")


def read(command: Sequence[str], segment_bytes: int) -> Store:
    """Backups, and of each timeline the segments from its first to its last, less those that WAL-G says are missing.

    Raises:
        Unobservable: it can't be asked, or refuses.
    """
    listed = json.loads(answer_of([*command, "backup-list", "--detail", "--json"])) or []
    by_wal = {found[1]: b["backup_name"] for b in listed if (found := _DELTA.match(b["backup_name"]))}
    backups = []
    for b in listed:
        found = _DELTA.match(b["backup_name"])
        below = found[2] if found else None
        first = Segment.named(b["wal_file_name"], segment_bytes)
        last = (
            None
            if first is None
            else Segment(timeline=first.timeline, number=max(0, int(b["finish_lsn"]) - 1) // segment_bytes)
        )
        backups.append(
            Backup(
                label=b["backup_name"],
                kind="incr" if below else "full",
                # One whose base is gone builds on a backup that isn't listed.
                prior=by_wal.get(below, f"base_{below}") if below else None,
                stopped_at=moment(b["finish_time"]),
                wrong=None,
                system_identifier=b.get("system_identifier"),
                wal=(first, last) if first is not None and last is not None else None,
                size_bytes=int(b.get("uncompressed_size") or 0),
            )
        )
    archived: set[Segment] = set()
    left: dict[int, Segment] = {}
    for timeline in json.loads(answer_of([*command, "wal-show", "--detailed-json"])) or []:
        ends = [Segment.named(timeline[key], segment_bytes) for key in ("start_segment", "end_segment")]
        first, last = ends
        if first is None or last is None:
            continue
        if 0 < int(timeline.get("parent_id") or 0) < first.timeline:
            at = int(timeline["switch_point_lsn"]) // segment_bytes
            left[first.timeline] = Segment(timeline=int(timeline["parent_id"]), number=at)
        missing = {Segment.named(name, segment_bytes) for name in timeline.get("missing_segments") or ()}
        every = (Segment(timeline=first.timeline, number=n) for n in range(first.number, last.number + 1))
        archived |= {segment for segment in every if segment not in missing}
    return Store(encrypted=None, backups=tuple(backups), archived=frozenset(archived), branches=left)
