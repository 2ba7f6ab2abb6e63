from readiness import BINARY, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.bookkeeping import MigrationHistories


@check(
    subject="table",
    universe="migration histories with a lock of their own",
    priority="P1",
    effort="S",
    credit=BINARY,
    needs=["select migration history"],
    mend="""
    See that no migration runs (who holds the lock is in the evidence), then release it by the framework's own command:
    `liquibase release-locks`, `knex migrate:unlock`, `yoyo break-lock`.
    """,
)
def stuck_migration_lock(histories: MigrationHistories, *, most_minutes: int = 30) -> Answer:
    """No migration's lock is left behind.

    A runner that is killed leaves its lock in the table. The next deployment waits for it, for ever or until it gives up.
    """
    answers: list[Observation | Unseen] = []
    for h in histories.found:
        if h.unseen is not None:
            unseen = h.unseen
            answers.append(Unseen(subject=h.table, reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock))
        elif h.lockable:
            # One without a time is held now, and a migration that runs is seen in the sessions.
            stuck = [lock for lock in h.locks if lock.seconds is None or lock.seconds > most_minutes * 60]
            answers.append(
                Observation(
                    subject=h.table,
                    ok=not stuck,
                    evidence={
                        "holder": next((lock.holder for lock in h.locks), None),
                        "held_seconds": next((lock.seconds for lock in h.locks), None),
                    },
                )
            )
    return answers or NotApplicable("0 migration histories with a lock table")
