from readiness import BINARY, Answer, Observation, check
from readiness.facts.drills import DrillRecords


@check(
    subject="drill",
    universe="restore drills",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="Run `readiness drill restore`: the newest backup, restored into a scratch cluster, started, compared and timed.",
)
def restore_unproven(drills: DrillRecords) -> Answer:
    """A backup was restored lately, and what came back was compared with the source.

    Backups fail silently: every tool says "ok" of a backup that lacks one segment of WAL. Only a restore shows whether
    there is one, how long it takes (RTO) and how much is lost (RPO).
    """
    drill = drills.proved("restore", unlock="readiness drill restore")
    return Observation(
        subject="restore",
        ok=drill.passed,
        evidence={"taken_at": drill.taken_at.isoformat(), "drill": drill.id},
        expires=drill.expires_at,
    )
