"""Whether the write-ahead log leaves the server, as the server itself tells it: readable by every role."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Reason


class Means(StrEnum):
    """What a finished segment is given to."""

    COMMAND = "command"
    LIBRARY = "library"
    NO_OP = "a command that keeps nothing"
    MUTE = "a command that reports success when it failed"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalArchiving:
    """The archiver's settings and its record since `pg_stat_archiver` was reset; ages in seconds, by the server's clock.

    Args:
        mode: archive_mode: off, on or always.
        means: of archive_command and archive_library; the command's text, which may hold secrets, isn't kept.
        timeout_seconds: archive_timeout; 0 where a segment waits until it is full.
        behind_segments: finished segments since the last archived one; None where that isn't known, as behind a timeline's
            history file, which is handed over first.
        waiting_age: of the oldest file that waits to be archived; None where none does.
        waiting_unseen: the role may not see whether one waits; asked only where neither the last segment that was archived
            nor a failure tells.
        receivers: application names of the programs that stream WAL from here, standbys among them.
        hidden_receivers: how many more there are, whose names the role may not see.
        provider: whose managed service this is, where it shows.
    """

    mode: str
    means: Means
    timeout_seconds: int
    archived: int
    failed: int
    last_archived_wal: str | None
    last_archived_age: float | None
    last_failed_wal: str | None
    last_failed_age: float | None
    behind_segments: int | None
    waiting_age: float | None
    waiting_unseen: bool
    receivers: tuple[str, ...]
    hidden_receivers: int
    provider: str | None

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        server.require("primary")
        (row,) = postgres.rows(_LOOK, marker="wal-archiving")
        command, library = row["command"] or "", row["library"] or ""
        if library:
            means = Means.LIBRARY
        elif not command.strip():
            means = Means.NOTHING
        else:
            means = means_of(command.strip())
        waiting_age, waiting_unseen = None, False
        segment_bytes = row["segment_bytes"]
        last = _segment(row["last_archived_wal"] or "", segment_bytes)
        if last is None and (row["last_archived_age"] is not None or row["last_failed_age"] is None):
            try:
                (waiting,) = postgres.rows(_WAITING, marker="wal-archiving")
                waiting_age = waiting["age"]
            except Unobservable as refusal:
                waiting_unseen = refusal.reason is Reason.NO_PERMISSION
        return cls(
            mode=row["mode"],
            means=means,
            timeout_seconds=row["timeout_seconds"],
            archived=row["archived"],
            failed=row["failed"],
            last_archived_wal=row["last_archived_wal"],
            last_archived_age=row["last_archived_age"],
            last_failed_wal=row["last_failed_wal"],
            last_failed_age=row["last_failed_age"],
            behind_segments=None if last is None else max(0, row["position"] // segment_bytes - last - 1),
            waiting_age=waiting_age,
            waiting_unseen=waiting_unseen,
            receivers=tuple(row["receivers"]),
            hidden_receivers=row["hidden_receivers"],
            provider=row["provider"],
        )


def means_of(command: str) -> Means:
    """What an archive_command is, by its text."""
    command = _without_remark(command)
    while inner := _BY_A_SHELL.fullmatch(command):
        command = (inner[2] or inner[3]).strip()
    if _SUCCEEDS_FIRST.match(command) or all(map(_KEEPS_NOTHING.fullmatch, _THEN.split(command.rstrip("; ")))):
        return Means.NO_OP
    hides = _HIDES_FAILURE.search(command)
    if (hides and not (hides[0].startswith(";") and _ENDS_AT_A_FAILURE.search(command))) or (
        "pipefail" not in command and _TO_THE_LOG.search(command)
    ):
        return Means.MUTE
    return Means.COMMAND


def _without_remark(command: str) -> str:
    """What the shell doesn't read begins at a word's #, outside of quotes."""
    quote = ""
    for at, sign in enumerate(command):
        if sign == "#" and not quote and (at == 0 or command[at - 1].isspace()):
            return command[:at].strip()
        if sign in "\"'" and quote in ("", sign):
            quote = "" if quote else sign
    return command.strip()


_BY_A_SHELL = re.compile(r"""(?:\S*/)?(?:ba|da|k|z)?sh\s+-c\s+(?:(["'])([^"']+)\1|([\w:/]+))""")
_THEN = re.compile(r"\s*(?:&&|;)\s*")

# Commands that report success and keep nothing; pg_stat_archiver counts each of their segments as archived. Of those that
# read the segment, what they make of it goes nowhere.
_SUCCESS = r"(?:(?:/usr)?/bin/(?:env\s+)?)?(?:true|:|exit\s+0|cd\s+\.)(?:\s+%[pf])*"
_UP_TO_NOWHERE = r"\s[^|;&>]*(?<!\d)>\s*/dev/null(?:\s+2>\s*(?:&1|/dev/null))?"
_COPY_TO_NOWHERE = r"(?:(?:/usr)?/bin/)?cp\s[^|;&]*%p[\"']?\s+/dev/null(?:\s*<\s*/dev/null)?"
_KEEPS_NOTHING = re.compile(
    rf"""\s*(?:{_SUCCESS}|rem\b.*|(?:echo|printf)\b[^|;&]*|(?:test|\[)\s+-\w\s+["']?%p["']?(?:\s*\])?
    |{_COPY_TO_NOWHERE}|dd\s[^|;&]*\bof=/dev/null[^|;&]*
    |(?:cat|(?:gzip|pigz|bzip2|xz|zstd|lz4)\s[^|;&>]*(?:<|-\w*c\b)){_UP_TO_NOWHERE})\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_SUCCEEDS_FIRST = re.compile(rf"(?:{_SUCCESS}|{_COPY_TO_NOWHERE})\s*\|\||exit\s+0\s*(?:;|$)")

_MESSAGE = r"(?:echo|printf|logger)\b[^|;&)}]*"
_HIDES_FAILURE = re.compile(
    rf"(?:\|\||;)\s*(?:(?:/usr)?/bin/true|true|:|exit\s+0|{_MESSAGE})\s*[)}}\"';]*\s*$|[^&>]&\s*$"
)
_ENDS_AT_A_FAILURE = re.compile(r"\bset\s+-\w*e|errexit")
_TO_THE_LOG = re.compile(r"[^|]\|\s*(?:\S*/)?(?:logger|systemd-cat)\b[^|;&]*$")

_WAL_NAME = re.compile(r"[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})(?:\..*)?")


def _segment(name: str, segment_bytes: int) -> int | None:
    """A WAL file's place in the log, in segments (XLByteToSeg and XLogFileName, xlog_internal.h); None for a history file."""
    found = _WAL_NAME.fullmatch(name)
    return int(found[1], 16) * (2**32 // segment_bytes) + int(found[2], 16) if found else None


_WAITING = """
select extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.min(s.modification))::float8 as age
from pg_catalog.pg_ls_archive_statusdir() as s
where s.name ~ '[.]ready$'
"""

# A provider's own settings or roles give a managed service away.
_LOOK = """
select
    pg_catalog.current_setting('archive_mode') as mode,
    nullif(pg_catalog.current_setting('archive_command'), '(disabled)') as command,
    pg_catalog.current_setting('archive_library', true) as library,
    extract(epoch from pg_catalog.current_setting('archive_timeout')::interval)::int4 as timeout_seconds,
    a.archived_count as archived,
    a.failed_count as failed,
    a.last_archived_wal,
    extract(epoch from pg_catalog.clock_timestamp() - a.last_archived_time)::float8 as last_archived_age,
    a.last_failed_wal,
    extract(epoch from pg_catalog.clock_timestamp() - a.last_failed_time)::float8 as last_failed_age,
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) as segment_bytes,
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::int8 as position,
    array(
        select r.application_name from pg_catalog.pg_stat_replication as r
        where r.application_name is not null and r.state = 'streaming'
        order by r.application_name
    )::text[] as receivers,
    (
        select pg_catalog.count(*) from pg_catalog.pg_stat_replication as r where r.state is null
    ) as hidden_receivers,
    (
        select pg_catalog.min(p.provider)
        from (
            values
            ('rds', 'Amazon RDS or Aurora'), ('cloudsql', 'Google Cloud SQL'), ('alloydb', 'Google AlloyDB'),
            ('azure', 'Azure Database'), ('neon', 'Neon'), ('supabase', 'Supabase')
        ) as p (prefix, provider)
        where
            exists (
                select from pg_catalog.pg_settings as s where pg_catalog.starts_with(s.name, p.prefix || '.')
            )
            or exists (
                select from pg_catalog.pg_roles as r
                where r.rolname in (
                    p.prefix || '_superuser', p.prefix || 'superuser', p.prefix || '_admin', p.prefix || '_pg_admin'
                )
            )
    ) as provider
from pg_catalog.pg_stat_archiver as a
"""
