from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.sources import Place, Sources


@check(
    subject="table",
    universe="tables that the services' sources define",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Decide which definition holds, write it as a migration, and take the others out of the sources. Where both tables hold
    rows, move those of one into the other first.
    """,
)
def table_defined_twice(sources: Sources) -> Answer:
    """No table is defined twice in the services' sources.

    With `create table if not exists` in two places the one that runs first wins, and the other believes in columns that
    are not there. A name without a schema beside the same name with one (`users`, `auth.users`) makes two tables, and which
    one a query reads is up to its search path.
    """
    found: dict[str, list[tuple[str, Place]]] = {}
    unseen = []
    for service, source in sources.by_service.items():
        if source.unseen is not None:
            why = source.unseen
            unseen.append(
                Unseen(subject=service, kind="service", reason=why.reason, detail=why.detail, unlock=why.unlock)
            )
        for place in source.ddl:
            if place.table:
                found.setdefault(place.table.rpartition(".")[2], []).append((place.table, place))
    if not found and not unseen:
        return NotApplicable(f"0 tables are defined in the sources of {len(sources.by_service)} services")
    return [*(_judge(definitions) for _, definitions in sorted(found.items())), *unseen]


def _judge(definitions: list[tuple[str, Place]]) -> Observation:
    """One name; in several schemas, each of them written out once, it is several tables and all is well."""
    names = [name for name, _ in definitions]
    bare = [name for name in names if "." not in name]
    twice = len(set(names)) < len(names) or (bool(bare) and len(names) > 1)
    first = definitions[-1][1]
    return Observation(
        subject=min(names),
        ok=not twice,
        evidence={
            "definitions": [f"{place.path}:{place.line} {name}" for name, place in definitions],
            "file": first.path,
            "line": first.line,
        },
    )
