from collections.abc import Iterator

from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unobservable, Unseen, check, quote_ident
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.definitions import Definitions
from readiness.model import quote_literal


@check(
    subject="table",
    universe="schemas, tables and columns whose comment is declared",
    priority="info",
    effort="S",
    credit=RATIO,
    mend="Set the comment by a migration.",
    links=("https://www.postgresql.org/docs/current/sql-comment.html",),
)
def comment_differs(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Schemas, tables and columns say of themselves what is declared.

    Comments are the documentation that every tool shows. Where they differ from the declared ones, somebody reads an
    old one.
    """
    answers = list(_compared(canonical, definitions))
    if answers:
        return answers
    if canonical.schemas and not any(_speaks(canonical)):
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            "the profile declares no comments",
            "declare `comment:` of schemas, tables and columns in the profile (`readiness init` writes what is there)",
        )
    return NotApplicable("0 objects with a declared comment are there")


def _speaks(canonical: CanonicalSchema) -> Iterator[bool]:
    for schema in canonical.schemas.values():
        yield schema.complete or schema.comment is not None
        yield from (table is not None and table.comment is not None for table in schema.tables.values())
    for columns in canonical.tables.values():
        yield from (column.comment is not None for column in columns.values())


def _compared(canonical: CanonicalSchema, definitions: Definitions) -> Iterator[Observation | Unseen]:
    for name, schema in canonical.schemas.items():
        live = definitions.schemas.get(name)
        if live and (schema.complete or schema.comment is not None):
            yield _judge(quote_ident(name), "schema", schema.comment, live.comment)
    for table in canonical.beside(definitions):
        if table.complete or table.declared.comment is not None:
            yield _judge(table.live.quoted, "table", table.declared.comment, table.live.comment)
        for name, wanted in canonical.tables[table.live.schema, table.live.name].items():
            if not (table.complete or wanted.comment is not None):
                continue
            subject = f"{table.live.quoted}.{quote_ident(name)}"
            if table.live.locked:
                yield table.unseen(subject, "column")
            elif column := table.live.columns.get(name):
                yield _judge(subject, "column", wanted.comment, column.comment)


def _judge(subject: str, kind: str, wanted: str | None, found: str | None) -> Observation:
    text = "null" if wanted is None else quote_literal(wanted)
    return Observation(
        subject=subject,
        kind=kind,
        ok=(wanted or None) == (found or None),
        evidence={"declared": wanted, "live": found},
        remedy=f"comment on {kind} {subject} is {text};",
    )
