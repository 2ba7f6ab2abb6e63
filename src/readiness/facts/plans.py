"""How the server runs the profile's critical queries: EXPLAIN (ANALYZE, BUFFERS) with values of the profile's own.

Each is run as the audit runs everything, read-only and within the time limit of a statement; one that takes longer is
explained without being run, and then has estimates alone. Parallel workers and JIT are off, as in the whole audit: an access
path is the same without them, times are another matter and are not taken from here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.latency import critical_queries, refused, settings_of, values_of
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import Reason, Unseen, quote_ident

VALUE_SETS = 3  # of a query: the first, the middle and the last, since the plan may hang on them
BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of a plan; rows are of all its loops together.

    Args:
        table: quoted, with its schema; None where the step reads none.
        estimated: rows that the planner expected of one loop.
        rows, removed, loops: what came, and what a filter threw away; None where the query was only explained.
        early: a step above may stop it before its end, so that fewer rows than estimated prove nothing.
        spilled: bytes of a sort or hash that went to disk.
    """

    kind: str
    table: str | None
    index: str | None
    condition: str | None
    estimated: float
    rows: float | None
    removed: float | None
    loops: float | None
    early: bool
    spilled: int
    children: tuple[Node, ...]

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def shape(self) -> str:
        """What it does, without figures: the same for the same way of running a query."""
        told = " ".join(part for part in (self.kind, self.table, self.index and f"by {self.index}") if part)
        return told + (f" ({', '.join(child.shape for child in self.children)})" if self.children else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """A critical query's plans, one for each set of values tried.

    Args:
        measured: all of them were run, not only explained.
        spilled: bytes that went to temporary files, at most of one run.
    """

    name: str
    plans: tuple[Node, ...]
    measured: bool
    spilled: int

    @property
    def nodes(self) -> Iterator[Node]:
        for plan in self.plans:
            yield from plan.walk()

    @property
    def shape(self) -> str:
        return " | ".join(sorted({plan.shape for plan in self.plans}))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.shape.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlans:
    by_name: Mapping[str, QueryPlan]
    unseen: tuple[Unseen, ...]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        profile = target.profile
        queries = critical_queries(target)
        settings = settings_of(profile)
        ends = postgres.clock() + profile.probing.query_seconds
        found: dict[str, QueryPlan] = {}
        unseen: list[Unseen] = []
        for name, query in queries.items():
            try:
                if postgres.clock() > ends:
                    raise Unobservable(
                        Reason.TIMEOUT,
                        f"the time for all plans ({profile.probing.query_seconds:g} s) was over",
                        "raise probing.query_seconds",
                    )
                values = values_of(postgres, name, query, settings)
                seconds = profile.probing.statement_seconds
                tried = [_explain(postgres, name, query.sql, v, settings, seconds) for v in _some(values)]
            except Unobservable as refusal:
                unseen.append(refused(name, refusal, profile))
                continue
            found[name] = QueryPlan(
                name=name,
                plans=tuple(read(plan) for plan, _ in tried),
                measured=all(measured for _, measured in tried),
                spilled=max(plan.get("Temp Written Blocks", 0) for plan, _ in tried) * BLOCK,
            )
        return cls(by_name=found, unseen=tuple(unseen))


def _some(values: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    if not values:
        return [()]
    return [values[at] for at in sorted({round(n * (len(values) - 1) / (VALUE_SETS - 1)) for n in range(VALUE_SETS)})]


def _explain(
    postgres: Postgres, name: str, sql: str, values: Sequence[Any], settings: Mapping[str, str], seconds: float
) -> tuple[Mapping[str, Any], bool]:
    statement = sql.strip().rstrip(";")
    try:
        rows = postgres.rows(
            f"explain (analyze, buffers, verbose, timing off, format json) {statement}",
            values,
            marker=f"plan:{name}",
            settings=settings,
            seconds=seconds,
        )
        measured = True
    except Unobservable as refusal:
        if refusal.reason is not Reason.TIMEOUT:
            raise
        rows = postgres.rows(
            f"explain (verbose, format json) {statement}", values, marker=f"plan:{name}", settings=settings
        )
        measured = False
    return json.loads(rows[0]["QUERY PLAN"])[0]["Plan"], measured


_STOPS = frozenset({"Limit", "Merge Join"})


def read(plan: Mapping[str, Any], *, early: bool = False) -> Node:
    """A plan's tree, as EXPLAIN (FORMAT JSON) has it."""
    loops = plan.get("Actual Loops")
    per_loop = plan.get("Actual Rows")
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    stops = plan["Node Type"] in _STOPS or plan.get("Join Type") in ("Semi", "Anti") or bool(plan.get("Inner Unique"))
    table = plan.get("Relation Name")
    on_disk = plan.get("Sort Space Used", 0) * 1024 if plan.get("Sort Space Type") == "Disk" else 0
    if plan.get("Hash Batches", 1) > 1:
        on_disk = plan.get("Temp Written Blocks", 0) * BLOCK
    return Node(
        kind=plan["Node Type"],
        table=f"{quote_ident(plan['Schema'])}.{quote_ident(table)}" if table and "Schema" in plan else table,
        index=plan.get("Index Name"),
        condition=plan.get("Filter") or plan.get("Index Cond") or plan.get("Hash Cond") or plan.get("Recheck Cond"),
        estimated=float(plan["Plan Rows"]),
        rows=None if loops is None else float(per_loop or 0) * loops,
        removed=None if loops is None else float(removed) * loops,
        loops=loops,
        early=early,
        spilled=on_disk,
        children=tuple(read(child, early=early or stops) for child in plan.get("Plans", ())),
    )


@dataclass(frozen=True, slots=True)
class Partitions:
    """Each part of a partitioned table -> the whole that it is a part of, quoted with their schemas."""

    whole: Mapping[str, str]

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        return cls({row["part"]: row["whole"] for row in postgres.rows(_PARTITIONS, marker="partitions")})


_PARTITIONS = """
with recursive parts as (
    select c.oid, c.oid as part
    from pg_catalog.pg_class as c
    where c.relkind = 'p' and not c.relispartition
    union all
    select p.oid, i.inhrelid
    from parts as p
    inner join pg_catalog.pg_inherits as i on p.part = i.inhparent
)
select
    pg_catalog.format('%I.%I', pn.nspname, pc.relname) as part,
    pg_catalog.format('%I.%I', wn.nspname, wc.relname) as whole
from parts as p
inner join pg_catalog.pg_class as pc on p.part = pc.oid
inner join pg_catalog.pg_namespace as pn on pc.relnamespace = pn.oid
inner join pg_catalog.pg_class as wc on p.oid = wc.oid
inner join pg_catalog.pg_namespace as wn on wc.relnamespace = wn.oid
where p.part <> p.oid
order by part
"""
