from readiness import BINARY, Answer, Observation, check
from readiness.facts.tls import PlaintextAttempts


@check(
    subject="role",
    universe="roles that tried to come in without TLS",
    priority="P0",
    effort="S",
    credit=BINARY,
    mend="""
    Turn TLS on (`ssl = on`, with a certificate). In pg_hba.conf turn every `host` line that a client from elsewhere can
    match into `hostssl`, then `select pg_reload_conf();`. Clients that don't ask for TLS will be refused: give them
    `sslmode=verify-full` first.
    """,
    links=("https://www.postgresql.org/docs/current/auth-pg-hba-conf.html",),
)
def plaintext_admitted(attempts: PlaintextAttempts) -> Answer:
    """The server turns sessions without TLS away.

    `ssl = on` only offers TLS. As long as one `host` line matches, a client that doesn't ask for it is let in without,
    and so is whoever sits between. So we try, as each service's role, and send no password; being asked for one is proof
    enough.
    """
    return [
        Observation(subject=a.role, ok=not a.admitted, evidence={"address": attempts.address, "reply": a.reply})
        for a in attempts.attempts
    ]
