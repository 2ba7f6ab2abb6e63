from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import ConnectionRules
from readiness.facts.roles import LoginSuperusers


@check(
    subject="role",
    universe="superusers that may log in",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="""
    Put a line before the others that turns them away from elsewhere: `host all postgres all reject` (a line for
    `localhost` before it keeps the way for administrators on the host), then `select pg_reload_conf();`.
    """,
    links=("https://www.postgresql.org/docs/current/auth-pg-hba-conf.html",),
)
def superuser_from_elsewhere(superusers: LoginSuperusers, rules: ConnectionRules) -> Answer:
    """No superuser can log in from another host.

    Behind a superuser's password lie all databases, the server's files and programs on its host. On the host itself an
    administrator needs no such line; from elsewhere it is one guessed or leaked password.
    """
    in_force = rules.in_force()
    answers = []
    for quoted, (name, groups) in superusers.by_name.items():
        lines = [r for r in in_force if r.method != "reject" and rules.met(r, role=name, groups=groups)]
        evidence = {"lines": ", ".join(r.place for r in lines) or "none"}
        answers.append(Observation(subject=quoted, ok=not lines, evidence=evidence))
    return answers
