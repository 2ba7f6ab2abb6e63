from readiness import RATIO, Answer, Observation, Reason, Unknown, Unseen, check
from readiness.facts.logins import Logins
from readiness.model import Evidence


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
    which none was given up for want of room. Where less was counted, nothing is said. Who only reads at a standby is seen
    there: each that the profile declares is asked, and where one is not, nothing is said of who is missing here.
    """
    if logins.counted_days is None:
        return Unknown(
            reason=Reason.NOT_OBSERVABLE,
            detail=f"the server keeps no last login, and {logins.why}",
            unlock=logins.unlock,
        )
    absent = [login for login in logins.roles if not login.sessions and login.statements == 0]
    if absent and (logins.evicted or logins.counted_days < days):
        said = "some were given up" if logins.evicted else f"for {logins.counted_days:.1f} of {days:g} days"
        return Unknown(
            reason=Reason.INSUFFICIENT_SAMPLES,
            detail=f"{absent[0].name} was not seen, but statements were not counted long enough: {said}",
            unlock="leave pg_stat_statements alone for as long; pg_stat_statements.max so high that none are given up",
        )
    if absent and logins.elsewhere:
        return Unknown(
            reason=Reason.NOT_OBSERVABLE,
            detail=f"{absent[0].name} was not seen here, but {logins.elsewhere}",
            unlock="audit the primary, and declare its standbys in the profile (standbys)",
        )
    answers: list[Observation | Unseen] = []
    for login in logins.roles:
        evidence: Evidence = {"sessions": login.sessions, "statements": login.statements}
        if not login.sessions and login.statements is None:
            answers.append(
                Unseen(
                    subject=login.name,
                    reason=Reason.NOT_OBSERVABLE,
                    detail="its statements are not counted, by a setting of its own",
                    unlock=f"alter role {login.name} reset pg_stat_statements.track;",
                    evidence=evidence,
                )
            )
        else:
            remedy = f"alter role {login.name} nologin;"
            answers.append(Observation(subject=login.name, ok=login not in absent, evidence=evidence, remedy=remedy))
    return answers
