from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import ConnectionRules, is_everywhere


@check(
    subject="rule",
    universe="lines of pg_hba.conf for other hosts",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="Name the networks that the services are in, a line each, then `select pg_reload_conf();`.",
    links=("https://www.postgresql.org/docs/current/auth-pg-hba-conf.html",),
)
def world_open_rule(rules: ConnectionRules) -> Answer:
    """pg_hba.conf names the networks that clients come from.

    A line for `all` addresses leaves it to a firewall alone who may try passwords. The day that one is opened by
    mistake, this is the second lock.
    """
    answers = []
    for rule in rules.in_force():
        if rule.from_elsewhere:
            wide = rule.method != "reject" and any(map(is_everywhere, rule.addresses)) and rules.met(rule)
            evidence = {"line": rule.text, "listen_addresses": rules.listen}
            answers.append(Observation(subject=rule.place, ok=not wide, evidence=evidence))
    return answers
