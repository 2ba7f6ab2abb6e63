"""The backups that there are, and the archived WAL beside them, as their stores list them. Nothing is restored here.

What a tool says of itself is not believed where it can be seen: a segment that was never handed over leaves pgBackRest's
`info` and `verify`, and pg_stat_archiver, all green, and the restore ends before it. So the segments are counted.

An adapter a tool: a module that reads what the tool lists, and gives a `Store`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.backups import barman, basebackups, dumps, held, pgbackrest, provider, store, wal_g
from readiness.facts.backups.store import Backup, Segment, Store
from readiness.facts.postgres import Postgres, parse_dsn
from readiness.facts.target import Target, declared
from readiness.model import Reason
from readiness.profile import BackupStore

__all__ = ["Backup", "Backups", "Segment", "Store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """The declared stores, and what the server itself says beside them.

    Args:
        stores: name -> what it holds, or why that could not be seen.
        clock: the server's, UTC.
        last_archived: what the archiver says it handed over last, before the stores were asked.
        standby: the server is one, which doesn't know what its primary hands over.
        replayed: the last whole segment that a standby has applied; its primary finished it, and may not have handed it over yet.
        archiving: it hands WAL over, by its settings.
        streamed: the last whole segment that a program which streams WAL to keep it says to have written (pg_receivewal's and
            Barman's, every ten seconds); None where none does, or WAL is handed over.
        stream_unseen: something streams, and the role may not see what.
        settling: the oldest segment that was handed over in the last minutes; None where none was, or none is asked for.
        settling_unseen: the role may not see that.
        system_identifier: None where the role may not read it.
    """

    stores: Mapping[str, Store | Unobservable]
    clock: datetime
    last_archived: Segment | None
    standby: bool
    replayed: Segment | None
    archiving: bool
    streamed: Segment | None
    stream_unseen: bool
    settling: Segment | None
    settling_unseen: bool
    segment_bytes: int
    system_identifier: int | None
    age_hours: float
    window_days: float

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        declared(target.profile, "backups")
        (row,) = postgres.rows(_LOOK, marker="backups")
        try:
            (control,) = postgres.rows(_CONTROL, marker="backups")
            identifier, timeline = int(control["id"]), control["timeline"]
        except Unobservable:
            identifier, timeline = None, None
        segment_bytes = row["segment_bytes"]
        replayed = None
        if timeline is not None and row["replayed"] is not None and row["replayed"] >= 2 * segment_bytes:
            replayed = Segment(timeline=timeline, number=row["replayed"] // segment_bytes - 1)
        streamed = None
        if timeline is not None and not row["archiving"] and (row["streamed"] or 0) >= segment_bytes:
            streamed = Segment(timeline=timeline, number=row["streamed"] // segment_bytes - 1)
        last = Segment.reached(row["last_archived_wal"] or "", segment_bytes)  # before the stores are asked
        lately, hidden = [], False
        if any(store.tool == "barman" for store in target.profile.backups.values()):
            try:
                lately = postgres.rows(_LATELY, marker="backups")
            except Unobservable:
                hidden = True
        folder = target.folder
        names = frozenset({row["database"], *_names(postgres, target)})
        dumped = any(s.tool == "pg_dump" for s in target.profile.backups.values())
        tables, beside = held.tables(postgres) if dumped else ({}, frozenset())
        database = held.Database(names=names, others=row["others"], tables=tables, beside=beside)
        return cls(
            stores={
                n: _look(s, folder, segment_bytes, identifier, database) for n, s in target.profile.backups.items()
            },
            clock=datetime.fromtimestamp(row["clock"], UTC),
            last_archived=last,
            standby=row["standby"],
            replayed=replayed,
            archiving=row["archiving"],
            streamed=streamed,
            stream_unseen=not row["archiving"] and row["stream_unseen"],
            settling=Segment.named(lately[0]["name"], segment_bytes) if lately else None,
            settling_unseen=hidden,
            segment_bytes=segment_bytes,
            system_identifier=identifier,
            age_hours=target.profile.targets.backup_age_hours,
            window_days=target.profile.targets.recovery_window_days,
        )

    @property
    def reached(self) -> Segment | None:
        """The last one that should lie in a store; None where that isn't known."""
        return self.streamed or self.last_archived

    def told(self, store: Store | Unobservable) -> Store | Unobservable:
        """A store whose backups are known to be this cluster's or another's; or why that can't be told."""
        if isinstance(store, Unobservable) or self.system_identifier is not None:
            return store
        if all(b.system_identifier is None for b in store.backups):
            return store
        return Unobservable(
            Reason.NO_PERMISSION,
            "whether the backups are this cluster's can't be told",
            "grant execute on function pg_catalog.pg_control_system() to the auditor's role;",
        )


_LOOK = """
select
    extract(epoch from pg_catalog.clock_timestamp())::float8 as clock,
    pg_catalog.current_database()::text as database,
    array(
        select d.datname::text from pg_catalog.pg_database as d where d.datname <> pg_catalog.current_database()
    ) as others,
    pg_catalog.pg_is_in_recovery() as standby,
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0')::int8 as replayed,
    pg_catalog.current_setting('archive_mode') <> 'off' as archiving,
    (
        select pg_catalog.max(pg_catalog.pg_wal_lsn_diff(r.write_lsn, '0/0'))::int8
        from pg_catalog.pg_stat_replication as r
        where r.application_name in ('pg_receivewal', 'barman_receive_wal')
    ) as streamed,
    exists (select from pg_catalog.pg_stat_replication as r where r.state is null) as stream_unseen,
    (select a.last_archived_wal from pg_catalog.pg_stat_archiver as a) as last_archived_wal,
    (select s.setting::int8 from pg_catalog.pg_settings as s where s.name = 'wal_segment_size') as segment_bytes
"""

_CONTROL = """
select s.system_identifier::text as id, c.timeline_id as timeline
from pg_catalog.pg_control_system() as s
cross join pg_catalog.pg_control_checkpoint() as c
"""

_LATELY = f"""
select pg_catalog.replace(s.name, '.done', '') as name
from pg_catalog.pg_ls_archive_statusdir() as s
where
    s.name ~ '^[0-9A-F]{{24}}[.]done$'
    and s.modification > pg_catalog.clock_timestamp() - interval '{store.SETTLES_SECONDS:g} seconds'
order by s.name
limit 1
"""


def _names(postgres: Postgres, target: Target) -> Iterator[str]:
    """By which we and the services come to the database: a pooler may have one of its own for it."""
    yield postgres.address.database
    for service in target.profile.services.values():
        with suppress(ValueError):
            yield parse_dsn(service.dsn.get_secret_value()).get("dbname", "") if service.dsn else ""


def _look(
    declared_store: BackupStore,
    folder: Path,
    segment_bytes: int,
    system_identifier: int | None,
    database: held.Database,
) -> Store | Unobservable:
    try:
        match declared_store.tool:
            case "pgbackrest":
                assert declared_store.stanza is not None
                return pgbackrest.read(declared_store.words, declared_store.stanza, segment_bytes, system_identifier)
            case "basebackup":
                assert declared_store.directory is not None
                wal = folder / declared_store.wal_directory if declared_store.wal_directory else None
                return basebackups.read(folder / declared_store.directory, wal, segment_bytes)
            case "pg_dump":
                assert declared_store.directory is not None
                return dumps.read(
                    folder / declared_store.directory, replace(database, left_out=declared_store.left_out)
                )
            case "barman":
                assert declared_store.server is not None
                return barman.read(declared_store.words, declared_store.server, segment_bytes)
            case "wal-g":
                return wal_g.read(declared_store.words, segment_bytes)
            case "provider":
                return provider.read(declared_store.words)
    except Unobservable as refusal:
        return refusal
    except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        return Unobservable(Reason.ERROR, f"what it answers is not understood: {type(error).__name__}: {error}")
    except OSError as error:
        return Unobservable(Reason.UNREACHABLE, f"{error.filename or declared_store.tool}: {error.strerror or error}")
