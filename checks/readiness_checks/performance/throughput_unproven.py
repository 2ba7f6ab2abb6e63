from readiness import BINARY, Answer, Observation, check
from readiness.facts.drills import DrillRecords
from readiness.facts.target import Target


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
    pgbench's own and not the platform's; it shows what the server bears, not what the application asks of it.
    """
    drill = drills.proved("load", unlock="readiness drill load --server DSN")
    promised = target.profile.targets.transactions_per_second
    shown = drill.evidence.get("transactions_per_second") or 0
    return Observation(
        subject="load",
        ok=shown >= promised,
        evidence={
            "shown": shown,
            "promised": promised,
            "refused": drill.evidence.get("refused"),
            "where": drill.evidence.get("where"),
            "workload": drill.evidence.get("workload"),
            "taken_at": drill.taken_at.isoformat(),
            "drill": drill.id,
        },
        expires=drill.expires_at,
    )
