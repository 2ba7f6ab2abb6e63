from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.server import Server
from readiness.facts.tls import TlsTrials, behind_a_pooler

OLD = ("TLSv1", "TLSv1.1")


@check(
    subject="address",
    universe="versions and ciphers that were tried",
    priority="P1",
    effort="S",
    credit=BINARY,
    mend="""
    ssl_min_protocol_version = 'TLSv1.2', ssl_ciphers = 'HIGH:!aNULL'; then `select pg_catalog.pg_reload_conf();`. Where a
    proxy or a load balancer ends TLS before Postgres, it is that one's floor.
    """,
    links=("https://www.rfc-editor.org/rfc/rfc8996",),
)
def weak_tls_accepted(trials: TlsTrials, server: Server) -> Answer:
    """No client gets a TLS session older than 1.2, or one that hides or proves nothing.

    TLS 1.0 and 1.1 rest on MD5 and SHA-1 and were withdrawn in 2021 (RFC 8996); whoever sits between can talk both sides
    down to the oldest version that the server takes. So each is tried, alone, with nothing but the handshake. What the
    auditor's own OpenSSL can't speak was not tried, and is not known.
    """
    answers: list[Observation | Unseen] = []
    for name, trial in [*trials.versions.items(), *trials.ciphers.items()]:
        weak = name in OLD or name in trials.ciphers
        subject = f"{trials.address} {name}"
        if trial.accepted is None and weak:
            answers.append(
                Unseen(
                    subject=subject,
                    reason=Reason.UNSUPPORTED,
                    detail=trial.reply,
                    unlock="audit from a machine whose OpenSSL still speaks it (MinProtocol, security level 0)",
                )
            )
        elif weak:
            answers.append(Observation(subject=subject, ok=not trial.accepted, evidence={"reply": trial.reply}))
    modern = {name: t for name, t in trials.versions.items() if name not in OLD}
    answers.append(
        Observation(
            subject=f"{trials.address} TLSv1.2 or later",
            ok=any(t.accepted for t in modern.values()),
            evidence={name: t.reply for name, t in modern.items()},
        )
    )
    return [*answers, *behind_a_pooler(server, trials.address)]
