from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.plans import Node, QueryPlan, QueryPlans


@check(
    subject="query",
    universe="critical queries",
    priority="info",
    effort="S",
    credit=BINARY,
    needs=["select application tables"],
    mend="""
    `analyze` the table; where its columns hang on each other, `create statistics`; where a value is rare or frequent, a larger
    statistics target for the column. A condition on an expression has no statistics unless an index or `create statistics`
    on that expression gives it some.
    """,
    links=("https://www.postgresql.org/docs/current/planner-stats.html",),
)
def misestimated_query(plans: QueryPlans, *, factor: float = 10, rows: int = 1000) -> Answer:
    """The planner's estimates for the critical queries are about right.

    A plan is as good as its estimates: where a thousand rows come and one was expected, the server takes a loop where it
    should have joined by hash. Steps that may be stopped early (under a LIMIT) count only where more rows came than expected.
    """
    return [*(_judge(plan, factor, rows) for plan in plans.by_name.values()), *plans.unseen]


def _judge(plan: QueryPlan, factor: float, rows: int) -> Observation | Unseen:
    judged = [n for n in plan.nodes if n.loops and max(n.rows or 0, n.estimated * n.loops) >= rows]
    off = [n for n in judged if _off(n) >= factor]
    if not off and not plan.measured:
        return Unseen(
            subject=plan.name,
            reason=Reason.TIMEOUT,
            detail="it took longer than the time limit, and only a run shows how many rows come",
            unlock="raise probing.statement_seconds",
        )
    # The lowest step that is off is where it begins; what lies above follows from it.
    first = next((n for n in off if not any(c in off for c in n.walk() if c is not n)), None)
    evidence = {"steps": len(judged)}
    if first is None:
        return Observation(subject=plan.name, ok=True, evidence=evidence)
    assert first.loops is not None
    return Observation(
        subject=plan.name,
        ok=False,
        evidence={
            **evidence,
            "step": first.kind,
            "table": first.table,
            "condition": first.condition,
            "estimated_rows": round(first.estimated * first.loops),
            "actual_rows": round(first.rows or 0),
        },
    )


def _off(node: Node) -> float:
    """By which factor an estimate missed; 1 where fewer rows came because the step was stopped."""
    assert node.loops is not None
    expected, came = max(1.0, node.estimated * node.loops), max(1.0, node.rows or 0)
    return came / expected if came > expected or node.early else expected / came
