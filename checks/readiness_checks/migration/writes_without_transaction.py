from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.sources import Source, Sources


@check(
    subject="service",
    universe="services",
    priority="P1",
    effort="M",
    credit=RATIO,
    attestable=True,
    mend="""
    Take one client from the pool and write all that belongs together through it: `begin`, the statements, `commit`, and
    `rollback` where one fails. Where the services are in another language, vouch for it
    (`readiness attest migration/writes-without-transaction`).
    """,
    links=("https://node-postgres.com/features/transactions",),
)
def writes_without_transaction(sources: Sources) -> Answer:
    """What one function writes to several tables is written in one transaction.

    A task without its history, a file's row without its version: a crash between two statements leaves half of what
    belongs together, and nothing tells. It is told for what can be told: in JavaScript and TypeScript, `query` of a
    node-postgres pool, which may take another connection for each statement. Other languages are unknown.
    """
    if not sources.by_service:
        return NotApplicable("0 services are declared")
    return [_judge(name, source) for name, source in sources.by_service.items()]


def _judge(name: str, source: Source) -> Observation | Unseen:
    if source.unseen is not None:
        unseen = source.unseen
        return Unseen(subject=name, reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    if not source.scripts:
        detail = "it has no JavaScript or TypeScript, and in other languages this can't be told from the sources"
        return Unseen(subject=name, reason=Reason.UNSUPPORTED, detail=detail)
    first = source.untied[0] if source.untied else None
    return Observation(
        subject=name,
        ok=first is None,
        evidence={
            "files_read": source.scripts,
            "places": [str(place) for place in source.untied[:20]],
            "file": first.path if first else None,
            "line": first.line if first else None,
        },
    )
