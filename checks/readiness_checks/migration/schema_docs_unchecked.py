import re

from readiness import BINARY, Answer, Observation, check
from readiness.facts.ci import Pipelines

# What writes a schema down, or holds what was written against it. Sources: their documentation.
_WRITERS = {
    "readiness docs": r"\breadiness\s+docs\b",
    "tbls": r"\btbls\s+(?:doc|diff|lint|out)\b|\bk1low/(?:setup-tbls|tbls)\b",
    "schemaspy": r"\bschemaspy\b",
    "schemacrawler": r"\bschemacrawler\b",
    "dbdocs": r"\bdbdocs\s+build\b",
    "atlas": r"\batlas\s+schema\s+inspect\b",
}


@check(
    subject="file",
    universe="repositories with migrations",
    priority="info",
    effort="S",
    credit=BINARY,
    mend="""
    `readiness docs --migrations <folder> --output docs/schema.md` writes tables, columns, keys and a diagram from the migrations;
    the same with `--check` in CI fails as soon as the copy in the repository is stale.
    """,
)
def schema_docs_unchecked(pipelines: Pipelines) -> Answer:
    """The schema's documentation is generated, and CI does it or holds the copy against the schema.

    A diagram that was drawn by hand is right on the day it is drawn. What is generated from the migrations, and looked at with
    every change of them, is right as long as it is there.
    """
    writing = [
        f"{pipeline.path}: {writer}"
        for pipeline in pipelines.found
        for writer, form in _WRITERS.items()
        if re.search(form, pipeline.commands, re.IGNORECASE)
    ]
    return Observation(
        subject=pipelines.migrations,
        ok=bool(writing),
        evidence={"written_by": writing, "configuration": [p.path for p in pipelines.found] or "none was found"},
    )
