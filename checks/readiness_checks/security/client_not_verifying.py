from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.target import Services
from readiness.facts.tls import Clients


@check(
    subject="service",
    universe="services that use Postgres",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    `sslmode=verify-full sslrootcert=/path/to/ca.crt` in its connection string (`sslrootcert=system` for a public CA, since
    libpq 16).
    """,
    links=("https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION",),
)
def client_not_verifying(services: Services, clients: Clients) -> Answer:
    """Every service verifies whom it talks to.

    With sslmode=require a session is encrypted, with whoever answers; with prefer, libpq's default, it goes on in the
    clear when the other side says so. Only verify-full looks at the certificate and at the name. Over a Unix socket
    there is nobody between.
    """
    using = [name for name, s in services.by_name.items() if s.uses_postgres]
    answers: list[Observation | Unseen] = []
    for name in using:
        c = clients.by_name.get(name)
        if c is None:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NOT_CONFIGURED,
                    detail="its connection string is not declared",
                    unlock=f"services.{name}.dsn in the profile",
                )
            )
            continue
        local = c.address is None
        answers.append(
            Observation(
                subject=name,
                ok=local or c.sslmode == "verify-full",
                evidence={"sslmode": c.sslmode, "roots": c.roots, "unix_socket": local},
            )
        )
    return answers or NotApplicable("0 services use Postgres")
