from readiness import RATIO, Answer, Observation, check
from readiness.facts.catalog import CanonicalSchema, Tables, shown


@check(
    subject="table",
    universe="tables of the canonical schema",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="""
    Create the table by a migration. Where it lies in another schema, move it: `alter table ... set schema ...` keeps
    rows, indexes and keys, and takes a short exclusive lock.
    """,
)
def missing_table(canonical: CanonicalSchema, tables: Tables) -> Answer:
    """Every table of the canonical schema is there, in its own schema.

    Services are written against one schema. A table that is missing, or that lies in another schema than the one that is
    declared, is a feature that fails on its first request, or two services that read different truths.
    """
    answers = []
    for schema, name in canonical.tables:
        table = tables.by_name.get((schema, name))
        others = tables.elsewhere.get(name, ())
        answers.append(
            Observation(
                subject=shown(schema, name),
                ok=table is not None,
                evidence={"found_in": ", ".join(others) or None} if table is None else {},
                remedy=_move(schema, others) if table is None else None,
            )
        )
    return answers


def _move(schema: str, others: tuple[str, ...]) -> str | None:
    """Where the one table of that name lies in another schema, moving it is the mend; else somebody must write it."""
    if len(others) != 1:
        return None
    home = shown(schema, "")[:-3]
    return f"create schema if not exists {home};\nalter table {others[0]} set schema {home};"
