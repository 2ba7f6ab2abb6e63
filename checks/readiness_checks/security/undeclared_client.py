import re

from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.callers import Callers


@check(
    subject="role",
    universe="roles at work in the database",
    priority="info",
    effort="S",
    credit=RATIO,
    needs=["pg_monitor"],
    mend="""
    Declare whose role it is (`services.NAME.role` in the profile), so that what is asked of services is asked of it; or take its
    rights, where nobody knows it.
    """,
    links=("https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW",),
)
def undeclared_client(
    callers: Callers,
    *,
    tools: str = "psql|pgadmin.*|dbeaver.*|datagrip.*|tableplus.*|pg_dump|pg_dumpall|pg_restore|pgbackrest.*|barman.*",
) -> Answer:
    """Every role that works in the database is one that the profile knows.

    Whatever the profile leaves out is asked nothing: neither for its role's powers and walls, nor for its health and its source. A
    section that says there are no services, or one service fewer, is taken at its word, and sessions tell whether it holds.
    People with psql or the like are told by their application_name, as far as that is honest.
    """
    known = re.compile(tools, re.IGNORECASE)
    answers = []
    for caller in callers.roles:
        programs = [name for name in caller.applications if not known.fullmatch(name)]
        answers.append(
            Observation(
                subject=caller.name,
                ok=caller.known or not programs,
                evidence={"applications": [name or "(no name)" for name in programs] or None},
            )
        )
    return answers or NotApplicable("0 roles are at work in the database, but superusers and who watches the server")
