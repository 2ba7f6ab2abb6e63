import hashlib
import itertools
from collections.abc import Container, Iterator

from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check, quote_ident
from readiness.facts.catalog import CanonicalSchema, Conformance
from readiness.facts.definitions import DefinedColumn, Definitions, same_text
from readiness.model import Scalar
from readiness.profile import Column


@check(
    subject="column",
    universe="declared columns of tables that are there",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Add the column, or change it, by a migration. A change of type rewrites the table under an exclusive lock, unless
    the old and the new are binary compatible: on a large table add a new column, fill it in batches, and swap. What
    generates a column can't be changed in place: drop that column and add it again. For an identity see
    schema/serial-primary-key.
    """,
    links=("https://www.postgresql.org/docs/current/sql-altertable.html",),
)
def column_differs(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Every declared column is there, with its declared type, nullability and default.

    The canonical schema is what the services were written against. A column of another type, or one that may be null
    where the code doesn't expect it, is a fault that waits for the first row that shows it.
    """
    answers: list[Observation | Unseen] = []
    for table in canonical.beside(definitions):
        for name, wanted in canonical.tables[table.live.schema, table.live.name].items():
            subject = f"{table.live.quoted}.{quote_ident(name)}"
            if table.live.locked:
                answers.append(table.unseen(subject, "column"))
                continue
            live = table.live.columns.get(name)
            differences = ["missing"] if live is None else list(_differences(wanted, live, name, table))
            evidence: dict[str, Scalar] = {"declared": _form(wanted)}
            if live is not None:
                evidence["live"] = _form(live)
            if differences:
                evidence["difference"] = ", ".join(differences)
            answers.append(
                Observation(
                    subject=subject,
                    ok=not differences,
                    evidence=evidence,
                    remedy=_remedy(
                        table.live.quoted,
                        quote_ident(name),
                        wanted,
                        live,
                        differences,
                        _check_name(name, table.live.constraints),
                    ),
                )
            )
    if not answers:
        return NotApplicable("0 columns are declared of tables that are there")
    return answers


def _differences(wanted: Column, live: DefinedColumn, name: str, table: Conformance) -> Iterator[str]:
    if live.type != wanted.type:
        yield "type"
    stricter = table.complete and wanted.nullable and not live.nullable and name not in table.live.primary_key
    if (live.nullable and not wanted.nullable) or (stricter and not (wanted.identity or live.identity)):
        yield "nullability"
    for what in ("default", "generated", "collation"):
        declared, found = getattr(wanted, what), getattr(live, what)
        if (declared is not None or table.complete) and not same_text(declared, found):
            yield what
    if (wanted.identity is not None or table.complete) and wanted.identity != live.identity:
        yield "identity"


def _form(column: Column | DefinedColumn) -> str:
    words = [column.type]
    if column.collation:
        words.append(f"collate {column.collation}")
    if column.default is not None:
        words.append(f"default {column.default}")
    if column.generated is not None:
        words.append(f"generated always as ({column.generated})")
    if column.identity:
        words.append(f"generated {column.identity} as identity")
    if not column.nullable:
        words.append("not null")
    return " ".join(words)


def _remedy(
    table: str, column: str, wanted: Column, live: DefinedColumn | None, differences: list[str], check_name: str
) -> str | None:
    """The statements that close every difference; None where one of them has none."""
    if live is None:
        return _add(table, column, wanted, check_name)
    statements: list[str] = []
    changes_type = "type" in differences or "collation" in differences
    for difference in differences:
        match difference:
            case "type" | "collation":
                if difference == "collation" and "type" in differences:
                    continue
                if live.generated is not None:
                    return None
                statements.append(_change_type(table, column, wanted, drop_default=bool(live.default)))
            case "nullability":
                statements.append(
                    _not_null(table, column, check_name)
                    if live.nullable
                    else f"alter table {table} alter column {column} drop not null;"
                )
            case "default":
                if live.generated is not None or live.identity is not None:
                    return None
                if wanted.default is None:
                    if not changes_type:
                        statements.append(f"alter table {table} alter column {column} drop default;")
                else:
                    statements.append(f"alter table {table} alter column {column} set default {wanted.default};")
            case "identity":
                if wanted.identity and live.identity:
                    statements.append(f"alter table {table} alter column {column} set generated {wanted.identity};")
                elif live.identity:
                    statements.append(f"alter table {table} alter column {column} drop identity;")
                else:
                    return None
            case _:
                return None
    if changes_type and "default" not in differences and live.default is not None:
        statements.append(f"alter table {table} alter column {column} set default {live.default};")
    return "\n".join(statements) or None


def _add(table: str, column: str, wanted: Column, check_name: str) -> str:
    words = [f"alter table {table} add column {column} {wanted.type}"]
    if wanted.collation:
        words.append(f"collate {wanted.collation}")
    if wanted.generated is not None:
        words.append(f"generated always as ({wanted.generated}) stored")
    elif wanted.identity:
        words.append(f"generated {wanted.identity} as identity")
    elif wanted.default is not None:
        words.append(f"default {wanted.default}")
    rewrites = wanted.generated is not None or wanted.identity
    added = ("-- Rewrites the table under an exclusive lock.\n" if rewrites else "") + " ".join(words) + ";"
    if wanted.nullable or wanted.identity:
        return added
    return f"{added}\n-- Fill it for the rows that are there; then:\n{_not_null(table, column, check_name)}"


def _change_type(table: str, column: str, wanted: Column, *, drop_default: bool) -> str:
    collate = f" collate {wanted.collation}" if wanted.collation else ""
    before = f"alter table {table} alter column {column} drop default;\n" if drop_default else ""
    return (
        "-- Rewrites the table under an exclusive lock.\n"
        f"{before}alter table {table} alter column {column} type {wanted.type}{collate} using {column}::{wanted.type};"
    )


def _check_name(column: str, taken: Container[str]) -> str:
    """For the check that stands in for NOT NULL meanwhile; schema/nullable-boolean-column names it alike.

    One that is left of an earlier try is another. Quoted.
    """
    short = column if len(column.encode()) <= 40 else hashlib.md5(column.encode(), usedforsecurity=False).hexdigest()
    names = (f"readiness_not_null_{short}{f'_{n}' if n else ''}" for n in itertools.count())
    return quote_ident(next(name for name in names if name not in taken))


def _not_null(table: str, column: str, check_name: str) -> str:
    return (
        f"-- The check is validated without stopping writes; then the column's own takes no scan.\n"
        f"alter table {table} add constraint {check_name} check ({column} is not null) not valid;\n"
        f"alter table {table} validate constraint {check_name};\n"
        f"alter table {table} alter column {column} set not null;\n"
        f"alter table {table} drop constraint {check_name};"
    )
