import re

from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check, quote_ident
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.definitions import DefinedTable, Definitions, same_text
from readiness.model import Scalar


@check(
    subject="index",
    universe="declared indexes of tables that are there",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="Create the index CONCURRENTLY by a migration. It takes its time on a large table and doesn't block writes.",
    links=("https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",),
)
def index_differs(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Every declared index is there, under its name and as declared.

    The latency that was promised rests on the indexes that were designed for it. One that a migration forgot, or that
    has another column order or condition, shows as load and not as an error.
    """
    canonical.require("indexes")
    answers: list[Observation | Unseen] = []
    for table in canonical.beside(definitions):
        for name, wanted in table.declared.indexes.items():
            subject = f"{quote_ident(table.live.schema)}.{quote_ident(name)}"
            if table.live.locked:
                answers.append(table.unseen(subject, "index"))
                continue
            difference, remedy = _compare(table.live, name, wanted, table.declared.indexes)
            evidence: dict[str, Scalar] = {
                "table": table.live.quoted,
                "declared": wanted,
                "live": table.live.indexes.get(name),
            }
            if difference:
                evidence["difference"] = difference
            answers.append(Observation(subject=subject, ok=not difference, evidence=evidence, remedy=remedy))
    if not answers:
        return NotApplicable("0 indexes are declared of tables that are there")
    return answers


def _compare(table: DefinedTable, name: str, wanted: str, declared: dict[str, str]) -> tuple[str | None, str | None]:
    """What differs, and the statements that close the difference."""
    found = table.indexes.get(name)
    schema, quoted = quote_ident(table.schema), quote_ident(name)
    unique, rest = re.fullmatch(r"(unique\s+)?(.*)", wanted.strip(), re.IGNORECASE | re.DOTALL).groups()  # type: ignore[union-attr]
    concurrently = "" if table.partitioned else " concurrently"
    create = f"create{' unique' if unique else ''} index{concurrently} {quoted} on {table.quoted} {rest};"
    if found is None:
        for other, definition in table.indexes.items():
            if other not in declared and same_text(definition, wanted):
                return "name", f"alter index {schema}.{quote_ident(other)} rename to {quoted};"
        return "missing", create
    if same_text(found, wanted):
        return None, None
    return "definition", f"drop index{concurrently} {schema}.{quoted};\n{create}"
