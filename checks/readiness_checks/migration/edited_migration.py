from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.edits import AppliedMigrations


@check(
    subject="migration",
    universe="applied migrations",
    priority="P1",
    effort="M",
    credit=RATIO,
    needs=["select migration history"],
    mend="""
    Put the file back as it was applied (`git checkout <commit> -- <file>`), and write what was changed as a migration of
    its own.
    """,
)
def edited_migration(applied: AppliedMigrations) -> Answer:
    """No migration was edited after it was applied.

    What is edited afterwards runs in new databases and never in those that have it already: the same folder then builds
    two schemas. A framework's checksum tells, where it keeps one (Flyway, Prisma, sqitch, Atlas). Elsewhere git does: what
    the file was when the migration was applied, against what it is. Comments and the way back may change.
    """
    if not applied.found:
        return NotApplicable(f"0 migrations of {applied.directory} are applied")
    answers: list[Observation | Unseen] = []
    for m in applied.found:
        if m.unseen is not None or m.same is None:
            detail = m.unseen.detail if m.unseen else "it can't be told"
            reason = m.unseen.reason if m.unseen else Reason.UNSUPPORTED
            unlock = m.unseen.unlock if m.unseen else None
            answers.append(Unseen(subject=m.name, reason=reason, detail=detail, unlock=unlock))
        else:
            answers.append(
                Observation(subject=m.name, ok=m.same, evidence={"file": applied.place(m.path), **m.evidence})
            )
    return answers
