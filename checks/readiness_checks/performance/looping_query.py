from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.plans import QueryPlan, QueryPlans


@check(
    subject="query",
    universe="critical queries",
    priority="info",
    effort="S",
    credit=BINARY,
    needs=["select application tables"],
    mend="""
    Look at the estimates first: a loop over many rows was mostly chosen for few. Then an index for the join's inner side, or
    fewer rows before the join.
    """,
    links=("https://www.postgresql.org/docs/current/planner-optimizer.html",),
)
def looping_query(plans: QueryPlans, *, loops: int = 10_000) -> Answer:
    """No critical query joins by a loop over very many rows.

    A nested loop runs its inner side once for each row of the outer: quick for ten, and for a hundred thousand slower than
    any other join.
    """
    return [*(_judge(plan, loops) for plan in plans.by_name.values()), *plans.unseen]


def _judge(plan: QueryPlan, loops: int) -> Observation | Unseen:
    joins = [node for node in plan.nodes if node.kind == "Nested Loop" and len(node.children) == 2]
    most = max(joins, key=lambda join: join.children[1].loops or 0, default=None)
    runs = most.children[1].loops or 0 if most else 0
    if runs < loops and not plan.measured:
        return Unseen(
            subject=plan.name,
            reason=Reason.TIMEOUT,
            detail="it took longer than the time limit, and only a run shows how often a loop turns",
            unlock="raise probing.statement_seconds",
        )
    inner = most.children[1].shape if most else None
    return Observation(subject=plan.name, ok=runs < loops, evidence={"runs_of_inner_side": round(runs), "inner": inner})
