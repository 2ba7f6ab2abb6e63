from math import inf

from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.histograms import Buckets, ServiceHistograms
from readiness.facts.http import ServiceLatencies
from readiness.facts.target import Target
from readiness.model import Scalar
from readiness.quantiles import binned, drawn, quantile, samples_needed


@check(
    subject="service",
    universe="services with an address",
    priority="P1",
    effort="M",
    credit=BINARY,
    mend="""
    Find the slowest route in the service's own metrics, then its queries in pg_stat_statements; look for a query for
    each row of another, a missing index, a pool that makes requests wait.
    """,
)
def slow_service(latencies: ServiceLatencies, histograms: ServiceHistograms, target: Target) -> Answer:
    """Nineteen requests in twenty come back within the latency that was promised.

    A mean hides the waits that people remember. The 95th percentile is taken by nearest rank from timed requests; a
    failed one counts as a wait without end. It passes when the upper end of the 95 % confidence interval meets the target,
    fails when the lower end misses it, and stays unknown between, with the number of requests that would settle it. Where the
    profile names a Prometheus histogram of the service, that is judged instead, since it has the real users' requests: by the
    edges of the bucket that the percentile lies in. Time in which the auditor itself had to wait for a CPU can't make it fail:
    the lower end is taken without it.
    """
    limit = target.profile.targets.service_p95_ms
    answers: list[Observation | Unseen] = [*histograms.unseen]
    answers += (_counted(name, counted, limit) for name, counted in histograms.by_service.items())
    for name, waits in latencies.by_service.items():
        q = quantile(waits.milliseconds, least=waits.least)
        evidence: dict[str, Scalar | list[Scalar]] = {
            "figure": "service_p95",
            "unit": "ms",
            "value": q.point,
            "lower": q.lower,
            "upper": q.upper,
            "samples": q.samples,
            "target": limit,
            "failures": ", ".join(f"{n} x {what}" for what, n in waits.failures.items()) or None,
            "source": f"{q.samples} timed requests to {waits.url}",
            "waits": [*drawn(waits.milliseconds)],
        }
        if set(waits.failures) & {"HTTP 401", "HTTP 403"} and sum(waits.failures.values()) == q.samples:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NO_PERMISSION,
                    detail=f"{', '.join(waits.failures)}: what is timed wants credentials, or others",
                    unlock='give the service `latency_headers: {Authorization: "Bearer ${TOKEN}"}` in the profile, or a '
                    "`latency_path` that is open",
                )
            )
            continue
        if q.upper <= limit or q.lower > limit:
            answers.append(Observation(subject=name, ok=q.upper <= limit, evidence=evidence))
            continue
        held_back = quantile(waits.milliseconds).lower > limit
        needed = samples_needed(waits.milliseconds, limit)
        more = f"set probing.http_requests to {needed}" if needed else None
        answers.append(
            Unseen(
                subject=name,
                reason=Reason.INSUFFICIENT_SAMPLES,
                detail=f"P95 lies between {q.lower:.0f} and {'infinity' if q.upper == inf else f'{q.upper:.0f}'} ms "
                f"after {q.samples} requests, around the target of {limit:g} ms",
                unlock="the auditor waited for a CPU of its own; audit from a machine with less to do"
                if held_back
                else more,
                evidence=evidence,
            )
        )
    return answers


def _counted(name: str, counted: Buckets, limit: float) -> Observation | Unseen:
    q = binned(counted.edges, counted.counts)
    upper = "infinity" if q.upper == inf else f"{q.upper:g}"
    evidence: dict[str, Scalar | list[Scalar]] = {
        "figure": "service_p95",
        "unit": "ms",
        "value": q.point,
        "lower": q.lower,
        "upper": q.upper,
        "samples": q.samples,
        "target": limit,
        "source": f"{counted.source}: {q.samples:,} requests; within the buckets {q.lower:g} to {upper} ms, interpolated",
    }
    if q.upper <= limit or q.lower >= limit:  # a bucket holds what is over its lower edge, so that edge is missed too
        return Observation(subject=name, ok=q.upper <= limit, evidence=evidence)
    return Unseen(
        subject=name,
        reason=Reason.INSUFFICIENT_SAMPLES,
        detail=f"P95 lies in the buckets from {q.lower:g} to {upper} ms, around the target of {limit:g} ms",
        unlock=f"give the histogram an edge at {limit:g} ms, or let it collect more requests",
        evidence=evidence,
    )
