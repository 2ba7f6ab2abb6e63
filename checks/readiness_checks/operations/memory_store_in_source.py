from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.sources import Source, Sources
from readiness.facts.target import Services
from readiness.profile import Service


@check(
    subject="service",
    universe="services",
    priority="P1",
    effort="L",
    credit=RATIO,
    mend="""
    Keep it in a table, where a restart and a second instance find it; what may be lost, in a cache with a bound that all
    instances share.
    """,
)
def memory_store_in_source(services: Services, sources: Sources) -> Answer:
    """No service that must not keeps data in its own memory from one request to the next.

    What lies in a Map of the process is gone with its next restart, unknown to a second instance, and grows until the process
    ends. Told is a container of the module's or of a class that functions write into; the profile says which services keep
    none (`keeps_memory: false`).
    """
    if not services.by_name:
        return NotApplicable("0 services are declared")
    return [_judge(name, service, sources.by_service[name]) for name, service in services.by_name.items()]


def _judge(name: str, service: Service, source: Source) -> Subject:
    if service.keeps_memory is None:
        return Unseen(
            subject=name,
            reason=Reason.NOT_CONFIGURED,
            detail="the profile doesn't say whether it may keep data in memory",
            unlock="declare `keeps_memory: false` (or true) for the service in the profile",
        )
    if service.keeps_memory:
        return Observation(subject=name, ok=True, evidence={"keeps_memory": True})
    if source.unseen is not None:
        unseen = source.unseen
        return Unseen(subject=name, reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    if not source.kept and source.kept_unread:
        return Unseen(
            subject=name,
            reason=Reason.UNSUPPORTED,
            detail=f"{source.kept_unread} of its source files are in languages that are not read for this",
            evidence={"files_read": source.files},
        )
    first = source.kept[0] if source.kept else None
    return Observation(
        subject=name,
        ok=first is None,
        evidence={
            "files_read": source.files,
            "places": [str(place) for place in source.kept[:20]],
            "file": first.path if first else None,
            "line": first.line if first else None,
        },
    )
