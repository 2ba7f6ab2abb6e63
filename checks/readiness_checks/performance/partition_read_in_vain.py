from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.plans import Node, Partitions, QueryPlan, QueryPlans


@check(
    subject="query",
    universe="critical queries",
    priority="info",
    effort="M",
    credit=BINARY,
    needs=["select application tables"],
    mend="""
    Compare the partition key in the query, with a value or a parameter and without a function around it; or partition by what the
    queries ask for. `enable_partition_pruning` must be on.
    """,
    links=("https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITION-PRUNING",),
)
def partition_read_in_vain(plans: QueryPlans, partitions: Partitions, *, most: int = 4, share: float = 0.75) -> Answer:
    """No critical query opens partition after partition that gives it nothing.

    Partitions help a query that says which of them it wants; one that doesn't opens every one, plans and locks it, and is slower
    than on a single table. Told are queries of which most of the partitions that they read gave no row, with any of the values
    tried; one that is left out at run time isn't read.
    """
    return [*(_judge(p, partitions, most, share) for p in plans.by_name.values()), *plans.unseen]


def _judge(plan: QueryPlan, partitions: Partitions, most: int, share: float) -> Observation | Unseen:
    best: tuple[int, int, str | None] = (0, 0, None)
    for root in plan.plans:
        by_table: dict[str, list[Node]] = {}
        for node in root.walk():
            whole = partitions.whole.get(node.table or "")
            if whole is not None and node.kind != "Append":
                by_table.setdefault(whole, []).append(node)
        for whole, nodes in by_table.items():
            read = {n.table for n in nodes if n.loops}
            gave = {n.table for n in nodes if n.loops and n.rows}
            best = max(best, (len(read - gave), len(read), whole))
    vain, read_all, table = best
    if not plan.measured and any(n.table in partitions.whole for n in plan.nodes):
        return Unseen(
            subject=plan.name,
            reason=Reason.TIMEOUT,
            detail="it took longer than the time limit, and only a run shows which partitions give rows",
            unlock="raise probing.statement_seconds",
        )
    return Observation(
        subject=plan.name,
        ok=vain < most or vain < share * read_all,
        evidence={"table": table, "partitions_read": read_all, "gave_nothing": vain},
    )
