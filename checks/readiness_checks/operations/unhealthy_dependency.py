from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.http import HealthProbe, HealthProbes
from readiness.model import Scalar


@check(
    subject="service",
    universe="services whose health names what they hang on",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Bring back what the service hangs on. Where it can do without for a while, say so in the body's status (`degraded`, `warn`)
    rather than that all is well; where it can't, let the status say that it is down.
    """,
)
def unhealthy_dependency(probes: HealthProbes) -> Answer:
    """What a service hangs on is well, by its own word.

    Health bodies list it (`components`, `checks`, `dependencies`...), and the status on top often doesn't follow: a service
    that calls itself healthy while its queue is down fails its users and wakes nobody. A service that lists nothing has none
    to judge here.
    """

    def judge(name: str, probe: HealthProbe | Unobservable) -> Subject | None:
        if isinstance(probe, Unobservable):
            return Unseen(subject=name, reason=probe.reason, detail=probe.detail, unlock=probe.unlock)
        if not probe.answered:
            return Unseen(subject=name, reason=Reason.UNREACHABLE, detail=probe.says)
        if not probe.dependencies:
            return None
        down = [dependency for dependency, well in probe.dependencies.items() if not well]
        evidence: dict[str, Scalar | list[Scalar]] = {
            "url": probe.url,
            "dependencies": len(probe.dependencies),
            "down": ", ".join(down) or None,
            "calls_itself_healthy": probe.healthy,
        }
        return Observation(subject=name, ok=not down, evidence=evidence)

    judged = (judge(name, probe) for name, probe in probes.by_service.items())
    return [subject for subject in judged if subject is not None]
