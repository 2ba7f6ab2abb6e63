"""What pg_stat_statements counted. Numbers first, texts for the few that are told: one neighbour database in another
encoding would otherwise break the whole look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Reason
from readiness.quantiles import moment_bounds

MOST = 200  # statements, by total time


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One normalised statement of this database, all its calls since the statistics began; times in milliseconds."""

    queryid: str
    role: str
    calls: int
    mean: float
    deviation: float
    largest: float
    total: float
    text: str | None

    @property
    def p95_bounds(self) -> tuple[float, float]:
        """Where the 95th percentile lies, whatever the distribution is: a proof where a target lies outside."""
        lower, upper = moment_bounds(self.mean, self.deviation)
        return max(lower, 0.0), min(upper, self.largest)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTimes:
    """All top-level calls of one role together, in this database; times in milliseconds, without planning and network.

    Mean and deviation of the whole follow from those of its parts, exactly: the mean square is the calls' weighted sum of
    deviation squared and mean squared.
    """

    calls: int
    mean: float
    deviation: float
    largest: float

    @property
    def p95_bounds(self) -> tuple[float, float]:
        """Where the 95th percentile lies, whatever the distribution is."""
        lower, upper = moment_bounds(self.mean, self.deviation)
        return max(lower, 0.0), min(upper, self.largest)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementStatistics:
    """The statements that took the most time.

    Args:
        calls_by_role: quoted role -> calls of everything that it ran here.
        times_by_role: the role itself, unquoted -> what its top-level calls took.
        window_seconds: how long was counted, at least.
    """

    statements: tuple[Statement, ...]
    calls_by_role: Mapping[str, int]
    times_by_role: Mapping[str, RoleTimes]
    window_seconds: float

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        server.require("pg_monitor")
        server.require("extension pg_stat_statements")
        (home,) = postgres.rows(_HOME, marker="statements")
        toplevel = "s.toplevel" if server.major >= 14 else "true"
        source = f"{home['schema']}.pg_stat_statements"
        numbers = postgres.rows(_NUMBERS.format(source=source, toplevel=toplevel), (MOST,), marker="statements")
        by_id = _texts(postgres, source, [row["queryid"] for row in numbers])
        by_role = postgres.rows(_BY_ROLE.format(source=source, toplevel=toplevel), marker="statements")
        (window,) = postgres.rows(
            _WINDOW_14.format(schema=home["schema"]) if server.major >= 14 else _WINDOW, marker="statements"
        )
        statements = (
            Statement(
                queryid=str(row["queryid"]),
                role=row["role"],
                calls=row["calls"],
                mean=row["mean"],
                deviation=row["deviation"],
                largest=row["largest"],
                total=row["total"],
                text=by_id.get(row["queryid"]),
            )
            for row in numbers
        )
        return cls(
            statements=tuple(s for s in statements if "/* readiness" not in (s.text or "")[:120]),
            calls_by_role={row["role"]: row["calls"] for row in by_role},
            times_by_role={
                row["name"]: RoleTimes(
                    calls=row["counted"],
                    mean=row["mean"],
                    deviation=max(0.0, row["square"] - row["mean"] ** 2) ** 0.5,
                    largest=row["largest"],
                )
                for row in by_role
                if row["counted"]
            },
            window_seconds=window["seconds"] or 0.0,
        )


def full_texts(postgres: Postgres, server: Server, queryids: Sequence[str]) -> Mapping[str, str]:
    """The whole texts of statements, by query id; those over some length aren't among them. None where they can't be read."""
    server.require("extension pg_stat_statements")
    (home,) = postgres.rows(_HOME, marker="statements")
    source = f"{home['schema']}.pg_stat_statements"
    try:
        rows = postgres.rows(_FULL.format(source=source), ([int(q) for q in queryids],), marker="statements")
    except Unobservable as unseen:
        if unseen.reason is not Reason.ERROR:
            raise
        return {}
    return {str(row["queryid"]): row["text"] for row in rows}


_HOME = """
select pg_catalog.quote_ident(ns.nspname) as schema
from pg_catalog.pg_extension as x
inner join pg_catalog.pg_namespace as ns on x.extnamespace = ns.oid
where x.extname = 'pg_stat_statements'
"""

_FULL = """
select s.queryid::int8 as queryid, pg_catalog.min(s.query) as text
from {source}(true) as s
where
    s.dbid = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
    and s.queryid = any ($1::int8[])
    and pg_catalog.length(s.query) < 20000
group by s.queryid
"""


def _texts(postgres: Postgres, source: str, queryids: list[int]) -> dict[int, str]:
    """The statements' texts; none where one of any database's can't be read in our encoding: the server gives up then."""
    try:
        texts = postgres.rows(_TEXTS.format(source=source), (queryids,), marker="statements")
    except Unobservable as unseen:
        if unseen.reason is not Reason.ERROR:
            raise
        return {}
    return {row["queryid"]: row["text"] for row in texts}


_NUMBERS = """
select
    s.queryid::int8 as queryid,
    pg_catalog.quote_ident(coalesce(r.rolname::text, 'unknown')) as role,
    s.calls::int8 as calls,
    s.mean_exec_time::float8 as mean,
    s.stddev_exec_time::float8 as deviation,
    s.max_exec_time::float8 as largest,
    s.total_exec_time::float8 as total
from {source}(false) as s
left join pg_catalog.pg_roles as r on s.userid = r.oid
where
    s.dbid = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
    and s.queryid is not null
    and s.calls > 0
    and {toplevel}
order by s.total_exec_time desc, s.queryid
limit $1
"""

_TEXTS = """
select s.queryid::int8 as queryid, pg_catalog.min(pg_catalog.left(s.query, 300)) as text
from {source}(true) as s
where
    s.dbid = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
    and s.queryid = any ($1::int8[])
group by s.queryid
"""

_BY_ROLE = """
select
    pg_catalog.quote_ident(r.rolname::text) as role,
    r.rolname::text as name,
    pg_catalog.sum(s.calls)::int8 as calls,
    pg_catalog.sum(s.calls) filter (where top.level)::int8 as counted,
    (
        pg_catalog.sum(s.total_exec_time) filter (where top.level)
        / nullif(pg_catalog.sum(s.calls) filter (where top.level), 0)
    )::float8 as mean,
    (
        pg_catalog.sum(s.calls * (s.stddev_exec_time ^ 2 + s.mean_exec_time ^ 2)) filter (where top.level)
        / nullif(pg_catalog.sum(s.calls) filter (where top.level), 0)
    )::float8 as square,
    pg_catalog.max(s.max_exec_time) filter (where top.level)::float8 as largest
from {source}(false) as s
inner join pg_catalog.pg_roles as r on s.userid = r.oid
cross join lateral (select {toplevel} as level) as top
where s.dbid = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
group by r.rolname
order by r.rolname
"""

_WINDOW_14 = """
select extract(epoch from pg_catalog.clock_timestamp() - i.stats_reset)::float8 as seconds
from {schema}.pg_stat_statements_info as i
"""

# Before 14 the view does not say since when it counts; the server has been up for at most so long.
_WINDOW = """
select extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time())::float8 as seconds
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCollector:
    """Whether statements are counted at all, and whether what was counted stays; readable by every role.

    Args:
        loaded: the server has the library; None of the rest but `installed` is known without.
        installed: the extension is in this database.
        track: pg_stat_statements.track: none, top or all.
        untracked: of whom nothing is counted, by a setting of their own: `role app`, `database shop`, `role app in database shop`.
        most: how many statements it keeps.
        kept: how many it has now; None where it isn't installed here.
        evictions: how often it made room since window_seconds; None before 14.
    """

    loaded: bool
    installed: bool
    track: str | None
    most: int | None
    kept: int | None
    evictions: int | None
    window_seconds: float | None
    untracked: tuple[str, ...] = ()

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        (row,) = postgres.rows(_COLLECTOR, marker="statement-collector")
        kept, evictions, window = None, None, None
        if row["most"] is not None and row["schema"] is not None:
            (counted,) = postgres.rows(
                f"select pg_catalog.count(*) as kept from {row['schema']}.pg_stat_statements(false)",
                marker="statement-collector",
            )
            kept = counted["kept"]
            if server.major >= 14:
                (info,) = postgres.rows(_EVICTIONS.format(schema=row["schema"]), marker="statement-collector")
                evictions, window = info["evictions"], info["seconds"]
        return cls(
            loaded=row["most"] is not None,
            installed=row["schema"] is not None,
            track=row["track"],
            most=row["most"],
            kept=kept,
            evictions=evictions,
            window_seconds=window,
            untracked=tuple(row["untracked"]),
        )


# The library's settings are there when it is: shared_preload_libraries itself is hidden from most roles.
_COLLECTOR = """
select
    pg_catalog.current_setting('pg_stat_statements.track', true) as track,
    pg_catalog.current_setting('pg_stat_statements.max', true)::int4 as most,
    (
        select pg_catalog.quote_ident(ns.nspname)
        from pg_catalog.pg_extension as x
        inner join pg_catalog.pg_namespace as ns on x.extnamespace = ns.oid
        where x.extname = 'pg_stat_statements'
    ) as schema,
    array(
        select
            pg_catalog.concat_ws(
                ' in ', 'role ' || pg_catalog.quote_ident(r.rolname), 'database ' || pg_catalog.quote_ident(d.datname)
            )
        from pg_catalog.pg_db_role_setting as rs
        left join pg_catalog.pg_roles as r on rs.setrole = r.oid
        left join pg_catalog.pg_database as d on rs.setdatabase = d.oid
        where
            -- as it was written: values of such settings go by no case
            'pg_stat_statements.track=none' = any (pg_catalog.lower(rs.setconfig::pg_catalog.text)::pg_catalog.text[])
            and (d.datname is null or d.datname = pg_catalog.current_database())
            and (r.oid is not null or d.oid is not null)
        order by 1
    )::text[] as untracked
"""

_EVICTIONS = """
select
    i.dealloc::int8 as evictions,
    extract(epoch from pg_catalog.clock_timestamp() - i.stats_reset)::float8 as seconds
from {schema}.pg_stat_statements_info as i
"""
