from math import ceil, inf

from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.latency import QueryLatencies, Timed
from readiness.model import Scalar
from readiness.quantiles import drawn, quantile, samples_needed

MOST_SECONDS = 3600  # that a profile may give


@check(
    subject="query",
    universe="critical queries",
    priority="P0",
    effort="M",
    credit=BINARY,
    needs=["select application tables"],
    mend="""
    Look at the query's plan (`explain (analyze, buffers)`) with the values that are slow: a sequential scan over a large
    table, a sort that spills, an estimate that is far off. Then an index, fresh statistics, or another form of the query.
    """,
    links=("https://www.postgresql.org/docs/current/using-explain.html",),
)
def slow_query(latencies: QueryLatencies) -> Answer:
    """Of the critical queries, nineteen calls in twenty come back within the target.

    Asked live, with real values in turn, and timed from sending to the last row; where the query declares a rate, by a
    schedule that waits for nobody, so that what a stall holds up is counted too. A call that ran out of time is a wait
    without end. It passes when the upper end of the 95 % confidence interval of the 95th percentile meets the target,
    fails when the lower end misses it, and is unknown between, with the number of samples that would settle it. Time in
    which the auditor itself had to wait for a CPU can't make it fail: the lower end is taken without it.
    """
    return [*(_judge(timed) for timed in latencies.by_name.values()), *latencies.unseen]


def _judge(timed: Timed) -> Observation | Unseen:
    q = quantile(timed.milliseconds, least=timed.least)
    evidence: dict[str, Scalar | list[Scalar]] = {
        "figure": "query_p95",
        "unit": "ms",
        "value": q.point,
        "lower": q.lower,
        "upper": q.upper,
        "samples": q.samples,
        "target": timed.target_ms,
        "source": f"{q.samples} timed calls from the auditor, {_how(timed)}; nearest rank, 95 % interval",
        "waits": [*drawn(timed.milliseconds)],
    }
    if q.upper <= timed.target_ms or q.lower > timed.target_ms:
        return Observation(subject=timed.name, ok=q.upper <= timed.target_ms, evidence=evidence)
    upper = "infinity" if q.upper == inf else f"{q.upper:.1f}"
    return Unseen(
        subject=timed.name,
        reason=Reason.INSUFFICIENT_SAMPLES,
        detail=f"P95 lies between {q.lower:.1f} and {upper} ms after {q.samples} samples, around {timed.target_ms:g} ms",
        unlock=_more(timed),
        evidence=evidence,
    )


def _more(timed: Timed) -> str | None:
    """What to raise that the answer is settled: the number of calls, the time for them, or both."""
    if quantile(timed.milliseconds).lower > timed.target_ms:
        return "the auditor waited for a CPU of its own; audit from a machine with less to do"
    needed = samples_needed(timed.milliseconds, timed.target_ms)
    if needed is None:
        return None
    more = [f"probing.query_samples to {needed}"] if needed > timed.wanted else []
    if 0 < len(timed.milliseconds) < timed.wanted:  # the time was over before
        seconds = min(MOST_SECONDS, ceil(timed.seconds * needed / len(timed.milliseconds)))
        more.append(f"probing.query_seconds to {seconds}")
    return f"set {' and '.join(more)}" if more else None


def _how(timed: Timed) -> str:
    if timed.rate is None:
        return "one at a time, without a queue"
    return f"{timed.rate:g} due a second over {timed.sessions} sessions, {timed.queued} of them queued"
