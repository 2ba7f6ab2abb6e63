from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.http import HealthProbes, called_name, plain_name
from readiness.facts.target import Services
from readiness.model import Scalar


@check(
    subject="service",
    universe="services with a health endpoint",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    See which process has the port, and start the right one at an address of its own. Let each health body say who it is
    (`"service": "auth"`), and declare it where that isn't the profile's own name for it (`health: {name: ...}`).
    """,
)
def service_answers_as_another(services: Services, probes: HealthProbes) -> Answer:
    """What answers at a service's address is that service, by its own word.

    Where two are configured for one port, or a route leads to the wrong one, a neighbour's health check answers, and all
    looks well. The body's `service`, `name` or `app` is held against the profile; words like "service" and signs don't
    count.
    """
    known = {called_name(name, s) for name, s in services.by_name.items()}

    def judge(name: str) -> Subject:
        probe, health = probes.by_service[name], services.by_name[name].health
        assert health is not None
        if isinstance(probe, Unobservable):
            return Unseen(subject=name, reason=probe.reason, detail=probe.detail, unlock=probe.unlock)
        if not probe.answered:
            return Unseen(subject=name, reason=Reason.UNREACHABLE, detail=probe.says)
        evidence: dict[str, Scalar] = {"url": probe.url, "calls_itself": probe.named, "expected": health.name or name}
        if probe.named is None:
            return Unseen(
                subject=name,
                reason=Reason.NOT_OBSERVABLE,
                detail="its health body doesn't say which service it is",
                unlock=f'let it say `"service": "{name}"`',
                evidence=evidence,
            )
        said = plain_name(probe.named)
        if health.name is None and said not in known:
            # Some name of its own, which nobody else bears here.
            return Observation(subject=name, ok=True, evidence=evidence)
        return Observation(subject=name, ok=said == called_name(name, services.by_name[name]), evidence=evidence)

    return [judge(name) for name in probes.by_service]
