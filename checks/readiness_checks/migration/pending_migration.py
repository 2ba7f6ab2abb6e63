from collections.abc import Sequence

from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unknown, check
from readiness.facts.bookkeeping import History, MigrationHistories
from readiness.facts.migrations import MigrationFolder


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
def pending_migration(folder: MigrationFolder, histories: MigrationHistories) -> Answer:
    """Every migration in the folder is applied, and every applied one has its file.

    A pending migration means that the audited schema is not the one that will run; an applied one without a file, that
    the schema can't be built anew from what is under version control.
    """
    if not folder.files:
        return NotApplicable(f"0 migrations in {folder.directory}")
    history = _own(folder, histories.found)
    if history is None:
        # nothing was ever recorded as applied
        return [
            Observation(subject=f.name, ok=False, evidence={"file": f.path, "state": "pending"}) for f in folder.files
        ]
    if history.unseen is not None:
        unseen = history.unseen
        return Unknown(reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    if folder.framework in ("golang-migrate", "alembic"):
        return Unknown(
            reason=Reason.UNSUPPORTED,
            detail=f"{folder.framework} records where it stands, not what it applied; compare by its own command",
        )
    applied = set(history.named("applied"))
    files = {f.name: f for f in folder.files}
    return [
        *(
            Observation(
                subject=name,
                ok=name in applied,
                evidence={"file": f.path} if name in applied else {"file": f.path, "state": "pending"},
            )
            for name, f in sorted(files.items())
        ),
        *(
            Observation(subject=name, ok=False, evidence={"state": "applied, without a file", "history": history.table})
            for name in sorted(applied - set(files))
        ),
    ]


def _own(folder: MigrationFolder, found: Sequence[History]) -> History | None:
    """The history that the folder's files belong to."""
    return next((h for h in found if folder.framework is not None and folder.framework in h.framework), None)
