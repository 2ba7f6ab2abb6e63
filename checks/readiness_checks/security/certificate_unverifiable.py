from readiness import BINARY, Answer, Observation, Reason, Unknown, Unseen, check
from readiness.facts.server import Server
from readiness.facts.tls import Clients, behind_a_pooler


@check(
    subject="service",
    universe="clients that verify the server",
    priority="P1",
    effort="M",
    credit=BINARY,
    mend="""
    A certificate from a CA that the clients trust, made out to the name by which they come (subjectAltName), with a key of
    2048 bits or more and signed by SHA-256 or better; ssl_cert_file holds what lies between it and the CA, too. Clients
    get the CA as sslrootcert.
    """,
    links=("https://www.postgresql.org/docs/current/libpq-ssl.html",),
)
def certificate_unverifiable(clients: Clients, server: Server) -> Answer:
    """The server's certificate stands up to what its clients verify.

    A certificate that no client can verify, for its chain, its name, its key or its signature, teaches everybody to
    switch verification off; then whoever sits between is the server. So it is verified as each client would, with the
    roots (sslrootcert) of its own connection string and the name by which it comes.
    """
    answers: list[Observation | Unseen] = []
    for name, c in clients.by_name.items():
        if c.address is None or (c.roots is None and not (name and c.verifies)):
            continue  # it doesn't verify; security/client-not-verifying says so
        subject, kind = (name, "service") if name else (c.address, "address")
        if c.roots is None:
            answers.append(
                Unseen(
                    subject=subject,
                    kind=kind,
                    reason=Reason.NOT_CONFIGURED,
                    detail="it verifies by the roots in its own home, which can't be seen from here",
                    unlock=f"sslrootcert=... in services.{name}.dsn",
                )
            )
        elif c.unseen is not None:
            answers.append(Unseen(subject=subject, kind=kind, reason=Reason.UNREACHABLE, detail=c.unseen))
        else:
            evidence = {"address": c.address, "roots": c.roots, "refused": c.refused}
            answers.append(Observation(subject=subject, kind=kind, ok=c.refused is None, evidence=evidence))
    if answers:
        return [*answers, *behind_a_pooler(server, clients.by_name[""].address or "the pooler")]
    return Unknown(
        reason=Reason.NOT_CONFIGURED,
        detail="no connection string names what to verify the server's certificate by",
        unlock="sslrootcert=... (or sslrootcert=system) in the auditor's connection string, or in a service's dsn",
    )
