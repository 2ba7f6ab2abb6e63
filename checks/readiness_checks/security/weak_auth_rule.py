from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import ConnectionRules

WEAK = dict(  # noqa: C406 - a literal would read as if it held a password, and be struck out
    [
        ("trust", "whoever says a role's name is that role"),
        ("password", "the password itself is sent to the server"),
        ("ident", "the client's own host says who the client is"),
    ]
)


@check(
    subject="rule",
    universe="lines of pg_hba.conf",
    priority="P0",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="Let the line ask for `scram-sha-256` or `cert`, then `select pg_reload_conf();`.",
    links=("https://www.postgresql.org/docs/current/auth-methods.html",),
)
def weak_auth_rule(rules: ConnectionRules) -> Answer:
    """No client from elsewhere comes in by its word alone.

    `trust` asks for nothing, `ident` believes the client's host, `password` has the password sent as it is, for a server
    that may not be yours. From another host none of them proves who is there, unless the line asks for a certificate of the
    role's own, too (`clientcert=verify-full`).
    """
    answers = []
    for rule in rules.in_force():
        weak = rule.method in WEAK and not rule.proved and rules.met(rule)
        evidence = {"line": rule.text, "means": WEAK[rule.method] if weak else None}
        answers.append(Observation(subject=rule.place, ok=not weak, evidence=evidence))
    return answers
