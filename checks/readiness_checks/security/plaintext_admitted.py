from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.server import Server
from readiness.facts.tls import PlaintextAttempts, behind_a_pooler
from readiness.model import Evidence


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
def plaintext_admitted(attempts: PlaintextAttempts, server: Server) -> Answer:
    """The server turns sessions without TLS away.

    `ssl = on` only offers TLS. As long as one `host` line matches, a client that doesn't ask for it is let in without,
    and so is whoever sits between. So we try, as each service's role, and send no password; being asked for one is proof
    enough. From the server's own host a line for that host alone may answer, where nobody sits between: then the rules
    have to say that clients from elsewhere come by TLS, and by nothing else.
    """
    answers: list[Observation | Unseen] = []
    for a in attempts.attempts:
        evidence: Evidence = {"address": attempts.address, "reply": a.reply}
        if a.admitted and a.of_this_host is None:
            answers.append(
                Unseen(
                    subject=a.role,
                    reason=Reason.NOT_OBSERVABLE,
                    detail="let in from the server's own host; whether a client from elsewhere would be can't be seen",
                    unlock="audit from another host, or let the role read pg_hba_file_rules (readiness role-sql --tier 2)",
                    evidence=evidence,
                )
            )
        else:
            here = bool(a.admitted and a.of_this_host)
            told: Evidence = {"from_this_host_alone": True} if here else {}
            answers.append(Observation(subject=a.role, ok=here or not a.admitted, evidence={**evidence, **told}))
    return [*answers, *behind_a_pooler(server, attempts.address)]
