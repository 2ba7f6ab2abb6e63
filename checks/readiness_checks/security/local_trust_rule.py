from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import ConnectionRules


@check(
    subject="rule",
    universe="lines of pg_hba.conf for the server's own host",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="Let local lines ask for `peer`, and those of the loopback address for `scram-sha-256`; then `select pg_reload_conf();`.",
    links=("https://www.postgresql.org/docs/current/auth-peer.html",),
)
def local_trust_rule(rules: ConnectionRules) -> Answer:
    """On the server's own host, too, a role is proved.

    With `trust` on the socket or the loopback address every account and every process on the host is a superuser of the
    database: a web server beside it, a container in the same pod, a script in a cron job.
    """
    answers = []
    for rule in rules.in_force():
        at_home = rule.kind == "local" or len(rule.from_elsewhere) < len(rule.addresses)
        if at_home:
            open_ = (
                rule.method == "trust" and not rule.proved and (rule.kind == "local" or rules.met(rule, from_host=True))
            )
            answers.append(Observation(subject=rule.place, ok=not open_, evidence={"line": rule.text}))
    return answers
