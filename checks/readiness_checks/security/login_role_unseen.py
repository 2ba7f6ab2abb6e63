from readiness import RATIO, Answer, Observation, Reason, Unknown, check
from readiness.facts.logins import Logins


@check(
    subject="role",
    universe="login roles",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["pg_monitor"],
    mend="""
    Ask whose it is. `alter role ... nologin;` shuts it and can be undone; drop it when nobody has missed it for a while.
    """,
    links=("https://www.postgresql.org/docs/current/sql-alterrole.html",),
)
def login_role_unseen(logins: Logins, *, days: float = 30) -> Answer:
    """Every login role is used by somebody.

    A role that nobody uses is a password that nobody would miss, and nobody changes. The server keeps no last login: a
    role counts as unused when it has no session now and no statement among all that were counted for a month, of
    which none was given up for want of room. Where less was counted, nothing is said.
    """
    if logins.counted_days is None:
        return Unknown(
            reason=Reason.NOT_OBSERVABLE,
            detail=f"the server keeps no last login, and {logins.why}",
            unlock=logins.unlock,
        )
    absent = [login for login in logins.roles if not login.sessions and not login.statements]
    if absent and (logins.evicted or logins.counted_days < days):
        said = "some were given up" if logins.evicted else f"for {logins.counted_days:.1f} of {days:g} days"
        return Unknown(
            reason=Reason.INSUFFICIENT_SAMPLES,
            detail=f"{absent[0].name} was not seen, but statements were not counted long enough: {said}",
            unlock="leave pg_stat_statements alone for as long; pg_stat_statements.max so high that none are given up",
        )
    return [
        Observation(
            subject=login.name,
            ok=login not in absent,
            evidence={"sessions": login.sessions, "statements": login.statements},
            remedy=f"alter role {login.name} nologin;",
        )
        for login in logins.roles
    ]
