from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.sources import Source, Sources


@check(
    subject="service",
    universe="services",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="""
    Write what the service creates as a migration, mark it as applied where the tables are there already, and take the
    statements out of the service; then revoke its right to create (`migration/runtime-ddl-rights`).
    """,
)
def embedded_ddl(sources: Sources) -> Answer:
    """No service changes the schema: its sources hold no CREATE, ALTER or DROP, and no call that makes tables.

    A table that a service creates when it starts is in no migration: it differs with the version that started first, nobody
    reviews its change, and `if not exists` keeps an old form for ever. Migrations, seeds and tests don't count.
    """
    if not sources.by_service:
        return NotApplicable("0 services are declared")
    return [judge(name, source) for name, source in sources.by_service.items()]


def judge(name: str, source: Source) -> Observation | Unseen:
    if source.unseen is not None:
        unseen = source.unseen
        return Unseen(subject=name, reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    first = source.ddl[0] if source.ddl else None
    return Observation(
        subject=name,
        ok=first is None,
        evidence={
            "files_read": source.files,
            "statements": len(source.ddl),
            "places": [str(place) for place in source.ddl[:20]],
            "file": first.path if first else None,
            "line": first.line if first else None,
        },
    )
