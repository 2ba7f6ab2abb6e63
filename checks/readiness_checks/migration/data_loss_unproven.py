from readiness import BINARY, Answer, Observation, check
from readiness.facts.drills import DrillRecords


@check(
    subject="drill",
    universe="comparisons of content before and after",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    Take `readiness snapshot` before the migration and after it, and compare the two: every row, by fingerprint. Where no
    migration of data is under way, vouch for that (`readiness attest migration/data-loss-unproven`).
    """,
)
def data_loss_unproven(drills: DrillRecords) -> Answer:
    """No data was lost by the migration: the content of every table before and after was compared.

    A count of rows catches the loss of rows and nothing else. What is compared is a fingerprint of each table's content,
    so that a changed value, a truncated text or a null for an empty string shows.
    """
    drill = drills.proved("snapshot", unlock="readiness snapshot, before and after, and readiness compare")
    return Observation(
        subject="content",
        ok=drill.passed,
        evidence={"taken_at": drill.taken_at.isoformat(), "drill": drill.id},
        expires=drill.expires_at,
    )
