from readiness import BINARY, Answer, Observation, check
from readiness.facts.server import Server
from readiness.facts.tls import ServerCertificate, behind_a_pooler


@check(
    subject="address",
    universe="addresses of the server",
    priority="P1",
    effort="S",
    credit=BINARY,
    mend="""
    Put a new certificate in ssl_cert_file and ssl_key_file, then `select pg_catalog.pg_reload_conf();`: sessions that are
    open stay open. Let a tool renew it (certbot, cert-manager, the platform's own CA), and alert on its end.
    """,
)
def certificate_expiring(certificate: ServerCertificate, server: Server, *, days: int = 21) -> Answer:
    """The server's certificate is valid, and not about to end.

    On the day it ends every client that verifies it is locked out at once, and those that don't verify never learn whom
    they talk to. A name that isn't the host's is told and not judged: services may come by another one.
    """
    c = certificate
    left = None if c.ends is None else (c.ends.timestamp() - server.clock) / 86400
    observation = Observation(
        subject=c.address,
        ok=c.refused is None and left is not None and left >= days,
        evidence={
            "days_left": None if left is None else round(left, 1),
            **({"ends_first": c.ends_first} if c.ends_first else {}),
            "refused": c.refused,
            "made_out_to_this_host": c.for_host,
            "offered": f"{c.version} {c.cipher}",
        },
    )
    return [observation, *behind_a_pooler(server, c.address)]
