"""Figures that grow, as they are now and as earlier audits (or Prometheus) had them, each with the limit that it may meet."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import urlencode

from readiness.authoring import Unobservable
from readiness.facts.http import get
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.model import Reason, count_of, quote_ident

SEEN_BY = "operations/limit-in-reach"
"""The check whose outcomes keep the figures, run by run."""
MOST_DAYS = 90
"""How far back is looked."""

DATABASES, CONNECTIONS, WAL, TRANSACTIONS = "databases", "connections", "write-ahead log", "transaction ids"
_MEGABYTE = 1 << 20
_SHOWN = 10  # of the largest tables, and of the sequences that are nearest to their end


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure as it is now.

    Args:
        kind: of what, as a subject (server, table, sequence).
        limit: what it can't pass, in the unit; None where it has none, or where that isn't known.
        reset_by: the share of its value by which it falls only when it starts anew: any (0) of a counter; None where it
            rises and falls as it likes.
        note: what a reader must know of the limit.
    """

    kind: str
    value: float
    unit: str
    limit: float | None = None
    reset_by: float | None = 0.3
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierFigures:
    """What earlier audits of the same server saw; the audit gives it, from its own store.

    Args:
        points: figure's name -> (when, value), oldest first.
    """

    points: Mapping[str, tuple[tuple[datetime, float], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The present figures by name.

    Args:
        by_name: databases, connections, write-ahead log, transaction ids; the largest tables and the sequences that may
            run out by their own names, quoted.
        unseen: those that could not be had.
        wrapping: whether transaction ids are older than autovacuum should let them be.
    """

    by_name: Mapping[str, Figure]
    unseen: Mapping[str, Unobservable]
    wrapping: bool

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target) -> Self:
        found: dict[str, Figure] = {}
        unseen: dict[str, Unobservable] = {}
        (row,) = postgres.rows(_SERVER, marker="capacity")
        disk = target.profile.capacity.disk_gb
        if row["databases"] is None:
            role = server.role
            unseen[DATABASES] = Unobservable(
                Reason.NO_PERMISSION,
                "the size of a database that the role may not connect to can't be seen",
                f"grant pg_monitor to {role};",
            )
        else:
            found[DATABASES] = Figure(
                kind="server",
                value=row["databases"] / _MEGABYTE,
                unit="MB",
                limit=None if disk is None else disk * 1024,
                note=None
                if disk is None
                else "of the volume that the profile declares; what else lies there comes on top",
            )
        found[CONNECTIONS] = Figure(
            kind="server",
            value=row["connections"],
            unit="connections",
            limit=row["most_connections"],
            reset_by=None,
        )
        found[WAL] = Figure(kind="server", value=row["wal"] / _MEGABYTE, unit="MB", reset_by=0)
        wrapping = row["age"] > 1.2 * row["freeze_max_age"]
        found[TRANSACTIONS] = Figure(
            kind="server",
            value=row["xids"],
            unit="transactions",
            limit=row["xids"] + row["left"] if wrapping else None,
            reset_by=0,
            note=None if wrapping else "rows are frozen in time: autovacuum keeps the oldest within its limit",
        )
        for kind, query in (("table", _TABLES), ("sequence", _SEQUENCES)):
            try:
                rows = postgres.rows(query, marker="capacity")
            except Unobservable as refusal:
                # Where a running DDL statement holds one of them, this audit has no point of these.
                unseen[f"the largest {kind}s"] = refusal
                continue
            seen = [r for r in rows if r["value"] is not None]
            if hidden := [r["name"] for r in rows if not r["may"]]:
                homes = dict.fromkeys(r["schema"] for r in rows if not r["may"])
                unseen["sequences that may not be read"] = Unobservable(
                    Reason.NO_PERMISSION,
                    f"{count_of(len(hidden), 'sequences')} that may run out, {hidden[0]} among them: the role may not read them",
                    f"grant select on all sequences in schema {', '.join(homes)} to {quote_ident(server.role)};",
                )
            if kind == "sequence":
                seen = sorted(seen, key=lambda r: (-r["value"] / r["most"], r["name"]))[:_SHOWN]
            for r in seen:
                found[r["name"]] = Figure(
                    kind=kind,
                    value=r["value"] / (_MEGABYTE if kind == "table" else 1),
                    unit="MB" if kind == "table" else "numbers",
                    limit=r["most"],
                    reset_by=0.3 if kind == "table" else 0,
                )
        return cls(by_name=found, unseen=unseen, wrapping=wrapping)


# 3 million transactions before the end of its 2^31 the server takes no more writes.
_SERVER = """
select
    case when pg_catalog.bool_and(may.see) then pg_catalog.sum(
        case when may.see then pg_catalog.pg_database_size(d.oid) end
    ) end::float8 as databases,
    (
        select pg_catalog.sum(s.numbackends)::int8 from pg_catalog.pg_stat_database as s where s.datid <> '0'::pg_catalog.oid
    ) as connections,
    pg_catalog.current_setting('max_connections')::int8
    - pg_catalog.current_setting('superuser_reserved_connections')::int8
    - coalesce(pg_catalog.current_setting('reserved_connections', true)::int8, 0) as most_connections,
    pg_catalog.pg_wal_lsn_diff(
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end,
        '0/0'
    )::float8 as wal,
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::int8 as xids,
    pg_catalog.max(pg_catalog.age(d.datfrozenxid)) as age,
    2147483648 - 3000000 - pg_catalog.max(pg_catalog.age(d.datfrozenxid)) as left,
    pg_catalog.current_setting('autovacuum_freeze_max_age')::int8 as freeze_max_age
from pg_catalog.pg_database as d
cross join lateral (
    select
        pg_catalog.has_database_privilege(d.oid, 'connect')
        or pg_catalog.pg_has_role('pg_read_all_stats', 'usage') as see
) as may
"""

# By the pages that the catalog has, so that the others need not be looked at.
_TABLES = """
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as name,
    pg_catalog.pg_table_size(c.oid)::float8 as value,
    null::float8 as most,
    pg_catalog.quote_ident(ns.nspname) as schema,
    true as may
from (
    select c.oid, c.relname, c.relnamespace
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'm') and c.relpersistence <> 't' and c.relpages > 0
    order by c.relpages desc, c.oid asc
    limit 40
) as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where ns.nspname <> 'information_schema' and ns.nspname !~ '^pg_'
order by value desc, name asc
limit 10
"""

# Those that may run out: eight bytes last for ever. Of the columns that take their numbers, by ownership or by a default that
# is nextval() and computes nothing, the narrowest counts; a domain goes by the type below. A sequence that an ALTER holds
# would be waited for.
_SEQUENCES = """
with recursive integers (type, high) as (
    select t.oid, case t.typlen when 2 then 32767 else 2147483647 end::int8
    from pg_catalog.pg_type as t
    where t.oid in ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype)
    union all
    select d.oid, i.high
    from integers as i
    inner join pg_catalog.pg_type as d on i.type = d.typbasetype and d.typtype = 'd'
),

taker (seq, relid, attnum) as (
    select d.objid, d.refobjid, d.refobjsubid
    from pg_catalog.pg_sequence as s
    inner join pg_catalog.pg_depend as d on s.seqrelid = d.objid
    where
        d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.deptype in ('a', 'i')
    union
    select d.refobjid, def.adrelid, def.adnum
    from pg_catalog.pg_sequence as s
    inner join pg_catalog.pg_depend as d on s.seqrelid = d.refobjid
    inner join pg_catalog.pg_attrdef as def on d.objid = def.oid
    where
        d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        and pg_catalog.strpos(def.adbin::pg_catalog.text, '{OPEXPR') = 0
),

narrow (seq, high) as (
    select taker.seq, pg_catalog.min(integers.high)
    from taker
    inner join pg_catalog.pg_attribute as a on taker.relid = a.attrelid and taker.attnum = a.attnum
    inner join integers on a.atttypid = integers.type
    group by taker.seq
),

bounded as (
    select
        s.seqrelid,
        least(s.seqmax, narrow.high) as most
    from pg_catalog.pg_sequence as s
    left join narrow on s.seqrelid = narrow.seq
    where s.seqincrement > 0 and not s.seqcycle and least(s.seqmax, narrow.high) between 1 and 2147483647
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as name,
    case when may.be then coalesce(pg_catalog.pg_sequence_last_value(b.seqrelid), 0)::float8 end as value,
    b.most::float8 as most,
    pg_catalog.quote_ident(ns.nspname) as schema,
    may.be as may
from bounded as b
inner join pg_catalog.pg_class as c on b.seqrelid = c.oid and c.relpersistence = 'p'
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select pg_catalog.has_sequence_privilege(b.seqrelid, 'select,usage') as be
) as may
order by name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredFigures:
    """What Prometheus has of the figures that the profile names a query for.

    Args:
        points: as of `EarlierFigures`.
        unseen: why a figure's could not be had.
    """

    points: Mapping[str, tuple[tuple[datetime, float], ...]]
    unseen: Mapping[str, str]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared = target.profile.capacity
        points: dict[str, tuple[tuple[datetime, float], ...]] = {}
        unseen: dict[str, str] = {}
        for name, query in declared.queries.items():
            asked = urlencode(
                {
                    "query": query,
                    "start": f"{(target.now - timedelta(days=MOST_DAYS)).timestamp():.0f}",
                    "end": f"{target.now.timestamp():.0f}",
                    "step": "6h",
                }
            )
            reply = get(
                f"{(declared.prometheus or '').rstrip('/')}/api/v1/query_range?{asked}",
                target.profile.probing.http_timeout_seconds,
            )
            try:
                if reply.error is not None:
                    raise ValueError(reply.error)
                points[name] = series_of(reply.body)
            except ValueError as error:
                unseen[name] = f"Prometheus has no series for it: {error}"
        return cls(points=points, unseen=unseen)


def series_of(body: bytes) -> tuple[tuple[datetime, float], ...]:
    """The one series of an answer to query_range (https://prometheus.io/docs/prometheus/latest/querying/api/).

    Raises:
        ValueError: it is none, or holds several series.
    """
    try:
        told = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(told, dict) or told.get("status") != "success":
        raise ValueError(str(told.get("error") or "no success")[:200] if isinstance(told, dict) else "no object")
    try:
        found = told["data"]["result"]
        if len(found) != 1:
            raise ValueError(f"{len(found)} series, where one is asked for; write sum(...) or name the instance")
        values = [(datetime.fromtimestamp(float(at), UTC), float(value)) for at, value in found[0]["values"]]
    except (KeyError, TypeError, OverflowError, OSError) as error:
        raise ValueError("it has another form than query_range's answer") from error
    finite = tuple((at, value) for at, value in values if math.isfinite(value))
    if not finite:
        raise ValueError("none of its values is a number")
    return finite
