"""Indexes that the critical queries lack, and what each would do.

What a sequential scan of many rows compares makes the index: columns that must equal something first, then one that is compared
by order. Where hypopg is installed the planner is asked whether it would take such an index, and at what cost, without building
it: a hypothetical index lives in one session alone, and ours ends with the question. Without hypopg there is no estimate of the
effect; then only what the scan really read and kept speaks for it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.latency import settings_of, values_of
from readiness.facts.plans import Node, QueryPlans, read
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.model import quote_ident

READ = 10_000  # rows that a scan reads, from which on an index is looked for
KEPT = 0.1  # of them, at most: who takes more is better off reading all
_EQUAL = frozenset({"=", "= any"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """An index for one critical query.

    Args:
        statement: that makes it.
        taken: whether the planner would take it; None where nobody could ask it.
        cost, cost_with: the planner's, of the whole query, of the dearest of the values tried.
    """

    table: str
    statement: str
    taken: bool | None
    cost: float | None
    cost_with: float | None


@dataclass(frozen=True, slots=True)
class IndexSuggestions:
    """By query, of those where one can be named. Nothing is suggested where it can't be looked into."""

    by_query: Mapping[str, Suggestion]

    @classmethod
    def take(cls, postgres: Postgres, target: Target, server: Server, plans: QueryPlans) -> Self:
        found: dict[str, Suggestion] = {}
        # Through a pooler the server session is shared, and what is hypothetical in it would be others' too.
        session = postgres.another("advice") if "hypopg" in server.extensions and not server.pooled else None
        try:
            for name, plan in plans.by_name.items():
                scans = [n for n in plan.nodes if _wasteful(n)]
                scan = max(scans, key=lambda n: (n.rows or 0) + (n.removed or 0), default=None)
                try:
                    if scan is not None and (index := _index(postgres, scan)):
                        found[name] = _asked(session, target, name, scan, *index)
                except Unobservable:
                    continue
        finally:
            if session is not None:
                session.close()
        return cls(found)


def _wasteful(node: Node) -> bool:
    seen = (node.rows or 0) + (node.removed or 0)
    return node.kind == "Seq Scan" and node.table is not None and seen >= READ and (node.rows or 0) < KEPT * seen


def _index(postgres: Postgres, scan: Node) -> tuple[str, str] | None:
    """A free name, and what stands behind ON in CREATE INDEX; None where the condition gives none, or one like it is there."""
    rows = postgres.rows(_COLUMNS, (scan.table,), marker="advice")
    columns = compared(scan.condition or "", [row["name"] for row in rows if row["name"] is not None])
    if not columns or any(columns == (row["leads"] or [])[: len(columns)] for row in rows):
        return None
    (beside,) = postgres.rows(_BESIDE, (scan.table,), marker="advice")
    stem = "_".join([beside["name"], *columns]).encode()[:56].decode(errors="ignore")
    names = (f"{stem}_idx{n or ''}" for n in itertools.count())
    name = next(n for n in names if n not in beside["taken"])
    return quote_ident(name), f"{scan.table} ({', '.join(quote_ident(c) for c in columns)})"


def compared(condition: str, columns: Sequence[str]) -> list[str]:
    """The columns of a table that a condition of EXPLAIN compares bare, those of an equality first, then one by order.

    A condition with an alternative in it gives none: an index on one side of it doesn't spare the other.
    """
    if re.search(r"\bOR\b", condition):
        return []
    equal: list[str] = []
    ordered: list[str] = []
    for name, operator in _comparisons(condition, columns):
        into = equal if operator in _EQUAL else ordered
        if name not in equal + ordered:
            into.append(name)
    return [*equal, *[name for name in ordered if name not in equal][:1]]


def _comparisons(condition: str, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    plain = re.sub(r"'(?:[^']|'')*'", "''", condition)  # what stands in a string is no column
    found = []
    for column in columns:
        name = re.escape(quote_ident(column))
        # Bare, or with a cast behind it that the planner put there for varchar; within a function's parentheses it is
        # another thing that is compared.
        pattern = rf"(?<![\w\"$.])(?:(?:\w+|\"(?:[^\"]|\"\")+\")\.)?{name}\)?(?:::[\w ]+)?\s(?P<op>= ANY|=|<=|>=|<|>)\s"
        for match in re.finditer(pattern, plain):
            before = plain[: match.start()].rstrip("(")
            if before == plain[: match.start()] or not re.search(r"[\w\"]$", before):
                found.append((match.start(), column, match["op"].lower()))
    return ((column, operator) for _, column, operator in sorted(found))


def _asked(session: Postgres | None, target: Target, name: str, scan: Node, index_name: str, index: str) -> Suggestion:
    assert scan.table is not None
    suggestion = Suggestion(
        table=scan.table,
        statement=f"create index concurrently {index_name} on {index};",
        taken=None,
        cost=None,
        cost_with=None,
    )
    if session is None:
        return suggestion
    profile = target.profile
    query, settings = profile.queries[name], settings_of(profile)
    values = values_of(session, name, query, settings)
    tried: Sequence[Sequence[Any]] = [values[0], values[-1]] if values else [()]
    before = [_explained(session, name, query.sql, v, settings) for v in tried]
    (home,) = session.rows(_HYPOPG, marker="advice")
    (made,) = session.rows(
        f"select h.indexname::text as name from {home['schema']}.hypopg_create_index($1) as h",
        (f"create index on {index}",),
        marker="advice",
    )
    try:
        after = [_explained(session, name, query.sql, v, settings) for v in tried]
    finally:
        session.rows(f"select {home['schema']}.hypopg_reset()::text as gone", marker="advice")
    return Suggestion(
        table=scan.table,
        statement=suggestion.statement,
        taken=any(node.index == made["name"] for _, plan in after for node in plan.walk()),
        cost=max(cost for cost, _ in before),
        cost_with=max(cost for cost, _ in after),
    )


def _explained(
    session: Postgres, name: str, sql: str, values: Sequence[Any], settings: Mapping[str, str]
) -> tuple[float, Node]:
    """A query's cost and plan, without running it."""
    statement = f"explain (verbose, format json) {sql.strip().rstrip(';')}"
    rows = session.rows(statement, values, marker=f"plan:{name}", settings=settings)
    plan = json.loads(rows[0]["QUERY PLAN"])[0]["Plan"]
    return float(plan["Total Cost"]), read(plan)


_HYPOPG = """
select pg_catalog.quote_ident(ns.nspname) as schema
from pg_catalog.pg_extension as x
inner join pg_catalog.pg_namespace as ns on x.extnamespace = ns.oid
where x.extname = 'hypopg'
"""

# A table's own name, and names in its schema that an index of it may not have.
_BESIDE = """
select c.relname::text as name, array(
    select o.relname::text
    from pg_catalog.pg_class as o
    where
        o.relnamespace = c.relnamespace
        and pg_catalog.starts_with(o.relname::text, pg_catalog.left(c.relname::text, 14))
)::text[] as taken
from pg_catalog.pg_class as c
where c.oid = pg_catalog.to_regclass($1)
"""

# A table's columns, and beside the first of them the columns of each index that is for all rows.
_COLUMNS = """
select a.attname::text as name, null::text[] as leads
from pg_catalog.pg_attribute as a
where a.attrelid = pg_catalog.to_regclass($1) and a.attnum > 0 and not a.attisdropped
union all
select null, array(
    select c.attname::text
    from pg_catalog.unnest(ix.indkey::int2[]) with ordinality as k (attnum, at)
    inner join pg_catalog.pg_attribute as c on c.attrelid = ix.indrelid and c.attnum = k.attnum
    where k.at <= ix.indnkeyatts
    order by k.at
)
from pg_catalog.pg_index as ix
where ix.indrelid = pg_catalog.to_regclass($1) and ix.indisvalid and ix.indpred is null and ix.indexprs is null
"""
