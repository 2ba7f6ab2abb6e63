from readiness import BINARY, Answer, Observation, check
from readiness.facts.bookkeeping import MigrationHistories
from readiness.facts.server import Server


@check(
    subject="database",
    universe="databases",
    priority="P0",
    effort="M",
    credit=BINARY,
    mend="""
    Choose a migration framework (node-pg-migrate, Flyway, Alembic, dbmate...), write the present schema as its first
    migration, and mark that one as applied where the schema is already there.
    """,
)
def no_framework(histories: MigrationHistories, server: Server) -> Answer:
    """The schema is built by a migration framework, one, which keeps its history in the database.

    Without a record of what was applied nobody can say what a database's schema is, build the same anew, or go back. Two
    frameworks in one database are two histories that don't know of each other.
    """
    names = sorted({h.framework for h in histories.found})
    return Observation(
        subject=server.database,
        ok=len(names) == 1,
        evidence={
            "frameworks": ", ".join(names) or "none",
            "history": ", ".join(h.table for h in histories.found) or None,
        },
    )
