from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.statements import StatementCollector, StatementStatistics
from readiness.facts.target import Services, Target


@check(
    subject="service",
    universe="services with a role of their own",
    priority="info",
    effort="M",
    credit=RATIO,
    needs=["pg_monitor", "extension pg_stat_statements"],
    mend="""
    Begin with the statements that take the most time in total (`performance/slow-statement`). Where nothing is proved either way,
    time the critical queries (`queries:`), or name a histogram of the service (`services.*.histogram`).
    """,
    links=("https://www.postgresql.org/docs/current/pgstatstatements.html",),
)
def slow_role(
    statistics: StatementStatistics,
    collector: StatementCollector,
    services: Services,
    target: Target,
    *,
    calls: int = 100,
) -> Answer:
    """Of all that a service asked of the server, nineteen calls in twenty were done within the target.

    pg_stat_statements has the mean and the deviation of every call, and those don't give a percentile. They give the limits in
    which it lies, whatever the distribution is (mean - 0.23 to mean + 4.36 deviations, and no more than the slowest call): that
    may prove that the target was met, or that it was missed, and often neither. It is no P95 and none is called so; planning,
    network and the wait for a connection are not in it.
    """
    limit = target.profile.targets.query_p95_ms
    roles = [s.role for s in services.by_name.values() if s.role]
    own = {n: s.role for n, s in services.by_name.items() if s.role and roles.count(s.role) == 1}
    if not own:
        return NotApplicable("0 services with a role of their own")
    answers: list[Observation | Unseen] = []
    for name, role in own.items():
        times = statistics.times_by_role.get(role)
        if times is None or times.calls < calls:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.INSUFFICIENT_SAMPLES,
                    detail=f"{times.calls if times else 0} calls of {role} were counted here, fewer than {calls}",
                    unlock="let the statistics collect under real traffic",
                )
            )
            continue
        lower, upper = times.p95_bounds
        kept = not collector.evictions
        told: dict[str, str | int | float | bool | None] = {
            "p95_at_least_ms": round(lower, 3),
            "p95_at_most_ms": round(upper, 3),
            "target_ms": limit,
            "calls": times.calls,
            "mean_ms": round(times.mean, 3),
            "deviation_ms": round(times.deviation, 3),
            "slowest_ms": round(times.largest, 3),
            "evictions": collector.evictions,
            "source": "pg_stat_statements: limits of any distribution with this mean and deviation",
        }
        if kept and (lower > limit or upper <= limit):
            answers.append(Observation(subject=name, ok=upper <= limit, evidence=told))
            continue
        why = "" if kept else f", and statements were thrown out {collector.evictions} times, which are in none of it"
        answers.append(
            Unseen(
                subject=name,
                reason=Reason.INSUFFICIENT_SAMPLES,
                detail=f"P95 lies between {lower:.1f} and {upper:.1f} ms, by mean and deviation alone{why}",
                unlock="time the critical queries (`queries:`), or name the service's histogram",
                evidence=told,
            )
        )
    return answers
