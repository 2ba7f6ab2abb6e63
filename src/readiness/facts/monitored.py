"""What each role's calls took, lately, in the histograms of pg_stat_monitor (Percona's extension, from 2.0 on).

It counts every call into a bucket of its time, for some minutes back (pgsm_max_buckets of pgsm_bucket_time), so a percentile is
known to the edges of the bucket that it lies in: https://docs.percona.com/pg-stat-monitor/, `resp_calls`. Who installs it chooses
the edges (pgsm_histogram_min, _max, _buckets) and the server tells them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.histograms import Buckets
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Reason

EXTENSION = "pg_stat_monitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleHistograms:
    """Top-level calls in this database that did not fail, without planning and network.

    Args:
        by_role: the role itself, unquoted -> its calls; empty where the extension is not installed.
        refused: why they can't be read though it is; None where they were.
    """

    by_role: Mapping[str, Buckets] = field(default_factory=dict)
    refused: str | None = None

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        if EXTENSION not in server.extensions:
            return cls()
        try:
            (home,) = postgres.rows(_HOME, marker="monitored")
            (told,) = postgres.rows(_EDGES.format(schema=home["schema"]), marker="monitored")
            edges = edges_of(told["edges"])
            rows = postgres.rows(_CALLS.format(schema=home["schema"]), marker="monitored")
            return cls(by_role={row["role"]: _buckets(edges, row["counts"], row["seconds"]) for row in rows})
        except Unobservable as refusal:
            return cls(refused=refusal.detail)


def edges_of(told: str) -> tuple[float, ...]:
    """Upper ends in milliseconds, of `{{0.000 - 1.000}, (1.000 - 2.778}, ... (100000.000 - ...}}`.

    Raises:
        Unobservable: it is of another form.
    """
    ends = re.findall(r"[{(]\s*[0-9.]+\s+-\s+([0-9]+(?:\.[0-9]+)?|\.\.\.)\s*\}", told)
    edges = tuple(math.inf if end == "..." else float(end) for end in ends)
    if not edges or len(edges) != told.count(" - ") or list(edges) != sorted(set(edges)):
        raise Unobservable(Reason.UNSUPPORTED, f"{EXTENSION} tells its buckets in a form that is not known")
    return edges


def _buckets(edges: tuple[float, ...], counts: list[int], seconds: float) -> Buckets:
    if len(counts) != len(edges):
        raise Unobservable(Reason.UNSUPPORTED, f"{EXTENSION} counts in {len(counts)} buckets and names {len(edges)}")
    if edges[-1] != math.inf:  # what is slower than the last edge is counted in the last bucket all the same
        edges = (*edges[:-1], math.inf)
    return Buckets(edges=edges, counts=tuple(counts), source=f"{EXTENSION}, the last {seconds:.0f} s")


_HOME = """
select pg_catalog.quote_ident(ns.nspname) as schema
from pg_catalog.pg_extension as x
inner join pg_catalog.pg_namespace as ns on x.extnamespace = ns.oid
where x.extname = 'pg_stat_monitor'
"""

_EDGES = "select {schema}.get_histogram_timings() as edges"

# elevel: what a failed call ended with, by elog.h: 20 and more are errors.
_CALLS = """
select
    c.role,
    pg_catalog.array_agg(c.calls order by c.place) as counts,
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.min(c.since)) as seconds
from (
    select
        m.username::text as role, n.place,
        pg_catalog.sum(n.calls::int8)::int8 as calls, pg_catalog.min(m.bucket_start_time) as since
    from {schema}.pg_stat_monitor as m
    cross join lateral pg_catalog.unnest(m.resp_calls) with ordinality as n (calls, place)
    where
        m.dbid = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
        and m.toplevel is not false
        and m.elevel < 20
        and m.username is not null
    group by m.username, n.place
) as c
group by c.role
order by c.role
"""
