"""How the server would run what production runs most, whatever the values are: by the generic plan of each statement.

pg_stat_statements keeps statements without their values, so only a generic plan can be had of them; nothing is run. EXPLAIN
(GENERIC_PLAN), from 16 on, takes the simple protocol, which would take several statements at once too; so each is prepared, in a
session of its own that ends with the question, and its EXECUTE explained under plan_cache_mode = force_generic_plan, which every
version knows. Only reading statements are asked about, and never as a superuser unless that was said: planning calls the
functions that a statement names.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness import sqltext
from readiness.authoring import Unobservable
from readiness.facts.latency import settings_of
from readiness.facts.plans import Node, read
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.statements import Statement, StatementStatistics, full_texts
from readiness.facts.target import Target
from readiness.model import Reason, Unseen

MOST = 20  # statements, by total time
SECONDS = 10.0  # for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericPlan:
    """One statement's generic plan.

    Args:
        rows_of: table as the plan names it -> rows by the catalog.
    """

    statement: Statement
    plan: Node
    rows_of: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GenericPlans:
    plans: tuple[GenericPlan, ...]
    unseen: tuple[Unseen, ...]

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target, statistics: StatementStatistics) -> Self:
        texts = full_texts(postgres, server, [s.queryid for s in statistics.statements])
        # Of what is too long only the beginning is known, of what can't be read nothing.
        known = {s.queryid: texts.get(s.queryid) or s.text for s in statistics.statements}
        asked = [s for s in statistics.statements if reads(known[s.queryid] or "select")][:MOST]
        if not asked:
            return cls((), ())
        if server.pooled:
            raise Unobservable(
                Reason.NOT_OBSERVABLE,
                "through a pooler a prepared statement would stay in a session that others share",
                "audit over the server's own address",
            )
        if not target.trust_profile_sql:
            raise Unobservable(
                Reason.NOT_SELECTED,
                "what others wrote is not planned as a superuser",
                "audit as the role that `readiness role-sql` prints, or say --as-superuser",
            )
        # Statements name their tables as their sessions found them; which path that was, pg_stat_statements doesn't keep.
        settings = settings_of(target.profile) or {"search_path": "public"}
        plans: list[GenericPlan] = []
        unseen: list[Unseen] = []
        session = postgres.another("plans")
        rested, ends = postgres.rested_seconds, session.clock() + SECONDS
        try:
            for number, s in enumerate(asked):
                try:
                    if s.queryid not in texts:
                        raise Unobservable(Reason.NOT_OBSERVABLE, "its whole text is too long, or can't be read")
                    if session.clock() - (postgres.rested_seconds - rested) > ends:
                        raise Unobservable(Reason.TIMEOUT, f"not planned within the {SECONDS:g} s that all may take")
                    plan = _explain(session, texts[s.queryid], settings, number=number)
                except Unobservable as refusal:
                    unseen.append(_unseen(s, refusal))
                    continue
                tables = sorted({n.table for n in plan.walk() if n.table})
                sizes = postgres.rows(_SIZES, (tables,), marker="generic-plan")
                plans.append(GenericPlan(statement=s, plan=plan, rows_of={r["name"]: r["rows"] for r in sizes}))
        finally:
            session.close()
        return cls(tuple(plans), tuple(unseen))


def _unseen(s: Statement, refusal: Unobservable) -> Unseen:
    reason, detail = refusal.reason, refusal.detail
    if reason is Reason.ERROR:  # the server's answer to what it was asked, as a rule: a parameter's type is open
        reason, detail = Reason.NOT_OBSERVABLE, f"no plan can be had without its values: {detail}"
    return Unseen(
        subject=f"{s.queryid} by {s.role}",
        reason=reason,
        detail=detail,
        unlock=refusal.unlock or "declare it under `queries:` with real values",
    )


def reads(text: str) -> bool:
    """Whether it is one statement that only reads."""
    found = list(sqltext.statements(text))
    if len(found) != 1 or not (found[0].starts("select") or found[0].starts("with")):
        return False
    return not any(t.says("insert", "update", "delete", "merge", "into") for t in found[0].tokens)


def _explain(session: Postgres, text: str, settings: Mapping[str, str], *, number: int) -> Node:
    name = f"readiness_{number}_{time.monotonic_ns()}"
    session.rows(f"prepare {name} as {text.strip().rstrip(';')}", marker="generic-plan", settings=settings)
    nulls = ", ".join(["null"] * max((int(n) for n in re.findall(r"\$(\d+)", text)), default=0))
    rows = session.rows(
        f"explain (verbose, format json) execute {name}{f'({nulls})' if nulls else ''}",
        marker="generic-plan",
        settings={**settings, "plan_cache_mode": "force_generic_plan"},
    )
    return read(json.loads(rows[0]["QUERY PLAN"])[0]["Plan"])


_SIZES = """
select t.name, c.reltuples::float8 as rows
from pg_catalog.unnest($1::text[]) as t (name)
inner join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(t.name)
order by t.name
"""
