from readiness import RATIO, Answer, Observation, check
from readiness.facts.passwords import PasswordKinds


@check(
    subject="role",
    universe="roles that have a password",
    priority="P1",
    effort="S",
    credit=RATIO,
    needs=["select role_password_kinds"],
    mend="""
    Set `password_encryption = 'scram-sha-256'`, then set each of these passwords anew (psql: \\\\password ROLE, which
    sends the hash alone). Drivers older than 2018 don't speak SCRAM.
    """,
    links=("https://www.postgresql.org/docs/current/auth-password.html",),
)
def weak_password_hash(passwords: PasswordKinds) -> Answer:
    """Every password is kept as SCRAM-SHA-256.

    An MD5 hash is worth what was hashed: it logs in as it is, and a graphics card tries billions of guesses a second
    against it. It stays what it was when the setting changes, until the password is set anew.
    """
    kept = {role: kind for role, kind in passwords.by_role.items() if kind != "none"}
    return [Observation(subject=role, ok=k == "scram-sha-256", evidence={"kept_as": k}) for role, k in kept.items()]
