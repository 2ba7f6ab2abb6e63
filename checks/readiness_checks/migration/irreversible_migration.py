from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.migrations import MigrationFolder


@check(
    subject="migration",
    universe="migrations in the folder",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="""
    Write the way back for each migration, in its framework's form (a down section, a down file, a downgrade function).
    Where there is none, since data is dropped, say so in the rollback document, with the way to restore it.
    """,
)
def irreversible_migration(folder: MigrationFolder) -> Answer:
    """Every migration says how it is undone.

    When a deployment fails, the way back is needed within minutes, at the worst hour. A migration without one leaves the
    restore of a backup, and with it the loss of what was written since. That the way back works is another question,
    which `readiness drill rollback` answers.
    """
    if not folder.files:
        return NotApplicable(f"0 migrations in {folder.directory}")
    return [
        Unseen(subject=f.path, reason=Reason.UNSUPPORTED, detail="its form doesn't tell whether it can be undone")
        if f.reversible is None
        else Observation(
            subject=f.path, ok=f.reversible, evidence={"framework": folder.framework, "file": folder.place(f.path)}
        )
        for f in folder.files
    ]
