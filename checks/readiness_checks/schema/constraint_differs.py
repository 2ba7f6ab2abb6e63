import re

from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check, quote_ident
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.definitions import DefinedTable, Definitions, same_text
from readiness.model import Scalar


@check(
    subject="constraint",
    universe="declared constraints of tables that are there",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Add the constraint by a migration: foreign keys and checks NOT VALID first and validated after, which doesn't stop
    writes; keys from an index that was built CONCURRENTLY. Rows that break it must be mended before. What a partition
    inherits is its parent's constraint.
    """,
    links=("https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT",),
)
def constraint_differs(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Every declared constraint is there, under its name and as declared.

    A key, a check or a delete rule that only the design knows of protects nothing: the first duplicate or orphan comes
    in without a word. Migrations find constraints by their names, so a name counts too.
    """
    canonical.require("constraints")
    answers: list[Observation | Unseen] = []
    for table in canonical.beside(definitions):
        for name, wanted in table.declared.constraints.items():
            subject = f"{table.live.quoted}:{quote_ident(name)}"
            if table.live.locked:
                answers.append(table.unseen(subject, "constraint"))
                continue
            found = table.live.constraints.get(name)
            difference, remedy = _compare(table.live, name, wanted, table.declared.constraints)
            evidence: dict[str, Scalar] = {"declared": wanted, "live": found}
            if difference:
                evidence["difference"] = difference
            answers.append(Observation(subject=subject, ok=not difference, evidence=evidence, remedy=remedy))
    if not answers:
        return NotApplicable("0 constraints are declared of tables that are there")
    return answers


def _compare(table: DefinedTable, name: str, wanted: str, declared: dict[str, str]) -> tuple[str | None, str | None]:
    """What differs, and the statements that close the difference."""
    found = table.constraints.get(name)
    quoted = quote_ident(name)
    if found is None:
        for other, definition in table.constraints.items():
            if other not in declared and same_text(definition, wanted):
                return "name", f"alter table {table.quoted} rename constraint {quote_ident(other)} to {quoted};"
        return "missing", _add(table, name, wanted)
    if same_text(found, wanted):
        return None, None
    if same_text(found, f"{wanted} NOT VALID"):
        return "not validated", f"alter table {table.quoted} validate constraint {quoted};"
    return "definition", (
        "-- Until it is added again nothing holds it; foreign keys that rest on a key must be dropped before.\n"
        f"alter table {table.quoted} drop constraint {quoted};\n{_add(table, name, wanted)}"
    )


_KEY = re.compile(r'(PRIMARY KEY|UNIQUE) \((?:[^()"]|"(?:[^"]|"")*")+\)', re.IGNORECASE)


def _add(table: DefinedTable, name: str, wanted: str) -> str:
    quoted = quote_ident(name)
    add = f"alter table {table.quoted} add constraint {quoted}"
    if table.partitioned:
        return f"-- Reads the table and its partitions under a lock.\n{add} {wanted};"
    if key := _KEY.match(wanted):
        kind, columns = key.group(1), key.group()[len(key.group(1)) :]
        rest = wanted[key.end() :]
        if not re.search(r"\b(include|with)\b", rest, re.IGNORECASE):
            return (
                f"create unique index concurrently {quoted} on {table.quoted}{columns};\n"
                f"{add} {kind} using index {quoted}{rest};"
            )
    if re.match(r"(foreign key|check)\b", wanted, re.IGNORECASE) and not re.search(
        r"\bnot (valid|enforced)$", wanted, re.IGNORECASE
    ):
        return f"{add} {wanted} not valid;\nalter table {table.quoted} validate constraint {quoted};"
    return f"-- Builds or reads under an exclusive lock.\n{add} {wanted};"
