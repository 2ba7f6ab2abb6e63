from readiness import RATIO, Answer, Observation, check
from readiness.facts.hba import ConnectionRules


@check(
    subject="rule",
    universe="lines of pg_hba.conf that ask for a password",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["select pg_hba_file_rules"],
    mend="""
    See that every password is kept as SCRAM (security/weak-password-hash), write `scram-sha-256` instead of `md5`, then
    `select pg_reload_conf();`.
    """,
    links=("https://www.postgresql.org/docs/current/auth-password.html",),
)
def md5_rule(rules: ConnectionRules) -> Answer:
    """Lines that ask for a password ask for SCRAM.

    `md5` still takes a password that is kept as MD5: whoever has the hash, out of a dump or a backup, can log in with it
    as it is. PostgreSQL 18 calls the method deprecated.
    """
    asking = [r for r in rules.in_force() if r.method in ("md5", "scram-sha-256", "password")]
    return [Observation(subject=r.place, ok=r.method != "md5", evidence={"line": r.text}) for r in asking]
