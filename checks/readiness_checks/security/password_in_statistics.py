from readiness import BINARY, Answer, NotApplicable, Observation, check
from readiness.facts.logins import CountedPasswords


@check(
    subject="query",
    universe="counted statements",
    priority="P1",
    effort="S",
    credit=BINARY,
    needs=["pg_monitor"],
    mend="""
    Take the statement out of the statistics, and give the role another password, since whoever read them has this one, and
    so has the log where log_statement is ddl. Set passwords with psql's `\\password`, which sends a hash.
    """,
    links=("https://www.postgresql.org/docs/current/sql-createrole.html",),
)
def password_in_statistics(passwords: CountedPasswords) -> Answer:
    """No password stands in the statistics of statements.

    A `create role` that sets one is kept in pg_stat_statements as it was typed, for every member of pg_monitor to read:
    exporters, dashboards, and what they copy it to. What is found is told by its number; the text stays where it is.
    """
    if not passwords.looked_at:
        return NotApplicable("0 counted statements")
    if not passwords.found:
        return Observation(subject="all statements", ok=True, evidence={"looked_at": passwords.looked_at})
    return [
        Observation(subject=f"{p.role}: {p.queryid}", ok=False, evidence={"role": p.role}, remedy=p.forget)
        for p in passwords.found
    ]
