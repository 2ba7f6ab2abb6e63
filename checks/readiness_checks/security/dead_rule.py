from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import ConnectionRules


@check(
    subject="rule",
    universe="lines of pg_hba.conf",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="""
    Mend a line that can't be read. Move a line that is never met before the one that takes its sessions, or remove it.
    Then `select pg_reload_conf();` and look at the log.
    """,
    links=("https://www.postgresql.org/docs/current/auth-pg-hba-conf.html",),
)
def dead_rule(rules: ConnectionRules) -> Answer:
    """Every line of pg_hba.conf can be read, and some session can meet it.

    The first line that matches decides. One behind a wider one never does, whatever it says: a `reject` there protects
    nothing. With a line that can't be read, the server keeps its old rules at a reload, and doesn't start again.
    """
    answers = [Observation(subject=place, ok=False, evidence={"error": said}) for place, said in rules.errors.items()]
    for rule in rules.rules:
        # Socket lines aren't compared, nor who may reach the port.
        state = rule.never or "met"
        if rule.over and not rules.met(rule, from_host=True):
            state = "an earlier line takes all its sessions"
        answers.append(Observation(subject=rule.place, ok=state == "met", evidence={"line": rule.text, "state": state}))
    return answers
