from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
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
    Keep the data in a table, or files in object storage with a row that names each; move what lies on the disk there before
    the code that wrote it goes.
    """,
)
def file_write_in_source(services: Services, sources: Sources) -> Answer:
    """No service that must not keeps data in files of its own.

    A file on one instance's disk is in no backup and no transaction, a second instance doesn't see it, and it is gone with
    the container. The profile says which services keep none (`keeps_files: false`). What goes to a temporary folder or to
    the standard output is not kept, and not counted.
    """
    if not services.by_name:
        return NotApplicable("0 services are declared")
    return [_judge(name, service, sources.by_service[name]) for name, service in services.by_name.items()]


def _judge(name: str, service: Service, source: Source) -> Observation | Unseen:
    if service.keeps_files is None:
        return Unseen(
            subject=name,
            reason=Reason.NOT_CONFIGURED,
            detail="the profile doesn't say whether it may keep files",
            unlock="declare `keeps_files: false` (or true) for the service in the profile",
        )
    if service.keeps_files:
        return Observation(subject=name, ok=True, evidence={"keeps_files": True})
    if source.unseen is not None:
        unseen = source.unseen
        return Unseen(subject=name, reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    first = source.writes[0] if source.writes else None
    return Observation(
        subject=name,
        ok=first is None,
        evidence={
            "files_read": source.files,
            "places": [str(place) for place in source.writes[:20]],
            "file": first.path if first else None,
            "line": first.line if first else None,
        },
    )
