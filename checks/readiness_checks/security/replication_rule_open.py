from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import ConnectionRules, is_everywhere


@check(
    subject="rule",
    universe="lines of pg_hba.conf for replication",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="Name the replication role and the standbys' addresses in the line, then `select pg_reload_conf();`.",
    links=("https://www.postgresql.org/docs/current/auth-pg-hba-conf.html",),
)
def replication_rule_open(rules: ConnectionRules) -> Answer:
    """Replication is for one role and from known addresses.

    A replication session copies everything: every database, every password hash. A line for it that names `all` users,
    or any address, lets whoever gets hold of one such role take the whole cluster away.
    """
    answers = []
    for rule in rules.in_force():
        if "replication" in rule.databases and rule.from_elsewhere:
            wide = "all" in rule.users or any(map(is_everywhere, rule.addresses))
            open_ = rule.method != "reject" and wide and rules.met(rule)
            answers.append(Observation(subject=rule.place, ok=not open_, evidence={"line": rule.text}))
    return answers
