from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import CLEAR, ConnectionRules


@check(
    subject="rule",
    universe="lines of pg_hba.conf",
    priority="P0",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="""
    Turn the `host` line into `hostssl`, then `select pg_reload_conf();`. Clients that don't ask for TLS will be refused:
    give them `sslmode=verify-full` first.
    """,
    links=("https://www.postgresql.org/docs/current/auth-pg-hba-conf.html",),
)
def plaintext_rule(rules: ConnectionRules) -> Answer:
    """No line of pg_hba.conf lets a client from elsewhere in without TLS.

    `host` matches sessions with and without TLS. Where such a line can be met from another host, what is sent can be
    read on the way, the password's exchange and every row. An earlier line that takes all its sessions, `reject` among
    them, makes it harmless.
    """
    answers = []
    for rule in rules.in_force():
        met = rule.method != "reject" and rules.met(rule, over=(CLEAR,))
        answers.append(Observation(subject=rule.place, ok=not met, evidence={"line": rule.text}))
    return answers
