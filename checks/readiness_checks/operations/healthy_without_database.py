from readiness import RATIO, Answer, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.behind import Behind, BehindHealth
from readiness.facts.target import Services
from readiness.model import Scalar


@check(
    subject="service",
    universe="services that use Postgres and have a health endpoint",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Let the health endpoint read a table of the service's own through its pool, and answer 503 when that fails. Where liveness
    and readiness are two endpoints, declare that of readiness as the service's health.
    """,
)
def healthy_without_database(services: Services, behind: BehindHealth) -> Answer:
    """No service calls itself healthy while nothing of it reaches its database.

    An endpoint that only says that the process runs stays green when the database is gone, so that the balancer goes on
    sending people there. While each is asked, Postgres is: a healthy answer with no session under the service's role and no
    statement of it counted comes from nothing but the process.
    """
    shared = [s.role for s in services.by_name.values() if s.uses_postgres]

    def judge(name: str, seen: Behind) -> Subject:
        evidence: dict[str, Scalar] = {
            "role": seen.role,
            "calls_itself_healthy": seen.healthy,
            "sessions": seen.sessions,
            "statements_meanwhile": seen.statements,
        }
        if not seen.healthy:
            return Observation(subject=name, ok=True, evidence=evidence)
        if shared.count(services.by_name[name].role) > 1:
            return Unseen(
                subject=name,
                reason=Reason.NOT_OBSERVABLE,
                detail=f"it shares the role {seen.role} with another service, so that its sessions can't be told apart",
                unlock="give each service a role of its own",
            )
        if not seen.sessions and seen.statements is None:
            return Unseen(
                subject=name,
                reason=Reason.INSUFFICIENT_SAMPLES,
                detail=f"no session of {seen.role} at this moment, and its statements can't be seen: {behind.why}",
                unlock=behind.unlock,
            )
        return Observation(subject=name, ok=bool(seen.sessions or seen.statements), evidence=evidence)

    return [judge(name, seen) for name, seen in behind.by_service.items()]
