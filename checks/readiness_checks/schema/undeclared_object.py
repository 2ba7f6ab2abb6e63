from collections.abc import Iterator

from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check, quote_ident
from readiness.facts.catalog import CanonicalSchema, shown
from readiness.facts.definitions import DefinedTable, Definitions
from readiness.profile import Table


@check(
    subject="table",
    universe="objects in schemas that are declared complete",
    priority="info",
    effort="M",
    credit=RATIO,
    mend="""
    Declare it where it belongs; else find out who made it and drop it by a migration. Dropping a table, a column, a
    type or a schema destroys what it holds: no statement is offered for those.
    """,
)
def undeclared_object(canonical: CanonicalSchema, definitions: Definitions) -> Answer:
    """Nothing lies in a completely declared schema beside what is declared.

    An index that was built by hand on production, a column of an experiment, a copy of a table from last year's repair:
    what no migration made will be missing in the next environment, and nobody dares to drop it here.
    """
    if not any(schema.complete for schema in canonical.schemas.values()):
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            "no schema of the profile is declared to be complete",
            "say `complete: true` of a schema whose declaration is all that may be there",
        )
    return list(_found(canonical, definitions))


def _found(canonical: CanonicalSchema, definitions: Definitions) -> Iterator[Observation | Unseen]:
    if all(schema.complete for schema in canonical.schemas.values()):
        for quoted in definitions.other_schemas:
            yield Observation(subject=quoted, kind="schema", ok=False)
        if canonical.extensions is not None:
            known = {*canonical.extensions, "plpgsql"}  # which every database is made with
            for name in definitions.extensions:
                yield Observation(subject=name, kind="extension", ok=name in known)
    for name, schema in canonical.schemas.items():
        live = definitions.schemas.get(name)
        if not schema.complete or live is None:
            continue
        yield Observation(subject=quote_ident(name), kind="schema", ok=True)
        for enum in live.enums:
            yield Observation(subject=shown(name, enum), kind="type", ok=enum in schema.enums)
        for table in live.tables.values():
            declared = table.name in schema.tables
            yield Observation(subject=table.quoted, ok=declared, kind="table")
            if declared:
                yield from _parts(schema.tables[table.name] or Table(), table)


def _parts(declared: Table, live: DefinedTable) -> Iterator[Observation | Unseen]:
    if live.locked:
        yield Unseen(
            subject=f"{live.quoted}.*",
            kind="column",
            reason=Reason.LOCKED,
            detail=f"a running DDL statement stands before {live.quoted}",
        )
        return
    for name in live.columns:
        yield Observation(subject=f"{live.quoted}.{quote_ident(name)}", kind="column", ok=name in declared.columns)
    for name, definition in live.constraints.items():
        yield Observation(
            subject=f"{live.quoted}:{quote_ident(name)}",
            kind="constraint",
            ok=name in declared.constraints,
            evidence={"definition": definition},
            remedy=f"alter table {live.quoted} drop constraint {quote_ident(name)};",
        )
    for name, definition in live.indexes.items():
        index = f"{quote_ident(live.schema)}.{quote_ident(name)}"
        yield Observation(
            subject=index,
            kind="index",
            ok=name in declared.indexes,
            evidence={"definition": definition, "table": live.quoted},
            remedy=f"drop index{'' if live.partitioned else ' concurrently'} {index};",
        )
