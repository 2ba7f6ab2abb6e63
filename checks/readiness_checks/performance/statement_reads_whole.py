from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.generic import GenericPlan, GenericPlans


@check(
    subject="query",
    universe="reading statements that production ran, of those that took the most time",
    priority="info",
    effort="M",
    credit=RATIO,
    needs=["pg_monitor", "extension pg_stat_statements", "select application tables"],
    mend="""
    Index what the condition compares (`create index concurrently`), the columns of an equality first; declare the statement under
    `queries:` with real values, and its plan and its time are measured.
    """,
    links=("https://www.postgresql.org/docs/current/sql-explain.html",),
)
def statement_reads_whole(plans: GenericPlans, *, rows: int = 100_000, kept: float = 0.1) -> Answer:
    """What production runs most doesn't read a large table from end to end for a few of its rows, whatever the values are.

    pg_stat_statements has no values, so it is the generic plan that is looked at, by estimates alone: how the server would run the
    statement without knowing them. With values that are rare or frequent it may take another way.
    """
    if not plans.plans and not plans.unseen:
        return NotApplicable("0 reading statements among those that took the most time")
    return [*(_judge(p, rows, kept) for p in plans.plans), *plans.unseen]


def _judge(planned: GenericPlan, rows: int, kept: float) -> Observation:
    scans = [
        (planned.rows_of.get(n.table or "", 0.0), n)
        for n in planned.plan.walk()
        if n.kind == "Seq Scan" and not n.early
    ]
    found = [(size, n) for size, n in scans if size >= rows and n.estimated < kept * size]
    size, scan = max(found or scans, key=lambda s: s[0], default=(0.0, None))
    s = planned.statement
    return Observation(
        subject=f"{s.queryid} by {s.role}",
        ok=not found,
        evidence={
            "table": scan.table if scan else None,
            "table_rows": round(size) if scan else None,
            "estimated_rows": round(scan.estimated) if scan else None,
            "condition": scan.condition if scan else None,
            "calls": s.calls,
            "total_ms": round(s.total, 1),
            "statement": s.text,
        },
    )
