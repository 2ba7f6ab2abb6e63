"""A file of archived WAL where it lies: whether it can be the segment whose name it has, as far as its ends show.

What is cut short (a full disk, a copy that was ended) is none, nor is what begins with another's bytes or with none (a file
system that lost what wasn't flushed): no restore takes it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from readiness.facts.backups import packed
from readiness.facts.backups.store import Segment, branches

_HEAD = 16
_MOST_HISTORY = 1 << 20


def segment_in(file: Path, segment_bytes: int, *, strange: bool = False) -> Segment | None:
    """The segment that lies there; None where it is none, by name or content.

    Args:
        strange: it may be packed by a program of the user's own, whose files begin in no known way.

    Raises:
        OSError: it can't be looked at.
    """
    segment = Segment.named(file.name, segment_bytes)
    if segment is None:
        return None
    try:
        return segment if _holds(file, segment.number * segment_bytes, segment_bytes, strange=strange) else None
    except PermissionError:  # it is there; what is in it, who runs the audit may not see
        return segment if file.stat().st_size else None
    except FileNotFoundError:  # it went meanwhile
        return None


def histories_in(files: Iterable[Path], segment_bytes: int) -> tuple[dict[int, Segment], frozenset[int]]:
    """The branches that timelines' history files tell, and the timelines that have one; an empty file is none.

    Raises:
        OSError: one can't be looked at.
    """
    told: dict[int, Segment] = {}
    there = set()
    for file, found in sorted((f, found) for f in files if (found := _HISTORY.fullmatch(f.name))):
        timeline = int(found[1], 16)
        text = ""
        with suppress(FileNotFoundError):  # it went meanwhile
            if not file.stat().st_size:
                continue
            with suppress(*packed.BROKEN), file.open("rb") as opened:
                text = _text(file, packed.kind(opened.read(_HEAD)))
        there.add(timeline)
        told |= branches(timeline, text, segment_bytes)
    return told, frozenset(there)


_HISTORY = re.compile(r"([0-9A-F]{8})\.history(?:\.\w+)?")


def _text(file: Path, suffix: str | None) -> str:
    """Of what the standard library unpacks; else nothing of it is told."""
    if suffix in packed.PROGRAMS:
        return ""
    with packed.opened(file, suffix or "none") as opened:  # its content tells, not its name
        return opened.read(_MOST_HISTORY).decode("utf-8", "replace")


def _holds(file: Path, begins: int, segment_bytes: int, *, strange: bool) -> bool:
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    suffix = packed.kind(head)
    if suffix is None:
        if _begins(head) == begins and not file.suffix:
            return file.stat().st_size == segment_bytes
        return strange and head != bytes(len(head))
    if (file.suffix and file.suffix != suffix) or packed.whole(file, suffix) is False:
        return False
    if suffix == ".gz" and _unpacked_bytes(file) != segment_bytes:
        return False
    within = packed.head(file, suffix, _HEAD)
    return within is None or _begins(within) == begins


def _begins(head: bytes) -> int | None:
    """Where in the log a file of it says to begin (XLogPageHeaderData, xlog_internal.h); None where that is cut off.

    Behind two numbers of 16 bits and one of 32, in the machine's own order. No file begins at 0.
    """
    begins: int | None = struct.unpack("=8xQ", head)[0] if len(head) == _HEAD else None
    return begins


def _unpacked_bytes(file: Path) -> int:
    """By the last field of gzip's (RFC 1952); what is cut off has anything there."""
    with file.open("rb") as opened:
        opened.seek(-4, 2)
        return int.from_bytes(opened.read(), "little")
