"""Who follows this server and how far behind, and what the standbys themselves say."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.target import Target, declared
from readiness.model import Reason, quote_ident
from readiness.profile import Probing

LONGEST_WAIT = 30.0
"""Seconds that a lag is waited out, where the limit is not reached before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A standby as its primary sees it; what receives WAL and replays none (pg_receivewal, pg_basebackup) is none.

    Args:
        state: startup, catchup, streaming.
        sync_state: async, potential, sync, quorum.
        behind_bytes: written (flushed) here and not yet replayed there, when it was first looked at.
        lag_seconds: within how long everything that had been written by then was replayed; None where it was waited for in
            vain.
        waited_seconds: how long that was.
    """

    name: str
    address: str | None
    state: str
    sync_state: str
    behind_bytes: int
    lag_seconds: float | None
    waited_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """The standbys of this primary, each with its lag, measured and not computed.

    The server's own `replay_lag` stands still while replay is paused, and the age of the last replayed transaction grows
    while a primary is idle. So we note how far the primary has written, and wait until the standby has replayed that. Of one
    that another standby feeds nothing is seen here: where more are declared than stream from here, each declared one is
    asked itself.

    Args:
        standbys: those that stream from here.
        asked: the declared ones of this cluster, by name, or why one could not be asked; empty where none is beyond those.
    """

    standbys: tuple[Follower, ...]
    asked: Mapping[str, Follower | Unobservable] = field(default_factory=dict)

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target) -> Self:
        server.require("primary")
        server.require("pg_monitor")
        limit = target.profile.targets.standby_lag_seconds
        postgres.rest()
        started = time.monotonic()
        first = postgres.rows(_FOLLOWERS, ("0/0",), marker="standbys")
        asked = _asked_how_far(postgres, target, limit) if len(target.profile.standbys) > len(first) else {}
        if not first:
            return cls(standbys=(), asked=asked)
        started = time.monotonic()
        first = postgres.rows(_FOLLOWERS, ("0/0",), marker="standbys") if asked else first
        mark = first[0]["written"]
        behind = {row["pid"]: row["behind"] for row in first}
        waiting, lags = {pid for pid, bytes_ in behind.items() if bytes_ > first[0]["slack"]}, {}
        lags.update(dict.fromkeys(behind.keys() - waiting, 0.0))
        pause, last = 0.02, started
        while waiting and last - started < min(limit, LONGEST_WAIT):
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
            left = {row["pid"]: row for row in postgres.rows(_FOLLOWERS, (mark,), marker="standbys")}
            last = time.monotonic()
            for pid in [p for p in waiting if p in left and left[p]["past"] >= -left[p]["slack"]]:
                lags[pid] = last - started
                waiting.remove(pid)
        names = [row["name"] for row in first]
        return cls(
            standbys=tuple(
                Follower(
                    name=quote_ident(row["name"])
                    + (f" ({row['address'] or row['pid']})" if names.count(row["name"]) > 1 else ""),
                    address=row["address"],
                    state=row["state"],
                    sync_state=row["sync_state"],
                    behind_bytes=max(0, row["behind"]),
                    lag_seconds=lags.get(row["pid"]),
                    waited_seconds=last - started,
                )
                for row in first
            ),
            asked=asked,
        )


def _asked_how_far(postgres: Postgres, target: Target, limit: float) -> dict[str, Follower | Unobservable]:
    """Each declared standby's own lag; what is no standby of this cluster is left out, since another check says so."""
    found: dict[str, Follower | Unobservable] = {}
    cluster = _cluster(postgres)
    for name, standby in target.profile.standbys.items():
        with _session(name, standby.dsn.get_secret_value(), target.profile.probing) as session:
            if isinstance(session, Unobservable):
                found[name] = session
                continue
            try:
                state = _state(session, cluster)
                if state.in_recovery and state.same_cluster is not False:
                    found[name] = _waited_for(name, state, postgres, session, limit)
            except Unobservable as unseen:
                found[name] = unseen
    return found


def _waited_for(name: str, state: StandbyState, postgres: Postgres, session: Postgres, limit: float) -> Follower:
    (mark,) = postgres.rows(_WRITTEN, marker="standbys")
    started = last = time.monotonic()
    pause, behind, lag = 0.02, None, None
    while True:
        (row,) = session.rows(_REPLAYED, (mark["written"],), marker="standbys")
        last = time.monotonic()
        behind = -row["past"] if behind is None else behind
        if row["past"] >= -mark["slack"]:
            lag = 0.0 if behind <= mark["slack"] else last - started
        if lag is not None or last - started >= min(limit, LONGEST_WAIT):
            break
        time.sleep(pause)
        pause = min(pause * 2, 0.5)
    return Follower(
        name=name,
        address=None,
        state="streaming" if state.receiving else "not receiving",
        sync_state="",
        behind_bytes=max(0, behind),
        lag_seconds=lag,
        waited_seconds=last - started,
    )


# A logical receiver is connected to a database; what keeps WAL without replaying it has no replay_lsn. The WAL writer
# flushes whole pages: one that ends at a page's end may end within a record, which no standby can replay yet.
_FOLLOWERS = """
select
    r.pid,
    r.application_name as name,
    pg_catalog.host(r.client_addr) as address,
    r.state,
    r.sync_state,
    w.written::text as written,
    pg_catalog.pg_wal_lsn_diff(w.written, r.replay_lsn)::int8 as behind,
    pg_catalog.pg_wal_lsn_diff(r.replay_lsn, $1::text::pg_catalog.pg_lsn)::int8 as past,
    case when pg_catalog.pg_wal_lsn_diff(w.written, '0/0')::int8 % 8192 = 0 then 65536 else 0 end as slack
from pg_catalog.pg_stat_replication as r
inner join pg_catalog.pg_stat_activity as a on r.pid = a.pid
cross join (select pg_catalog.pg_current_wal_flush_lsn() as written) as w
where a.datid is null and r.replay_lsn is not null
order by r.application_name, r.client_addr, r.pid
"""


_WRITTEN = """
select
    w.written::text as written,
    case when pg_catalog.pg_wal_lsn_diff(w.written, '0/0')::int8 % 8192 = 0 then 65536 else 0 end as slack
from (select pg_catalog.pg_current_wal_flush_lsn() as written) as w
"""

_REPLAYED = """
select coalesce(
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), $1::text::pg_catalog.pg_lsn), -1
)::int8 as past
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyState:
    """What a standby says of itself.

    Args:
        in_recovery: whether it is a standby at all.
        same_cluster: whether it is of the audited server's cluster; None where that can't be told.
        receiving: whether it streams from its primary now.
        paused: whether its replay is.
        caught_up: whether it has replayed all that it has received.
        replayed_age: seconds since the last replayed transaction was committed; None where none was yet.
        heard_age: seconds since its primary was last heard of; None where that can't be told.
        settings: as pg_settings has them (the delays in milliseconds); of restore_command, whether there is one.
        cancelled: queries that replay cancelled, of all databases, since statistics_days ago.
    """

    in_recovery: bool
    same_cluster: bool | None
    receiving: bool
    paused: bool
    caught_up: bool
    replayed_age: float | None
    heard_age: float | None
    settings: Mapping[str, str]
    cancelled: int
    statistics_days: float | None


NOT_LOWER = (
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
)
"""Settings that a standby must have at least as high as its primary, else replay stops
(https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standbys:
    """The declared standbys, asked themselves, and the audited server where it is one.

    Args:
        by_name: its state, or why it could not be asked.
        primary: the primary's settings of NOT_LOWER; empty where the audited server is none.
    """

    by_name: Mapping[str, StandbyState | Unobservable]
    primary: Mapping[str, str]

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target) -> Self:
        found: dict[str, StandbyState | Unobservable] = {}
        cluster = _cluster(postgres)
        if server.standby:
            found[str(postgres.address)] = _state(postgres, cluster)
        elif "standbys" not in target.profile.model_fields_set:
            _none_follow(postgres, server, target)
        for name, standby in target.profile.standbys.items():
            found[name] = _asked(name, standby.dsn.get_secret_value(), cluster, target.profile.probing)
        primary = {} if server.standby else _settings(postgres, NOT_LOWER)
        return cls(by_name=found, primary=primary)


def _asked(name: str, dsn: str, cluster: str | None, probing: Probing) -> StandbyState | Unobservable:
    with _session(name, dsn, probing) as session:
        if isinstance(session, Unobservable):
            return session
        try:
            return _state(session, cluster)
        except Unobservable as unseen:
            return unseen


@contextlib.contextmanager
def _session(name: str, dsn: str, probing: Probing) -> Iterator[Postgres | Unobservable]:
    """A session on a declared standby, or why there is none."""
    try:
        session = Postgres(dsn, statement_seconds=probing.statement_seconds, share_when_busy=probing.share_when_busy)
    except ValueError as error:
        yield Unobservable(Reason.NOT_CONFIGURED, f"standbys.{name}.dsn: {error}")
        return
    try:
        refusal = None
        try:
            session.rows("select 1 as here", marker="standbys")
        except Unobservable as unseen:
            refusal = unseen
            if "password" in unseen.detail:  # whoever answers so is up; it is our own credentials that are wrong
                refusal = Unobservable(
                    Reason.NOT_CONFIGURED,
                    f"it turns the auditor's role away: {unseen.detail}",
                    f"the role's name and password in standbys.{name}.dsn; they are the same there as on the primary",
                )
        yield refusal or session
    finally:
        session.close()


def _cluster(postgres: Postgres) -> str | None:
    """The cluster's own number, which its standbys share; None where the role may not read it."""
    with contextlib.suppress(Unobservable):
        (row,) = postgres.rows(
            "select s.system_identifier::text as number from pg_catalog.pg_control_system() as s", marker="standbys"
        )
        return str(row["number"])
    return None


def _none_follow(postgres: Postgres, server: Server, target: Target) -> None:
    """See that no standby streams from here: then there is none to ask, and none need be declared.

    Raises:
        Unobservable: one does, and nobody says how it is reached; or that can't be seen.
    """
    if (server.superuser or "pg_monitor" in server.memberships) and not postgres.rows(
        _FOLLOWERS, ("0/0",), marker="standbys"
    ):
        return
    declared(target.profile, "standbys")


def _settings(postgres: Postgres, names: tuple[str, ...]) -> dict[str, str]:
    rows = postgres.rows(
        "select s.name, s.setting from pg_catalog.pg_settings as s where s.name = any ($1::text[]) order by s.name",
        (list(names),),
        marker="standbys",
    )
    return {row["name"]: row["setting"] for row in rows}


def _state(postgres: Postgres, cluster: str | None) -> StandbyState:
    (row,) = postgres.rows("select pg_catalog.pg_is_in_recovery() as in_recovery", marker="standbys")
    if row["in_recovery"]:
        row |= postgres.rows(_STANDBY, marker="standbys")[0]
    own = _cluster(postgres)
    settings = _settings(postgres, (*NOT_LOWER, *_OF_STANDBYS))
    settings["restore_command"] = "(set)" if settings.get("restore_command") else ""  # its text may hold secrets
    return StandbyState(
        in_recovery=row["in_recovery"],
        same_cluster=None if cluster is None or own is None else own == cluster,
        receiving=row.get("receiving", False),
        paused=row.get("paused", False),
        caught_up=row.get("caught_up", False),
        replayed_age=row.get("replayed_age"),
        heard_age=row.get("heard_age"),
        settings=settings,
        cancelled=row.get("cancelled", 0),
        statistics_days=row.get("statistics_days"),
    )


_OF_STANDBYS = ("hot_standby_feedback", "max_standby_archive_delay", "max_standby_streaming_delay", "restore_command")

# Who may not see a receiver's details is told its pid alone. Its status is "streaming" but while it waits for WAL.
_STANDBY = """
select
    pg_catalog.pg_is_wal_replay_paused() as paused,
    exists (select from pg_catalog.pg_stat_wal_receiver as w where coalesce(w.status, 'streaming') = 'streaming')
        as receiving,
    coalesce(pg_catalog.pg_last_wal_replay_lsn() >= pg_catalog.pg_last_wal_receive_lsn(), false) as caught_up,
    extract(
        epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()
    )::float8 as replayed_age,
    (
        select extract(epoch from pg_catalog.clock_timestamp() - w.last_msg_receipt_time)::float8
        from pg_catalog.pg_stat_wal_receiver as w
    ) as heard_age,
    (
        select
            coalesce(pg_catalog.sum(
                c.confl_tablespace + c.confl_lock + c.confl_snapshot + c.confl_bufferpin + c.confl_deadlock
            ), 0)::int8
        from pg_catalog.pg_stat_database_conflicts as c
    ) as cancelled,
    (
        select extract(
            epoch from pg_catalog.clock_timestamp()
            - coalesce(pg_catalog.max(d.stats_reset), pg_catalog.pg_postmaster_start_time())
        )::float8 / 86400
        from pg_catalog.pg_stat_database as d
    ) as statistics_days
"""
