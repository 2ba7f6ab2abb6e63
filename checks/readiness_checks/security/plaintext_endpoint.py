from readiness import RATIO, Answer, Observation, check
from readiness.facts.endpoints import Endpoints


@check(
    subject="address",
    universe="addresses of services and stores",
    priority="P2",
    effort="M",
    credit=RATIO,
    attestable=True,
    mend="""
    Give it TLS, and the profile its https://, rediss:// or grpcs:// address; then close the plain port. Where a mesh or a
    private link enciphers what goes between the machines, attest that.
    """,
)
def plaintext_endpoint(endpoints: Endpoints) -> Answer:
    """What goes to services and stores over a network is enciphered.

    Passwords, tokens and people's data pass there; whoever sits between reads them, and can answer in the service's place.
    What stays on one machine (loopback) passes nobody.
    """
    return [
        Observation(
            subject=name,
            ok=e.certificate is not None or e.loopback,
            evidence={"url": e.url, "tls": e.certificate is not None, "loopback": e.loopback},
        )
        for name, e in endpoints.by_name.items()
    ]
