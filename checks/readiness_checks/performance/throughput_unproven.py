from readiness import BINARY, Answer, Observation, check
from readiness.facts.drills import DrillRecords
from readiness.facts.target import Target
from readiness.model import Scalar


@check(
    subject="drill",
    universe="load drills",
    priority="P1",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="Run `readiness drill load --server DSN` against a server like the platform's.",
)
def throughput_unproven(drills: DrillRecords, target: Target) -> Answer:
    """The promised throughput was sustained under load.

    Capacity is measured, not reckoned: with as many connections as were promised, unlimited, in a scratch database. The mix is
    the profile's (`load:`), or else pgbench's, which shows what the server bears, not what the application asks of it. Where
    the promise is reached, the same work is done once more at the promised rate, and how long a transaction waits then stands
    beside it, its turn included.
    """
    drill = drills.proved("load", unlock="readiness drill load --server DSN")
    promised = target.profile.targets.transactions_per_second
    told = drill.evidence
    shown = told.get("transactions_per_second") or 0
    evidence: dict[str, Scalar | list[Scalar]] = {
        "shown": shown,
        "promised": promised,
        "refused": told.get("refused"),
        "sessions_lost": told.get("sessions_lost"),
        "failed": told.get("failed"),
        "p95_ms_at_promised_rate": told.get("at_promised_rate_p95_ms"),
        "p95_ms_unlimited": told.get("p95_ms"),
        "waited_for": ", ".join(told.get("waits") or ()) or None,
        "client_at_its_limit": told.get("client_at_its_limit"),
        "where": told.get("where"),
        "workload": told.get("workload"),
        "taken_at": drill.taken_at.isoformat(),
        "drill": drill.id,
    }
    if series := told.get("series"):
        evidence |= {
            "figure": "throughput",
            "unit": "tx/s",
            "value": shown,
            "target": promised,
            "samples": told.get("transactions"),
            "source": f"drill {drill.id}: {told.get('workload')}",
            "series": [*series],
        }
    ok = shown >= promised and not told.get("sessions_lost")
    return Observation(subject="load", ok=ok, evidence=evidence, expires=drill.expires_at)
