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
    and so is whoever sits between. So we try, as each service's role and at every address that the connection strings lead
    to, and send no password; being asked for one is proof enough. From the server's own host a line for that host alone may answer, where nobody sits between: then the rules
    have to say that clients from elsewhere come by TLS, and by nothing else.
    """
    answers: list[Observation | Unseen] = []
    for role in dict.fromkeys(a.role for a in attempts.attempts):
        tried = [a for a in attempts.attempts if a.role == role]
        let_in = [a for a in tried if a.admitted and a.of_this_host is False]
        silent = [a for a in tried if a.admitted is None]
        by_this_host = [a for a in tried if a.admitted and a.of_this_host]
        shown = [*let_in, *silent, *by_this_host] or tried
        evidence: Evidence = {"address": ", ".join(a.address for a in shown), "reply": shown[0].reply}
        if let_in:
            answers.append(Observation(subject=role, ok=False, evidence=evidence))
        elif any(a.admitted and a.of_this_host is None for a in tried):
            answers.append(
                Unseen(
                    subject=role,
                    reason=Reason.NOT_OBSERVABLE,
                    detail="let in from the server's own host; whether a client from elsewhere would be can't be seen",
                    unlock="audit from another host, or let the role read pg_hba_file_rules (readiness role-sql --tier 2)",
                    evidence=evidence,
                )
            )
        elif silent:
            answers.append(
                Unseen(
                    subject=role,
                    reason=Reason.UNREACHABLE,
                    detail=f"no answer to a plaintext session at {silent[0].reply}",
                    unlock="audit from where every address of the server can be reached",
                    evidence=evidence,
                )
            )
        else:
            told: Evidence = {"from_this_host_alone": True} if by_this_host else {}
            answers.append(Observation(subject=role, ok=True, evidence={**evidence, **told}))
    return [*answers, *behind_a_pooler(server, attempts.address)]
