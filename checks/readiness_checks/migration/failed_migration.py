from readiness import BINARY, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.bookkeeping import MigrationHistories
from readiness.facts.frameworks.form import State


@check(
    subject="migration",
    universe="recorded migrations",
    priority="P0",
    effort="M",
    credit=BINARY,
    needs=["select migration history"],
    mend="""
    Find out how far the migration came, mend what it left, and set its record right by the framework's own command
    (`flyway repair`, `prisma migrate resolve`, `migrate force`...).
    """,
)
def failed_migration(histories: MigrationHistories) -> Answer:
    """No migration is recorded as failed or half done.

    A failed migration leaves a schema that is neither the old one nor the new one, and most frameworks refuse to go on
    from there: the next deployment stops at it.
    """
    if not histories.found:
        return NotApplicable("0 migration histories in the database")
    answers: list[Observation | Unseen] = []
    for h in histories.found:
        if h.unseen is not None:
            answers.append(
                Unseen(subject=h.table, reason=h.unseen.reason, detail=h.unseen.detail, unlock=h.unseen.unlock)
            )
            continue
        failed = h.named(State.FAILED)
        answers += [
            Observation(subject=f"{h.table} {name}", ok=False, evidence={"framework": h.framework}) for name in failed
        ]
        if not failed:
            applied = len(h.named(State.APPLIED))
            answers.append(
                Observation(subject=h.table, ok=True, evidence={"framework": h.framework, "applied": applied})
            )
    return answers
