from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.facts.http import HealthProbe, HealthProbes


@check(
    subject="service",
    universe="services with a health endpoint",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="""
    Start the service, or look in its log for why it says that it isn't healthy. The health endpoint answers with the
    declared HTTP status and a JSON body whose `status` is one of ok, up, pass, healthy.
    """,
)
def unhealthy_service(probes: HealthProbes) -> Answer:
    """Every service's health endpoint says that it is healthy.

    A platform is as ready as its least ready service. The body counts, not only the status code: a 200 that carries
    `"status": "DOWN"` is common. Where another declared service answers instead, this one is not up, however well that one
    is. Each endpoint is asked twice, so that one which flaps is told. Over gRPC the standard health service is
    asked; over TCP all that can be said is that somebody takes the connection.
    """
    return [_judge(name, p) for name, p in probes.by_service.items()]


def _judge(name: str, p: HealthProbe | Unobservable) -> Observation | Unseen:
    if isinstance(p, Unobservable):
        return Unseen(subject=name, reason=p.reason, detail=p.detail, unlock=p.unlock)
    evidence = {
        "url": p.url,
        "says": p.says,
        "http_status": p.status,
        "milliseconds": p.milliseconds,
        "version": p.version,
    }
    if not p.healthy and p.status in (401, 403):
        return Unseen(
            subject=name,
            reason=Reason.NO_PERMISSION,
            detail=f"HTTP {p.status}: its health endpoint tells strangers nothing",
            unlock="let the health endpoint answer without credentials where the auditor runs",
            evidence=evidence,
        )
    return Observation(subject=name, ok=p.healthy, evidence=evidence)
