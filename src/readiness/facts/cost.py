"""What an audit cost the server that it looked at: the CPU time of its sessions' processes, blocks, statements, the longest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server

_PROCESSES = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of the sessions that ask the catalog (`lanes`); those that time queries at a rate are not in it, since what they ask is the profile's.

    Args:
        longest_ms: of one statement with its transaction, on our side, so the network is in it.
        cpu_ms: of the server's processes, as Linux counts it; None where the server's processes can't be seen from here.
        rested_seconds: in which it asked nothing, for others were at work.
        blocks: read or found in shared buffers; None where the server doesn't tell them by session (before 18).
    """

    statements: int
    longest_ms: float
    rested_seconds: float
    cpu_ms: float | None
    blocks: int | None

    @classmethod
    def of(cls, sessions: Sequence[Postgres], server: Server) -> Self:
        """Up to now. They rest together."""
        return cls(
            statements=sum(session.statements for session in sessions),
            longest_ms=max(session.longest_seconds for session in sessions) * 1000,
            rested_seconds=sessions[0].rested_seconds,
            cpu_ms=_all(map(_cpu_ms, sessions)),
            blocks=_all(map(_blocks, sessions)) if server.version_num >= 180000 else None,
        )


N = TypeVar("N", int, float)


def _all(figures: Iterable[N | None]) -> N | None:
    """Their sum; None where one isn't known."""
    known = list(figures)
    return None if None in known else sum(n for n in known if n is not None)


def _cpu_ms(postgres: Postgres, processes: Path = _PROCESSES) -> float | None:
    """The process is known by its title, which bears the port that our end of the connection has; a pid alone could be
    another machine's, or a pooler's.
    """
    port = postgres.own_port
    if port is None:
        return None
    try:
        pid = postgres.startup_pid
        title = (processes / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace")
        if not re.match(rf"postgres: .*\({port}\)", title):
            return None
        return int((processes / str(pid) / "schedstat").read_text().split()[0]) / 1e6
    except (OSError, ValueError, IndexError, Unobservable):
        return None


def _blocks(postgres: Postgres) -> int | None:
    try:
        # What the last second counted waits in the session until it is told to hand it over, at its transaction's end.
        postgres.rows("select pg_catalog.pg_stat_force_next_flush()::text as handed", marker="cost")
        (row,) = postgres.rows(_BLOCKS, marker="cost")
    except Unobservable:
        return None
    blocks: int | None = row["blocks"]
    return blocks


_BLOCKS = """
select (pg_catalog.sum(coalesce(io.hits, 0)) + pg_catalog.sum(coalesce(io.reads, 0)))::int8 as blocks
from pg_catalog.pg_stat_get_backend_io(pg_catalog.pg_backend_pid()) as io
where io.object = 'relation'
"""
