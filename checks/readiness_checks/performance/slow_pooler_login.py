from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.pooler import Openings
from readiness.quantiles import quantile


@check(
    subject="server",
    universe="poolers",
    priority="info",
    effort="S",
    credit=RATIO,
    mend="""
    Look at what the pooler does for each login: a query to the server (auth_query) instead of a file, a DNS name that is
    looked up anew (dns_max_ttl), TLS on both legs, a pooler that is far away or short of CPU (it uses one core).
    """,
    links=("https://www.pgbouncer.org/config.html#authentication-settings",),
)
def slow_pooler_login(openings: Openings) -> Answer:
    """A session through the pooler opens no slower than one straight to the server.

    A server forks a process for each session and fills its caches; a pooler hands out what is open. Both are timed by opening a
    few sessions as the auditor's role, one after the other. Slower is said only where the intervals of both medians (95 %) lie
    apart.
    """
    if not openings.through and not openings.unseen:
        return NotApplicable("0 poolers")
    answers: list[Observation | Unseen] = [*openings.unseen]
    for name, waits in openings.through.items():
        pooled, direct = quantile(waits, p=0.5), quantile(openings.direct, p=0.5)
        answers.append(
            Observation(
                subject=name,
                ok=pooled.lower <= direct.upper,
                evidence={
                    "through_it_ms": round(pooled.point, 2),
                    "through_it_from_ms": round(pooled.lower, 2),
                    "through_it_to_ms": round(pooled.upper, 2),
                    "straight_ms": round(direct.point, 2),
                    "straight_from_ms": round(direct.lower, 2),
                    "straight_to_ms": round(direct.upper, 2),
                    "sessions_each": len(waits),
                },
            )
        )
    return answers
