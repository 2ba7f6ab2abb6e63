import re

from readiness import BINARY, Answer, Observation, check
from readiness.facts.ci import Pipelines

# This tool, linters of migrations, and the commands of frameworks that check a folder. Sources: their documentation.
_CHECKS = {
    "readiness": r"\breadiness\s+(?:-\S+\s+\S+\s+)*(?:score|drill|compare|docs)\b",
    "squawk": r"\bsquawk(?:-cli|-action)?\b",
    "eugene": r"\beugene\s+(?:lint|trace)\b",
    "atlas": r"\batlas\s+migrate\s+(?:lint|validate|test)\b|\bariga/atlas-action\S*(?:lint|test)",
    "django-migration-linter": r"\blintmigrations\b",
    "django": r"\bmakemigrations\b[^\n]*--check\b",
    "alembic": r"\balembic\s+(?:[^\n]*\s)?check\b|\bpytest-alembic\b|--test-alembic\b",
    "flyway": r"\bflyway\b[^\n]*\b(?:validate|check)\b",
    "liquibase": r"\bliquibase\b[^\n]*\b(?:checks\s+run|validate|update-testing-rollback|future-rollback)\b",
    "prisma": r"\bprisma\s+migrate\s+(?:diff|status)\b",
    "sqitch": r"\bsqitch\b[^\n]*\bverify\b",
    "strong_migrations": r"\bstrong_migrations\b",
    "sqlfluff": r"\bsqlfluff\s+lint\b",
    "postgres-language-server": r"\bpostgres(?:-language-server|tools)\s+check\b",
}


@check(
    subject="file",
    universe="repositories with migrations",
    priority="P1",
    effort="S",
    credit=BINARY,
    mend="""
    Let CI run this tool, or a linter of migrations, on every change of the folder: `readiness score --migrations <folder>`
    needs no database and ends by its exit code; `squawk <folder>/*.sql` reads the SQL.
    """,
)
def unchecked_in_ci(pipelines: Pipelines) -> Answer:
    """CI checks the migrations on every change of their folder.

    A migration is read by one reviewer on a good day. That it locks a table, or can't be undone, is found by a machine each
    time, as long as it is asked before the merge. What is found by hand the night of the deployment is found too late.
    """
    checked, elsewhere = [], []
    for pipeline in pipelines.found:
        tools = [tool for tool, form in _CHECKS.items() if re.search(form, pipeline.commands)]
        if tools and pipeline.on_change is not False:
            checked.append(f"{pipeline.path}: {', '.join(tools)}")
        elif tools:
            elsewhere.append(
                f"{pipeline.path}: {', '.join(tools)}, but a change of {pipelines.migrations} doesn't start it"
            )
    return Observation(
        subject=pipelines.migrations,
        ok=bool(checked),
        evidence={
            "checked_by": checked,
            "not_started": elsewhere,
            "configuration": [p.path for p in pipelines.found] or "none was found",
        },
    )
