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
def connections_unproven(drills: DrillRecords, target: Target) -> Answer:
    """The promised number of connections was really opened and held at once.

    A limit in a file is no proof: memory, file descriptors, a proxy or another tenant may end it before. The proof is that the
    server itself saw so many sessions with an open transaction at the same time.
    """
    drill = drills.proved("load", unlock="readiness drill load --server DSN")
    promised = target.profile.targets.connections
    shown = drill.evidence.get("connections_held") or 0
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
