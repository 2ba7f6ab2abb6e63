"""What an audit cost the server that it looked at: the CPU time of its session's process, blocks, statements, the longest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server

_PROCESSES = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of the audit's own session; those that time queries at a rate are not in it, since what they ask is the profile's.

    Args:
        longest_ms: of one statement with its transaction, on our side, so the network is in it.
        cpu_ms: of the server's process, as Linux counts it; None where the server's processes can't be seen from here.
        rested_seconds: in which it asked nothing, for others were at work.
        blocks: read or found in shared buffers; None where the server doesn't tell them by session (before 18).
    """

    statements: int
    longest_ms: float
    rested_seconds: float
    cpu_ms: float | None
    blocks: int | None

    @classmethod
    def of(cls, postgres: Postgres, server: Server) -> Self:
        """Up to now."""
        return cls(
            statements=postgres.statements,
            longest_ms=postgres.longest_seconds * 1000,
            rested_seconds=postgres.rested_seconds,
            cpu_ms=_cpu_ms(postgres),
            blocks=_blocks(postgres) if server.version_num >= 180000 else None,
        )


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
