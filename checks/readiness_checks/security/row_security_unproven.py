from readiness import RATIO, Answer, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.drills import DrillRecords
from readiness.facts.walls import TenantWalls, Wall


@check(
    subject="table",
    universe="declared tenant tables",
    priority="P1",
    effort="M",
    credit=RATIO,
    attestable=True,
    mend="""
    Run `readiness drill rls`: every declared role, as every declared tenant, as a stranger and as nobody, reads and writes
    every declared table in transactions that are rolled back. Mend what it names, and run it again.
    """,
    links=("https://www.postgresql.org/docs/current/ddl-rowsecurity.html",),
)
def row_security_unproven(drills: DrillRecords, walls: TenantWalls) -> Answer:
    """Row level security was tried: no role saw or changed another tenant's rows, by any way that is known.

    Policies that read well leak all the same: the role owns the table, a view reads with its owner's rights, a function is
    SECURITY DEFINER, one command has no policy or a policy that is always true. The proof counts for the policies, rights,
    views and functions as they were tried: a table where one of them was changed since was not.
    """
    if not walls.by_table:
        return []
    unlock = "readiness drill rls"
    drill = drills.proved("rls", unlock=unlock)
    walked = dict(line.rsplit(" ", 1) for line in drill.evidence.get("walls", []))
    evidence = {"taken_at": drill.taken_at.isoformat(), "drill": drill.id}

    def told(kind: str, table: str) -> list[str]:
        return [
            line.removeprefix(f"{table}: ") for line in drill.evidence.get(kind, []) if line.startswith(f"{table}: ")
        ]

    def judge(table: str, wall: Wall | None) -> Subject:
        if wall is None:
            return Observation(subject=table, ok=False, evidence={"found": "there is no such table"})
        if walked.get(table) != wall.sha256:
            why = "policies, rights, views or functions changed since" if table in walked else "it was not tried"
            return Unseen(subject=table, reason=Reason.STALE, detail=why, unlock=unlock)
        if findings := told("findings", table):
            return Observation(
                subject=table, ok=False, evidence={**evidence, "findings": findings}, expires=drill.expires_at
            )
        if unproved := told("unproved", table):
            return Unseen(subject=table, reason=Reason.NOT_OBSERVABLE, detail="; ".join(unproved)[:1000], unlock=unlock)
        return Observation(subject=table, ok=True, evidence=evidence, expires=drill.expires_at)

    return [judge(table, wall) for table, wall in walls.by_table.items()]
