from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.advice import IndexSuggestions, Suggestion
from readiness.facts.plans import Node, QueryPlan, QueryPlans
from readiness.model import Scalar


@check(
    subject="query",
    universe="critical queries",
    priority="P2",
    effort="S",
    credit=BINARY,
    needs=["select application tables"],
    mend="""
    Index what the condition compares (`create index concurrently`), the columns of an equality first. Where an index is there
    and isn't taken, look for a cast or a function around the column, a leading wildcard, or stale statistics.
    """,
    links=("https://www.postgresql.org/docs/current/using-explain.html",),
)
def sequential_scan(plans: QueryPlans, advice: IndexSuggestions, *, rows: int = 100_000, kept: float = 0.1) -> Answer:
    """No critical query reads a large table from end to end for a few of its rows.

    Such a scan takes as long as the table is large: fine in a test, too slow a year later, and it empties the cache for
    everybody. A scan that keeps a good part of what it reads is the right way and is not told. The plan's shape is kept, so
    that `readiness diff` and `--fail-on changed-plan` tell when the server takes another way than in the last run.

    The index that the condition asks for stands with it. Where hypopg is installed the planner was asked about it, without building
    it, and its costs without and with are told; where it would not take the index, none is proposed. Without hypopg what the index
    would bring is not estimated.
    """
    return [
        *(_judge(plan, advice.by_query.get(plan.name), rows, kept) for plan in plans.by_name.values()),
        *plans.unseen,
    ]


def _judge(plan: QueryPlan, index: Suggestion | None, rows: int, kept: float) -> Observation | Unseen:
    scans = [node for node in plan.nodes if node.kind == "Seq Scan"]
    found = [node for node in scans if _read(node) >= rows and (node.rows or 0) < kept * _read(node)]
    named = max(found or scans, key=_read, default=None)
    evidence: dict[str, Scalar | list[Scalar]] = {"plan": plan.shape, "plan_fingerprint": plan.fingerprint}
    if named is not None:
        evidence |= {
            "table": named.table,
            "rows_read": round(_read(named)),
            "rows_kept": round(named.rows or 0),
            "condition": named.condition,
        }
    if scans and not found and not plan.measured:
        return Unseen(
            subject=plan.name,
            reason=Reason.TIMEOUT,
            detail="it took longer than the time limit, and only a run shows how much its sequential scans throw away",
            unlock="raise probing.statement_seconds",
            evidence=evidence,
        )
    remedy = None
    if found and index is not None and index.taken is not False:
        remedy = index.statement
        evidence |= {
            "cost": index.cost,
            "cost_with_index": index.cost_with,
            "effect": "not estimated: hypopg is not to be had here" if index.taken is None else "estimated, by hypopg",
        }
    return Observation(subject=plan.name, ok=not found, evidence=evidence, remedy=remedy)


def _read(node: Node) -> float:
    """Rows that a scan read in all its loops."""
    return (node.rows or 0) + (node.removed or 0)
