from readiness import RATIO, Answer, Observation, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.endpoints import Certificate, Endpoints


@check(
    subject="address",
    universe="addresses of services and stores that speak TLS",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Put a new certificate in place, made out to the name that clients use, with its chain; let a tool renew it, and alert on
    its end. For an authority of your own, name its certificate in SSL_CERT_FILE where the auditor runs.
    """,
)
def endpoint_certificate_expiring(endpoints: Endpoints, *, days: int = 21) -> Answer:
    """Every service and store shows a certificate that clients trust, for its name, and that does not end soon.

    On the day it ends all clients that verify are locked out at once; those that don't verify never learn whom they talk to.
    """

    def judge(name: str, url: str, seen: Certificate | Unobservable) -> Subject:
        if isinstance(seen, Unobservable):
            return Unseen(subject=name, reason=seen.reason, detail=seen.detail, unlock=seen.unlock)
        return Observation(
            subject=name,
            ok=seen.days_left is not None and seen.days_left >= days,
            evidence={
                "url": url,
                "days_left": None if seen.days_left is None else round(seen.days_left, 1),
                "refused": seen.refused,
                "version": seen.version,
            },
        )

    found = ((name, e.url, e.certificate) for name, e in endpoints.by_name.items())
    return [judge(name, url, certificate) for name, url, certificate in found if certificate is not None]
