from collections.abc import Sequence
from math import inf, nextafter

from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.monitored import RoleHistograms
from readiness.facts.statements import StatementCollector, StatementStatistics
from readiness.facts.target import Services, Target
from readiness.model import Scalar
from readiness.quantiles import binned


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
    links=(
        "https://www.postgresql.org/docs/current/pgstatstatements.html",
        "https://docs.percona.com/pg-stat-monitor/",
    ),
)
def slow_role(
    statistics: StatementStatistics,
    collector: StatementCollector,
    histograms: RoleHistograms,
    services: Services,
    target: Target,
    *,
    calls: int = 100,
) -> Answer:
    """Of all that a service asked of the server, nineteen calls in twenty were done within the target.

    pg_stat_statements has the mean and the deviation of every call, and those don't give a percentile. They give the limits in
    which it lies, whatever the distribution is (mean - 0.23 to mean + 4.36 deviations, and no more than the slowest call): that
    may prove that the target was met, or that it was missed, and often neither. It is no P95 and none is called so. Where
    pg_stat_monitor is installed, it has counted the calls of the last minutes by buckets of their time, which says more: by the
    edges of the bucket that the percentile lies in. Either of the two may prove a miss; planning, network and the wait for a
    connection are in neither.
    """
    limit = target.profile.targets.query_p95_ms
    roles = [s.role for s in services.by_name.values() if s.role]
    own = {n: s.role for n, s in services.by_name.items() if s.role and roles.count(s.role) == 1}
    if not own:
        return NotApplicable("0 services with a role of their own")
    answers: list[Observation | Unseen] = []
    for name, role in own.items():
        times, counted = statistics.times_by_role.get(role), histograms.by_role.get(role)
        told: dict[str, Scalar | Sequence[Scalar]] = {"target_ms": limit}
        limits: list[tuple[float, float]] = []
        doubts = [histograms.refused] if histograms.refused else []
        if counted and sum(counted.counts) >= calls:
            q = binned(counted.edges, counted.counts)
            # A bucket holds what is over its lower edge.
            limits.append((nextafter(q.lower, inf) if q.lower else 0.0, q.upper))
            told |= {"lately_at_least_ms": q.lower, "lately_at_most_ms": q.upper, "lately_calls": q.samples}
            told |= {"lately_source": f"{counted.source}: edges of its buckets"}
            doubts.append(f"P95 lies between {q.lower:g} and {q.upper:g} ms by {counted.source}")
        if times and times.calls >= calls:
            lower, upper = times.p95_bounds
            told |= {"p95_at_least_ms": round(lower, 3), "p95_at_most_ms": round(upper, 3), "calls": times.calls}
            told |= {"mean_ms": round(times.mean, 3), "deviation_ms": round(times.deviation, 3)}
            told |= {"slowest_ms": round(times.largest, 3), "evictions": collector.evictions}
            told |= {"source": "pg_stat_statements: limits of any distribution with this mean and deviation"}
            if collector.evictions:
                doubts.append(f"statements were thrown out {collector.evictions} times, which are in no figure")
            else:
                limits.append((lower, upper))
            doubts.append(f"P95 lies between {lower:.1f} and {upper:.1f} ms, by mean and deviation alone")
        missed = any(lower > limit for lower, _ in limits)
        if missed or any(upper <= limit for _, upper in limits):
            answers.append(Observation(subject=name, ok=not missed, evidence=told))
            continue
        few = f"{times.calls if times else 0} calls of {role} were counted here, fewer than {calls}"
        answers.append(
            Unseen(
                subject=name,
                reason=Reason.INSUFFICIENT_SAMPLES,
                detail="; ".join(doubts) if len(told) > 1 else few,
                unlock="time the critical queries (`queries:`), or name the service's histogram"
                if len(told) > 1
                else "let the statistics collect under real traffic",
                evidence=told if len(told) > 1 else {},
            )
        )
    return answers
