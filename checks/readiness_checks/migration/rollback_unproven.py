from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.drills import DrillRecords
from readiness.facts.migrations import MigrationDigests


@check(
    subject="migration",
    universe="migrations",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="Run `readiness drill rollback`: each migration up, down and up again in a scratch database, compared each time.",
)
def rollback_unproven(drills: DrillRecords, digests: MigrationDigests) -> Answer:
    """The way back was walked: every migration was undone and applied again, and the schema was the same.

    A down migration that was never run is a guess. It forgets an index, loses a default, or fails on the first row, and
    that shows when it is needed. The proof counts for the files as they were walked: one that was changed or added since
    was not.
    """
    unlock = "readiness drill rollback"
    drill = drills.proved("rollback", unlock=unlock)
    evidence = {"taken_at": drill.taken_at.isoformat(), "drill": drill.id}
    if not drill.passed:
        found = drill.evidence.get("findings") or ["the drill failed"]
        return Observation(
            subject="rollback",
            kind="drill",
            ok=False,
            evidence={**evidence, "findings": found},
            expires=drill.expires_at,
        )
    walked = dict(line.rsplit(" ", 1) for line in drill.evidence.get("migrations", []))
    return [
        Observation(subject=path, ok=True, evidence=evidence, expires=drill.expires_at)
        if walked.get(path) == sha256
        else Unseen(
            subject=path,
            reason=Reason.STALE,
            detail="it was changed since it was walked" if path in walked else "it was added since the last drill",
            unlock=unlock,
        )
        for path, sha256 in digests.by_path.items()
    ]
