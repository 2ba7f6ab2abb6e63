"""The restore drill: the newest backup, restored into a server of its own, started, checked, compared with its source, timed.

What it comes to is a `Result`: passed where the backup restored, its pages and indexes are sound, and it holds what its
source held at the restore point (see `likeness`). `keep` puts that into the evidence store, where the checks look for it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from readiness import embedded
from readiness import profile as profiles
from readiness.authoring import Unobservable
from readiness.drills import DrillError, copies, likeness, snapshot
from readiness.drills.amcheck import Amcheck
from readiness.drills.copies import Barman, BaseBackup, Copy, Dump, PgBackRest, RestoreError, Told, Way
from readiness.drills.likeness import Beside, Likeness, Reading, Since
from readiness.embedded import Workshop
from readiness.facts.backups import Backup, Backups, Segment, Store, barman
from readiness.facts.fingerprint import SchemaFingerprint
from readiness.facts.postgres import Postgres, parse_dsn
from readiness.facts.target import Target
from readiness.profile import BackupStore

KIND = "restore"
ROOM = 1.2  # of what the cluster takes, so that recovery has room
ROOM_BYTES = 256 * 2**20
_LONGEST_SOCKET = 90  # sun_path holds 108 bytes, the file's name among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How it is done.

    Args:
        store: the profile's name of the store; the one with the newest backup by default.
        backup: its label; the newest good one by default.
        until: the moment to recover to; the end of the archived WAL by default.
        scratch: the folder in which the copy lies as long as the drill.
        account: whose the copy's server is, when root runs the drill.
        libraries: what the copy preloads all the same.
        snapshot: a file of `readiness snapshot`, of the restore point: the rows are compared with it, not with the source.
        deep: every index is compared with every row of its table, too, and the rows of large tables are compared by content.
        workers: sessions that read the source side by side; those that read the copy are as many as there are cores.
        elsewhere: the source's server is another machine, so that it can be read while the backup is restored: on this one
            that would be in the restore's way, whose time is to be told, unless a core is idle. By its address by default.
    """

    store: str | None = None
    backup: str | None = None
    until: datetime | None = None
    scratch: Path | None = None
    account: str | None = None
    libraries: str = ""
    snapshot: Path | None = None
    workers: int = 2
    rows_up_to: int = likeness.ROWS_UP_TO
    deep: bool = False
    elsewhere: bool | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of it.

    Args:
        rto_seconds: from the first byte fetched until the copy took sessions, without the drill's own look at the manifest;
            None where it never did.
        rpo_seconds: how much older than the source's own now the newest commit was that came back; 0 where none is missing.
        lost_bytes: of WAL that did not come back; None for a dump, which doesn't say.
        checked: what proofs of soundness held.
        words: of the way, what a runbook can't leave out.
        promised: the profile's RTO and RPO, in seconds.
        read_meanwhile: the source was read while the backup was restored.
        by_version: rows of large tables were compared by their version, unless they differ.
    """

    store: str
    tool: str
    backup: str
    taken_at: datetime
    until: datetime | None
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    lost_bytes: int | None = None
    size_bytes: int = 0
    checked: list[str] = field(default_factory=list)
    steps: Mapping[str, float] = field(default_factory=dict)
    words: Sequence[str] = ()
    promised: tuple[float | None, float | None] = (None, None)
    against: str = "the source"
    read_meanwhile: bool = False
    by_version: bool = False
    like: Likeness = field(default_factory=Likeness)

    @property
    def findings(self) -> list[str]:
        return self.like.findings

    @property
    def passed(self) -> bool:
        return not self.findings and self.rto_seconds is not None and not self.broken_promises

    @property
    def broken_promises(self) -> list[str]:
        figures = zip(("RTO", "RPO"), (self.rto_seconds, self.rpo_seconds), self.promised, strict=True)
        return [
            f"{name} is {value:,.1f} s, and {promised:,.0f} s are promised"
            for name, value, promised in figures
            if value is not None
            and promised is not None
            and value > promised
            and not (name == "RPO" and self.until)  # what was left behind by choice is not lost
        ]

    @property
    def evidence(self) -> dict[str, Any]:
        """As the store keeps it: plain values and lists."""
        return {
            "store": self.store,
            "tool": self.tool,
            "backup": self.backup,
            "backup_taken_at": self.taken_at.isoformat(timespec="seconds"),
            "restored_to": self.until.isoformat(timespec="seconds") if self.until else "the newest",
            "rto_seconds": self.rto_seconds,
            "rpo_seconds": self.rpo_seconds,
            "promised_rto_seconds": self.promised[0],
            "promised_rpo_seconds": self.promised[1],
            "lost_bytes": self.lost_bytes,
            "size_bytes": self.size_bytes,
            "checked": list(self.checked),
            "compared_with": self.against,
            "large_tables": "by the versions of their rows, and a part by content" if self.by_version else "by content",
            "source_read": "while the backup was restored" if self.read_meanwhile else "after the backup was restored",
            "objects": self.like.objects,
            "tables": self.like.tables,
            "rows": self.like.rows,
            "findings": list(self.findings),
            "unproved": list(self.like.unproved),
            "written_since": [f"{name} {rows}" for name, rows in sorted(self.like.since.items())],
            "notes": list(self.like.notes),
            "steps": [f"{name} {seconds}" for name, seconds in self.steps.items()],
            "words": list(self.words),
        }


def drill(
    source: profiles.Source,
    dsn: str,
    *,
    options: Options | None = None,
    ignored_schemas: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    told: Told = lambda _step: None,
) -> Result:
    """Restore a declared backup of the database that `dsn` leads to, and compare the two.

    Args:
        source: the profile, which declares `backups`.
        dsn: the living database; its role must read every table, and pg_control_system().

    Raises:
        DrillError: it can't be done here, or not as it was asked for; nothing was proved.
        EmbeddedError: no folder can be had.
    """
    how = options or Options()
    until = how.until
    living = _Living.look(dsn, source, how.store)
    name, declared, backup, store = _chosen(living.backups, source.profile.backups, how)
    way = _way(declared, source.folder)
    result = Result(
        store=name,
        tool=declared.tool,
        backup=backup.label,
        taken_at=backup.stopped_at,
        until=until,
        words=way.words(backup),
        promised=(source.profile.targets.recovery_time_seconds, source.profile.targets.recovery_point_seconds),
    )
    runtime = copies.runtime(living.source.major, environment)
    _see_room(way.needs_bytes(backup, living.bytes), how.scratch)
    owner = copies.server_account(how.account, _places(declared, source.folder))
    with Workshop(KIND, within=how.scratch) as workshop:
        if len(str(workshop.folder)) > _LONGEST_SOCKET:
            raise DrillError(f"--scratch {how.scratch}: the path is too long for a socket; name a shorter one")
        copy = Copy(
            runtime=embedded.readable_by(runtime, owner, workshop),
            workshop=workshop,
            owner=owner,
            source=living.source,
            libraries=how.libraries,
            roomy=copies.in_memory(way.needs_bytes(backup, living.bytes)),
            idle=copies.idle_cores(),
            told=told,
        )
        copy.prepare()
        if copy.attempt(["ls", workshop.folder]).returncode:
            raise DrillError(
                f"{workshop.folder.parent}: the copy's account may not come in; name another folder (--scratch)"
            )
        reading = _reading(how, living, ignored_schemas, logical=way.logical)
        elsewhere = _elsewhere(dsn) if how.elsewhere is None else how.elsewhere
        # On this machine its rows are read when a core is idle: the restore has its own.
        beside = _source_read(living, copy, reading, how, free=None if elsewhere else copy.spare)
        try:
            began = time.perf_counter()
            way.restore(copy, backup, until)
            result.rto_seconds = round(time.perf_counter() - began - copy.steps.get("manifest", 0.0), 3)
            told("comparing with the source")
            beside.hurry()
            result.read_meanwhile = beside.meanwhile
            result.by_version = reading.versions is not None and _versions_tell(copy, living)
            if reading.versions is not None and not result.by_version:
                beside.end()
                result.read_meanwhile, reading = False, replace(reading, versions=None)
                beside = _source_read(living, copy, reading, how)
            _compare(copy, living, store, how, beside, reading, result, logical=way.logical)
            if not way.logical:  # a dump has no pages: those of its copy are the drill's own
                _see_pages(copy, result)
        except RestoreError as error:
            _see_that_it_is_the_backups(error, living, source, name, backup)
            result.findings.append(str(error))
        except psycopg.Error as error:
            raise DrillError(f"the comparison was broken off: {' '.join(str(error).split())}") from error
        finally:
            beside.end()
            result.checked += copy.checked
            began = time.perf_counter()
            copy.end_at_once()
    copy.step("removal", began)
    result.steps = dict(copy.steps)
    return result


def _see_that_it_is_the_backups(
    error: RestoreError, living: _Living, source: profiles.Source, name: str, backup: Backup
) -> None:
    """A full disk, or a backup that expired meanwhile, says nothing about whether it restores.

    Raises:
        DrillError: it is one of those.
    """
    if "No space left on device" in str(error):
        raise DrillError(
            f"no room was left for the copy, so nothing was proved; name another folder (--scratch DIR): {error}"
        )
    store = _Living.look(living.dsn, source, name).backups.stores[name]
    if isinstance(store, Store) and backup.label not in {
        b.label for b in store.good(living.backups.system_identifier, partial=True)
    }:
        raise DrillError(
            f"{name} {backup.label} was removed or changed while it was restored, so nothing was proved; start the drill again"
        )


def _reading(how: Options, living: _Living, ignored_schemas: Sequence[str], *, logical: bool) -> Reading:
    """How both sides are read; by version as far as can be told before the backup is restored (see `_versions_tell`)."""
    versions = living.timeline is not None and not logical and not how.deep and how.snapshot is None
    return Reading(
        ignored_schemas=ignored_schemas,
        workers=how.workers,
        of_copy=_cores(),
        rows_up_to=how.rows_up_to,
        versions=secrets.token_hex(8) if versions else None,
        told=lambda _table: None,
    )


def _source_read(
    living: _Living, copy: Copy, reading: Reading, how: Options, *, free: Callable[[], bool] | None = None
) -> Beside:
    sums = copy.workshop.folder / ("source.sums" if reading.versions is None else "source-versions.sums")
    return Beside(living.dsn, None if how.snapshot else sums, reading, schema=True, free=free)


def _cores() -> int:
    """How many of the copy's sessions work side by side, two such groups fit its connections."""
    return max(2, min(8, os.cpu_count() or 1))


def _elsewhere(dsn: str) -> bool:
    """Whether the database's server is another machine: reached by an address that isn't one of ours."""
    with psycopg.connect(conninfo.make_conninfo("", **parse_dsn(dsn)), autocommit=True) as session:
        host, address = session.info.host, session.info.hostaddr
    if host.startswith(("/", "@")) or not address:
        return False
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind((address, 0))
    except OSError:
        return True
    return False


# -- the living source -------------------------------------------------------------------------------------------

_LOOK = """
select
    pg_catalog.current_setting('server_version_num')::int / 10000 as major,
    pg_catalog.current_database() as database,
    pg_catalog.clock_timestamp() as clock,
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint as next_xid,
    case
        when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
        else pg_catalog.pg_current_wal_lsn()
    end - '0/0'::pg_lsn as wal,
    (select r.rolname from pg_catalog.pg_roles as r where r.oid = 10) as superuser,
    array(select r.rolname from pg_catalog.pg_roles as r where r.rolname !~ '^pg_' order by r.rolname)::text[] as roles,
    array(select s.spcname from pg_catalog.pg_tablespace as s where s.spcname !~ '^pg_' order by s.spcname)::text[] as spaces,
    array[pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype]::text[] as locale,
    pg_catalog.current_setting('track_commit_timestamp') = 'on' as timestamps,
    pg_catalog.current_setting('data_checksums') = 'on' as checksums,
    pg_catalog.pg_database_size(d.oid) as bytes
from pg_catalog.pg_database as d
where d.datname = pg_catalog.current_database()
"""


_VERSIONS_FROM = 14  # hashtidextended()

# As the first digits of a segment's name. A standby's is its last restart point's, which may be older: then rows are compared by
# content.
_TIMELINE = """
select
    case
        when pg_catalog.pg_is_in_recovery()
            then pg_catalog.lpad(pg_catalog.upper(pg_catalog.to_hex(c.timeline_id)), 8, '0')
        else pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)
    end as timeline
from pg_catalog.pg_control_checkpoint() as c
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Living:
    """The source before the drill: what would be lost is counted from here.

    Args:
        timeline: its number, where rows may be compared by their version at all: pages bear checksums.
    """

    dsn: str = field(repr=False)
    source: copies.Source
    clock: datetime
    next_xid: int
    wal: int
    bytes: int
    timestamps: bool
    timeline: str | None
    backups: Backups

    @classmethod
    def look(cls, dsn: str, source: profiles.Source, store: str | None) -> _Living:
        parse_dsn(dsn)
        declared = source.profile.backups
        if store is not None and store not in declared:
            raise DrillError(f"--store {store}: the profile declares {', '.join(declared) or 'none'}")
        asked = {store: declared[store]} if store is not None else dict(declared)  # the others needn't be asked
        profile = source.profile.model_copy(update={"backups": asked})
        postgres = Postgres(dsn)
        timeline: str | None = None
        target = Target(profile=profile, folder=source.folder, now=datetime.now(UTC))
        try:
            (row,) = postgres.rows(_LOOK, marker="drill restore")
            backups = Backups.take(postgres, target)
            with suppress(Unobservable):  # a role may be too small for it, and PostgreSQL too old
                if row["major"] >= _VERSIONS_FROM and row["checksums"]:
                    ((timeline,),) = (tuple(r.values()) for r in postgres.rows(_TIMELINE, marker="drill restore"))
        except Unobservable as refusal:
            raise DrillError(f"{refusal.detail}{f' ({refusal.unlock})' if refusal.unlock else ''}") from None
        finally:
            postgres.close()
        if backups.system_identifier is None:
            raise DrillError(
                "the role may not tell which cluster this is, so that a backup of another would do; grant it pg_monitor"
            )
        return cls(
            dsn=conninfo.make_conninfo(dsn, client_encoding="utf8"),  # a database of no known encoding would send bytes
            source=copies.Source(
                major=row["major"],
                database=row["database"],
                superuser=row["superuser"],
                roles=row["roles"],
                tablespaces=row["spaces"],
                locale=tuple(row["locale"]),
            ),
            clock=datetime.fromisoformat(str(row["clock"])),
            next_xid=row["next_xid"],
            wal=int(row["wal"]),
            bytes=row["bytes"],
            timestamps=row["timestamps"],
            timeline=timeline,
            backups=backups,
        )


def _chosen(
    backups: Backups, declared: Mapping[str, BackupStore], how: Options
) -> tuple[str, BackupStore, Backup, Store]:
    """The store and its newest good backup from before the moment that is asked for."""
    names = [how.store] if how.store else list(declared)
    if not names:
        raise DrillError("the profile declares no store of backups (`backups:`)")
    found: list[tuple[datetime, str, Backup, Store]] = []
    refusals: list[str] = []
    for name in names:
        store = backups.stores[name]
        if isinstance(store, Unobservable):
            refusals.append(f"{name}: {store.detail}")
            continue
        refusals += [
            f"{b.label}: {b.unread}"
            for b in store.backups
            if b.unread and not b.partial and how.backup in (None, b.label)
        ]
        for backup in store.good(backups.system_identifier, partial=True):
            wanted = how.backup in (None, backup.label)
            if wanted and (how.until is None or backup.stopped_at <= how.until):
                found.append((backup.stopped_at, name, backup, store))
    if not found:
        why = "; ".join(refusals) or (
            f"there is no good backup{f' {how.backup}' if how.backup else ''} of this cluster"
            f"{f' from before {how.until:%Y-%m-%d %H:%M:%S}' if how.until else ''}"
        )
        raise DrillError(f"nothing to restore: {why}")
    _, name, backup, store = max(found, key=lambda f: f[0])
    return name, declared[name], backup, store


def _way(declared: BackupStore, folder: Path) -> Way:
    match declared.tool:
        case "pgbackrest":
            return PgBackRest(declared.words, declared.stanza or "")
        case "barman":
            return Barman(declared.words, declared.server or "")
        case "basebackup":
            wal = folder / declared.wal_directory if declared.wal_directory else None
            return BaseBackup(folder / (declared.directory or ""), wal)
        case "pg_dump":
            return Dump(folder / (declared.directory or ""))
        case "wal-g" | "provider":
            raise DrillError(
                f"there is no drill for {declared.tool} yet; name another --store, or attest a restore by hand"
            )


def _places(declared: BackupStore, folder: Path) -> list[Path]:
    if declared.tool == "barman":
        with suppress(Unobservable):
            return [barman.home(declared.words, declared.server or "")]
    return [folder / name for name in (declared.wal_directory, declared.directory) if name]


def _see_room(needed: int, scratch: Path | None) -> None:
    place = scratch or Path(tempfile.gettempdir())
    if "\n" in str(place) or not place.is_dir():
        raise DrillError(f"--scratch {place}: there is no such folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DrillError(f"--scratch {place}: nothing can be written there")
    free, wanted = shutil.disk_usage(place).free, int(needed * ROOM) + ROOM_BYTES
    if free < wanted:
        raise DrillError(
            f"{place}: the copy needs about {wanted / 2**30:.1f} GB, and {free / 2**30:.1f} GB are free there; "
            f"name another folder (--scratch DIR)"
        )


# -- what is measured --------------------------------------------------------------------------------------------

_RECOVERED = """
select
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint as next_xid,
    pg_catalog.pg_last_xact_replay_timestamp() as last_commit,
    pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_lsn as wal,
    (select s.system_identifier from pg_catalog.pg_control_system() as s) as system
"""


def _measure(
    copy: Copy, living: _Living, store: Store, result: Result, *, logical: bool, until: datetime | None
) -> int:
    """How much is lost, and whether recovery went as far as WAL was archived.

    Returns:
        The copy's next transaction number.
    """
    with closing(psycopg.connect(copy.dsn(copy.lobby), autocommit=True)) as session:
        row = session.execute(_RECOVERED).fetchone()
        there = session.execute(
            "select from pg_catalog.pg_database where datname = %s", [copy.source.database]
        ).fetchall()
    assert row is not None
    next_xid, last_commit, wal, system = row
    if not there:
        raise RestoreError(f"the backup holds no database {copy.source.database}")
    if logical:
        result.rpo_seconds = round((living.clock - result.taken_at).total_seconds(), 1)
        return int(next_xid)
    if system != living.backups.system_identifier:
        raise RestoreError("the backup is another cluster's")
    result.lost_bytes = max(0, living.wal - int(wal)) if wal is not None else None
    newest = last_commit or result.taken_at
    lost = living.next_xid > next_xid
    result.rpo_seconds = round(max(0.0, (living.clock - newest).total_seconds()), 1) if lost else 0.0
    if until is None and wal is not None:
        _see_end(int(wal), living.backups, store, result)
    return int(next_xid)


def _see_end(wal: int, backups: Backups, store: Store, result: Result) -> None:
    """Recovery ends without a word where a segment is missing: it must have come as far as there is WAL."""
    bytes_ = backups.segment_bytes
    reached = (wal - 1) // bytes_
    newest = [s for s in (backups.last_archived, *(store.archived or ())) if s is not None]
    if store.archived is None or not newest:
        return
    last = max(newest, key=lambda s: (s.timeline, s.number))
    if reached < last.number:
        missing = Segment(timeline=last.timeline, number=reached + 1)
        result.findings.append(
            f"recovery ended in {Segment(timeline=last.timeline, number=reached).name(bytes_)}, though WAL was archived up "
            f"to {last.name(bytes_)}: {missing.name(bytes_)} is missing or unreadable"
        )


_BRANCHED = """
select pg_catalog.pg_read_file('pg_wal/' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) || '.history')
where pg_catalog.current_setting('data_checksums') = 'on'
"""


def _versions_tell(copy: Copy, living: _Living) -> bool:
    """Whether a row's place and transaction stand for what it holds: they do on pages that are known to be as they were written.

    That is: where the backup's own proof held, file by file, its pages bear checksums, which are looked at, and the copy comes
    from the timeline that the source is on; on another one the same number may be another transaction's.
    """
    if not copy.checked or not copy.tool("pg_checksums").is_file():
        return False
    with closing(psycopg.connect(copy.dsn(copy.lobby), autocommit=True)) as session:
        try:
            row = session.execute(_BRANCHED).fetchone()
        except psycopg.Error:
            return False
    lines = [line for line in (row[0] if row else "").splitlines() if line[:1].isdigit()]
    return bool(lines) and f"{int(lines[-1].split()[0]):08X}" == living.timeline


def _bytes(folder: Path) -> int:
    total = 0
    for _, _, files, here in os.fwalk(folder, onerror=lambda _: None):
        for name in files:
            with suppress(OSError):
                total += os.stat(name, dir_fd=here, follow_symlinks=False).st_size
    return total


def _compare(
    copy: Copy,
    living: _Living,
    store: Store,
    how: Options,
    beside: Beside,
    reading: Reading,
    result: Result,
    *,
    logical: bool,
) -> None:
    """What is lost; and schema and rows, held against the source's, while amcheck goes through tables and indexes."""
    began = time.perf_counter()
    next_xid: int | None = None
    made_at = result.taken_at if logical and living.timestamps else None

    def since() -> Since:
        postgres = Postgres(living.dsn)
        try:
            (now,) = postgres.rows(_LOOK, marker="drill restore")
        except Unobservable as refusal:
            raise DrillError(f"the source: {refusal.detail}") from None
        finally:
            postgres.close()
        return Since(
            copy=copy.dsn(),
            next_xid=next_xid,
            source_xid=now["next_xid"],
            source=living.dsn,
            made_at=made_at,
        )

    like = result.like
    sums = copy.workshop.folder / "copy.sums"
    amcheck = Amcheck(copy.source.database, deep=how.deep)
    copied = Beside(copy.dsn(), None if how.snapshot else sums, reading, schema=False, copy=True, along=amcheck)
    try:
        xmax = _measure(copy, living, store, result, logical=logical, until=how.until)
        next_xid = None if logical else xmax
        fingerprint: SchemaFingerprint | None = None
        try:
            fingerprint = likeness.fingerprint(copy.dsn(), reading)  # before amcheck makes its extension
        except Unobservable as refusal:
            like.findings.append(f"the copy's schema can't be read: {refusal.detail}")
        amcheck.install(copy.dsn())
        copy.begin_rest(_heaps(copy) if amcheck.refused is None else ())
        copy.relax()
        result.size_bytes = _bytes(copy.data)
        if how.snapshot is not None:
            _against(how.snapshot, copy, reading, amcheck, result)
        else:
            likeness.rows(living.dsn, copy.dsn(), copy.workshop.folder, beside, copied, since, reading, like)
    finally:
        amcheck.give_up()
        copied.end()
    if how.snapshot is None and logical and made_at is None and like.findings:
        like.notes.append(
            "what was written since the dump was begun can't be told from what is lost: compare with a snapshot of that "
            "moment (--snapshot), or set track_commit_timestamp"
        )
    beside.wait()
    if fingerprint is not None:
        likeness.schema(living.dsn, fingerprint, beside, since, reading, like)
    if not like.tables and not like.findings:
        like.findings.append("nothing was compared: there is no table that the role may read")
    _told(amcheck, copy, result)
    copy.step("compare", began)


def _against(reference: Path, copy: Copy, reading: Reading, amcheck: Amcheck, result: Result) -> None:
    """The rows, compared with a snapshot that was taken of the source at the restore point."""
    result.against = f"the snapshot {reference.name}"
    own = copy.workshop.folder / "copy.snapshot"
    reading.take(copy.dsn(), own, rows_up_to=snapshot.ROWS_UP_TO, copy=True, along=amcheck)
    compared = snapshot.compare(reference, own)
    result.like.tables, result.like.rows = compared.same, compared.rows
    result.findings.extend(str(d) for d in compared.differences)
    result.like.notes += compared.notes


# -- whether it is sound -----------------------------------------------------------------------------------------


# What amcheck reads from the first page to the last; of an index it reads those that hang in the tree.
_HEAPS = """
select pg_catalog.pg_relation_filepath(c.oid)
from pg_catalog.pg_class as c
inner join pg_catalog.pg_am as a on c.relam = a.oid
where c.relkind in ('r', 'm', 't') and a.amname = 'heap' and c.relpersistence = 'p'
"""


def _heaps(copy: Copy) -> frozenset[str]:
    with closing(psycopg.connect(copy.dsn(), autocommit=True)) as session:
        return frozenset(path for (path,) in session.execute(_HEAPS))


def _told(amcheck: Amcheck, copy: Copy, result: Result) -> None:
    if amcheck.found:
        result.findings.extend(f"amcheck: {one[:300]}" for one in sorted(amcheck.found)[: likeness.EXAMPLES])
    elif amcheck.whole:
        copy.checked.append("amcheck")
    else:
        result.like.notes.append(
            f"tables and indexes were not checked: {amcheck.refused or 'not all of them were gone through'}"
        )


def _see_pages(copy: Copy, result: Result) -> None:
    """Every page of the cluster against its checksum; those of large tables were, by the server, if amcheck came to its end."""
    copy.told("checking pages")
    began = time.perf_counter()
    done = [copy.end(one) for one in copy.pages]
    unread = copy.held or (copy.trusted and "amcheck" not in copy.checked)
    if not done or unread or any(one.returncode for one in done):
        copy.stop()
        folder = copy.workshop.folder / "parts"
        parts = copies.parts(copy.data, folder, _cores())
        copy.give_all(folder)
        begun = [copy.begin([copy.tool("pg_checksums"), "--check", "-D", p], number=n) for n, p in enumerate(parts)]
        done = [copy.end(one) for one in begun]
    failed = [one for one in done if one.returncode]
    if not failed:
        copy.checked.append("page checksums")
    elif any("not enabled" in one.stderr for one in failed):
        result.like.notes.append("pages bear no checksums (data_checksums is off)")
    else:
        broken = [line for one in failed for line in one.stderr.splitlines() if "failed in file" in line]
        told = (
            re.sub(rf"{re.escape(str(copy.workshop.folder))}/(data|parts/part-\d+)/", "", broken[0]) if broken else ""
        )
        result.findings.append(f"page checksums: {told.strip() or copies.last_words(failed[0])}")
    copy.step("page checksums", began)
