from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.plans import QueryPlan, QueryPlans


@check(
    subject="query",
    universe="critical queries",
    priority="P2",
    effort="S",
    credit=BINARY,
    needs=["select application tables"],
    mend="""
    An index in the order that is asked for saves the sort; fewer rows or narrower ones make it small. Else raise work_mem for
    the role that runs it (`alter role ... set work_mem`), never for everybody: each sort of each session takes as much.
    """,
    links=("https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-WORK-MEM",),
)
def spilling_query(plans: QueryPlans, *, megabytes: float = 0) -> Answer:
    """No critical query's sort or hash goes to disk.

    What doesn't fit into work_mem is written to temporary files and read back: slower by far than memory, and slowest when
    many do it at once, as under load.
    """
    return [*(_judge(plan, megabytes) for plan in plans.by_name.values()), *plans.unseen]


def _judge(plan: QueryPlan, megabytes: float) -> Observation | Unseen:
    steps = sorted({node.kind for node in plan.nodes if node.spilled})
    evidence = {"spilled_mb": round(plan.spilled / 2**20, 1), "steps": ", ".join(steps) or None}
    if plan.spilled > megabytes * 2**20:
        return Observation(subject=plan.name, ok=False, evidence=evidence)
    if not plan.measured:
        return Unseen(
            subject=plan.name,
            reason=Reason.TIMEOUT,
            detail="it took longer than the time limit, and only a run shows what spills",
            unlock="raise probing.statement_seconds",
        )
    return Observation(subject=plan.name, ok=True, evidence=evidence)
