from readiness import BINARY, Answer, Observation, check
from readiness.facts.drills import DrillRecords


@check(
    subject="drill",
    universe="rollback drills",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="Run `readiness drill rollback`: each migration up, down and up again in a scratch database, compared each time.",
)
def rollback_unproven(drills: DrillRecords) -> Answer:
    """The way back was walked: every migration was undone and applied again, and the schema was the same.

    A down migration that was never run is a guess. It forgets an index, loses a default, or fails on the first row, and
    that shows when it is needed.
    """
    drill = drills.proved("rollback", unlock="readiness drill rollback")
    return Observation(
        subject="rollback",
        ok=drill.passed,
        evidence={"taken_at": drill.taken_at.isoformat(), "drill": drill.id},
        expires=drill.expires_at,
    )
