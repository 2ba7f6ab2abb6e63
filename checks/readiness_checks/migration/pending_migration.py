from readiness import RATIO, Answer, NotApplicable, Observation, Unknown, check
from readiness.facts.migrations import MigrationFolder
from readiness.facts.standing import MigrationStanding, MigrationStandings, Standing


@check(
    subject="migration",
    universe="migrations, of the folder or recorded",
    priority="P0",
    effort="S",
    credit=RATIO,
    needs=["select migration history"],
    mend="""
    Apply what is pending by the framework's own command. For a migration that was applied and has no file, bring the
    file back from the version control's history.
    """,
)
def pending_migration(standings: MigrationStandings) -> Answer:
    """Every migration in the folder is applied, and every applied one has its file.

    A pending migration means that the audited schema is not the one that will run; an applied one without a file, that
    the schema can't be built anew from what is under version control. One that is pending behind an applied one (it came
    by a merge, say) is refused by some frameworks, and applied out of order by others.
    """
    folder, history = standings.folder, standings.history
    if history is not None and history.unseen is not None:
        unseen = history.unseen
        return Unknown(reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    if not standings.migrations:
        return NotApplicable(f"0 migrations in {folder.directory}, and 0 recorded")
    return [
        Observation(subject=m.name, ok=m.standing is Standing.APPLIED, evidence=_evidence(standings.folder, m))
        for m in standings.migrations
    ]


def _evidence(folder: MigrationFolder, migration: MigrationStanding) -> dict[str, str | None]:
    evidence: dict[str, str | None] = {"file": folder.place(migration.file.path)} if migration.file else {}
    if migration.standing is not Standing.APPLIED:
        evidence["state"] = str(migration.standing)
    if migration.late:
        evidence["order"] = "a migration behind it is applied"
    return evidence
