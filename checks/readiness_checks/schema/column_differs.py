from readiness import RATIO, Answer, NotApplicable, Observation, check, quote_ident
from readiness.facts.catalog import CanonicalSchema, LiveColumn, Tables, shown
from readiness.model import Scalar
from readiness.profile import Column


@check(
    subject="column",
    universe="declared columns of tables that are there",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Add the column, or change its type, by a migration. A change of type rewrites the table under an exclusive lock,
    unless the old and the new are binary compatible: on a large table add a new column, fill it in batches, and swap.
    """,
    links=("https://www.postgresql.org/docs/current/sql-altertable.html",),
)
def column_differs(canonical: CanonicalSchema, tables: Tables) -> Answer:
    """Every declared column is there, with its declared type and nullability.

    The canonical schema is what the services were written against. A column of another type, or one that may be null
    where the code doesn't expect it, is a fault that waits for the first row that shows it.
    """
    answers = []
    for (schema, name), columns in canonical.tables.items():
        table = tables.by_name.get((schema, name))
        if table is None:
            continue  # told by schema/missing-table
        for column, wanted in columns.items():
            live = table.columns.get(column)
            differs = "missing" if live is None else _difference(live, wanted)
            evidence: dict[str, Scalar] = {"declared": _form(wanted.type, nullable=wanted.nullable)}
            if live is not None:
                evidence["live"] = _form(live.type, nullable=live.nullable)
            answers.append(
                Observation(
                    subject=f"{shown(schema, name)}.{quote_ident(column)}",
                    ok=not differs,
                    evidence=evidence | ({"difference": differs} if differs else {}),
                    remedy=_remedy(table.quoted, quote_ident(column), live, wanted),
                )
            )
    if not answers:
        return NotApplicable("0 columns are declared of tables that are there")
    return answers


def _difference(live: LiveColumn, wanted: Column) -> str | None:
    if live.type != wanted.type:
        return "type"
    if live.nullable and not wanted.nullable:
        return "nullability"
    return None


def _form(kind: str, *, nullable: bool) -> str:
    return kind if nullable else f"{kind} not null"


def _remedy(table: str, column: str, live: LiveColumn | None, wanted: Column) -> str | None:
    if live is None:
        return f"alter table {table} add column {column} {wanted.type};"
    if live.type != wanted.type:
        return (
            f"-- Rewrites the table under an exclusive lock; a default of the old type must be dropped before.\n"
            f"alter table {table} alter column {column} type {wanted.type} using {column}::{wanted.type};"
        )
    if live.nullable and not wanted.nullable:
        check_name = quote_ident("readiness_not_null")
        return (
            f"-- The check is validated without stopping writes; then the column's own takes no scan.\n"
            f"alter table {table} add constraint {check_name} check ({column} is not null) not valid;\n"
            f"alter table {table} validate constraint {check_name};\n"
            f"alter table {table} alter column {column} set not null;\n"
            f"alter table {table} drop constraint {check_name};"
        )
    return None
