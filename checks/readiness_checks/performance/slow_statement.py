from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unknown, check
from readiness.facts.statements import StatementStatistics
from readiness.facts.target import Target


@check(
    subject="query",
    universe="statements that production ran",
    priority="P1",
    effort="M",
    credit=RATIO,
    needs=["pg_monitor", "extension pg_stat_statements"],
    mend="""
    Begin with the statement that takes the most time in total. Look at its plan with real values (`explain (analyze,
    buffers)`): an index, fresh statistics, fewer rows asked for, or fewer calls.
    """,
    links=("https://www.postgresql.org/docs/current/pgstatstatements.html",),
)
def slow_statement(statistics: StatementStatistics, target: Target, *, calls: int = 20, hours: float = 1) -> Answer:
    """No statement that production ran takes longer than the target on the average.

    pg_stat_statements counts every call, by mean and deviation: those don't give a percentile (two workloads of one mean
    and deviation may have a P95 of 1 and of 150 ms), and none is claimed. A mean over the target proves more than enough;
    beside it stands the interval in which the P95 must lie, whatever the distribution is.
    """
    if statistics.window_seconds < hours * 3600 and sum(s.calls for s in statistics.statements) < 1000:
        return Unknown(
            reason=Reason.INSUFFICIENT_SAMPLES,
            detail=f"counted for {statistics.window_seconds / 60:.0f} minutes only, and few calls",
            unlock="let the statistics collect under real traffic",
        )
    limit = target.profile.targets.query_p95_ms
    judged = [s for s in statistics.statements if s.calls >= calls]
    if not judged:
        return NotApplicable(f"0 statements with {calls} calls or more")
    answers = []
    for s in judged:
        lower, upper = s.p95_bounds
        answers.append(
            Observation(
                subject=f"{s.queryid} by {s.role}",
                ok=s.mean <= limit,
                evidence={
                    "mean_ms": round(s.mean, 3),
                    "calls": s.calls,
                    "p95_at_least_ms": round(lower, 3),
                    "p95_at_most_ms": round(upper, 3),
                    "target_ms": limit,
                    "statement": s.text,
                },
            )
        )
    return answers
