"""What a store of backups holds, whichever tool keeps it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

from readiness.authoring import Unobservable
from readiness.model import Reason

COMMAND_SECONDS = 60.0
SETTLES_SECONDS = 600.0
"""How long WAL that was handed over may lie where a tool has not counted it yet."""
_SAID = 300
_MOST_MISSING = 1000


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

    @classmethod
    def reached(cls, name: str, segment_bytes: int) -> Self | None:
        """How far the archiver has come by the name of what it handed over last.

        That is often a backup's history file (BackupHistoryFileName, xlog_internal.h), which comes after the segment that
        the backup begins in, whose name it bears.
        """
        return cls.named(re.sub(r"\.[0-9A-F]{8}\.backup$", "", name), segment_bytes)

    def name(self, segment_bytes: int) -> str:
        high, low = divmod(self.number, 2**32 // segment_bytes)
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def branches(timeline: int, history: str, segment_bytes: int) -> dict[int, Segment]:
    """Of each timeline on the way to one, itself among them, where it left the one before: by that one's history file (timeline.c)."""
    passed = [(int(found[1]), int(found[2], 16) * 2**32 + int(found[3], 16)) for found in _PASSED.finditer(history)]
    after = [number for number, _ in passed[1:]] + [timeline]
    return {
        child: Segment(timeline=parent, number=left // segment_bytes)
        for (parent, left), child in zip(passed, after, strict=False)
        if parent < child
    }


_PASSED = re.compile(r"(?m)^\s*(\d+)\s+([0-9A-F]{1,8})/([0-9A-F]{1,8})", re.IGNORECASE)

# The name alone, or with what tools add: pgBackRest the checksum, and the suffix of how it is packed.
_WAL_NAME = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(?:-[0-9a-f]{40})?(?:\.(?:gz|lz4|zst|bz2|xz))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup.

    Args:
        kind: full, diff or incr.
        prior: the label of the one that it builds on.
        stopped_at: when it was whole (for base backups: when it began, which is what the files themselves say).
        wrong: why it is not whole, or no backup of this database: half a sentence; None where nothing of the kind is known.
        unread: why that couldn't be seen.
        partial: that is about what it lacks: what it holds can be restored.
        system_identifier: of the cluster that it was taken of; None where that can't be told.
        wal: the first and the last segment without which it is nothing.
    """

    label: str
    kind: str
    prior: str | None
    stopped_at: datetime
    wrong: str | None
    system_identifier: int | None
    wal: tuple[Segment, Segment] | None
    size_bytes: int
    unread: str | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What one store holds.

    Args:
        encrypted: whether what lies there is enciphered by the tool; None where the tool leaves that to others.
        archived: the segments that lie there; None where it keeps no WAL.
        logical: it holds dumps, which lead to no other moment than their own, and need no WAL.
        managed: a provider's: how it keeps WAL can't be seen.
        settles: what was handed over in the last minutes need not be listed yet.
        window: the moments that it says can be restored to, from and until.
        branches: timeline -> where it left the one before it, as far as that can be read there.
        histories: the timelines whose history file lies there; None where that can't be seen.
    """

    encrypted: bool | None
    backups: tuple[Backup, ...]
    archived: frozenset[Segment] | None
    logical: bool = False
    managed: bool = False
    settles: bool = False
    window: tuple[datetime, datetime] | None = None
    branches: Mapping[int, Segment] = field(default_factory=dict)
    histories: frozenset[int] | None = None

    def good(self, system_identifier: int | None, *, partial: bool = False) -> tuple[Backup, ...]:
        """Those that are whole with all that they build on, and of this cluster; oldest first.

        Args:
            partial: those too that lack something, or may.
        """
        own = {
            b.label: b
            for b in self.backups
            if ((b.wrong is None and b.unread is None) or (partial and b.partial))
            and b.system_identifier in (None, system_identifier)
        }

        def whole(backup: Backup | None) -> bool:
            while backup is not None and backup.prior is not None:
                backup = own.get(backup.prior)
            return backup is not None

        return tuple(sorted((b for b in own.values() if whole(b)), key=lambda b: b.stopped_at))

    def full_of(self, backup: Backup) -> Backup:
        """The full one that a whole backup builds on; itself where it is one."""
        by_label = {b.label: b for b in self.backups}
        while backup.prior is not None:
            backup = by_label[backup.prior]
        return backup

    def gaps(
        self, oldest: Backup | None, last_archived: Segment | None, settling: Segment | None = None
    ) -> list[Segment]:
        """The segments that are missing from the oldest backup that counts up to what the server says is archived.

        Args:
            settling: the oldest one that was handed over so lately that a store which settles need not list it.
        """
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
        reached: Segment | None = None
        for timeline, have in sorted(by_timeline.items()):
            if first is not None and not self._leads(first, timeline):
                continue
            ends = [s.number for s in (first, last_archived) if s is not None and s.timeline == timeline]
            if first is not None and oldest is not None and oldest.wal and oldest.wal[1].timeline == timeline:
                ends.append(oldest.wal[1].number)
            begin = self.branches.get(timeline)
            low = first.number if first is not None and first.timeline == timeline else min([*have, *ends])
            if (first is None or timeline > first.timeline) and begin is not None:
                low = min(low, begin.number)
            elif reached is not None and low > reached.number + 1:
                # Where it begins isn't known; it did so where one before it had come to, or earlier.
                ends_at = range(reached.number + 1, low)
                missing += [replace(reached, number=n) for n in ends_at][: _MOST_MISSING - len(missing)]
            # What another one left it at, it had come to.
            left = [b.number - 1 for child, b in self.branches.items() if b.timeline == timeline and child > timeline]
            high = max([*have, *ends, *left])
            missing += [Segment(timeline=timeline, number=n) for n in range(low, high + 1) if n not in have][
                : _MOST_MISSING - len(missing)
            ]
            if reached is None or high > reached.number:
                reached = Segment(timeline=timeline, number=high)
        if self.settles and settling is not None:
            newest = max((s.number for s in self.archived if s.timeline == settling.timeline), default=-1)
            least = max(settling.number, newest + 1)  # what lies behind it is not on its way
            return [s for s in missing if s.timeline != settling.timeline or s.number < least]
        return missing

    def _leads(self, first: Segment, timeline: int) -> bool:
        """Whether a backup that begins there can come to a timeline: one that left before leads elsewhere."""
        if timeline <= first.timeline:
            return timeline == first.timeline
        begin = self.branches.get(timeline)
        while begin is not None and begin.timeline > first.timeline:
            begin = self.branches.get(begin.timeline)
        return begin is None or (begin.timeline == first.timeline and begin.number >= first.number)

    def lost_histories(self, oldest: Backup | None) -> list[str]:
        """The history files that are missing: without its own no restore follows to a timeline, whose WAL lies there in vain."""
        if self.archived is None or self.histories is None or oldest is None or oldest.wal is None:
            return []
        first = oldest.wal[0]
        wanted = {s.timeline for s in self.archived if s.timeline > first.timeline and self._leads(first, s.timeline)}
        return [f"{timeline:08X}.history" for timeline in sorted(wanted - self.histories)]

    def recoverable_from(
        self, system_identifier: int | None, last_archived: Segment | None, settling: Segment | None = None
    ) -> Backup | None:
        """The oldest good backup from which every moment until now can be reached: WAL leads on from it without a gap.

        Dumps, and stores whose WAL isn't seen, lead to their own moments: there it is the oldest one.
        """
        for backup in self.good(system_identifier):
            if self.archived is None or not (self.gaps(backup, last_archived, settling) or self.lost_histories(backup)):
                return backup
        return None


def moment(text: str) -> datetime:
    """What a tool or a provider writes; without a zone it is UTC's.

    Raises:
        ValueError: it is no time.
    """
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def answer_of(words: Sequence[str]) -> str:
    """What a tool's own command prints.

    Raises:
        Unobservable: it isn't there, fails, or gives no answer in time.
    """
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except FileNotFoundError:
        raise Unobservable(
            Reason.UNREACHABLE, f"{words[0]}: there is no such program here", "install it, or name the way in `command`"
        ) from None
    except OSError as error:
        raise Unobservable(Reason.UNREACHABLE, f"{words[0]}: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise Unobservable(Reason.TIMEOUT, f"{words[0]} gave no answer in {COMMAND_SECONDS:g} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())[-_SAID:]
        raise Unobservable(Reason.UNREACHABLE, f"{words[0]} ended with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")
