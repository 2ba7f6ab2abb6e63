import re

from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.logins import Logins


@check(
    subject="role",
    universe="superusers that may log in",
    priority="P1",
    effort="M",
    credit=RATIO,
    needs=["pg_monitor"],
    mend="""
    Give the application a role of its own with the rights that it needs (pg_monitor for an exporter), and move it there.
    A superuser's sessions are a person's, with psql or the like, or the backup tool's.
    """,
    links=("https://www.postgresql.org/docs/current/role-attributes.html",),
)
def superuser_session(
    logins: Logins,
    *,
    tools: str = "psql|pgadmin.*|dbeaver.*|datagrip.*|tableplus.*|pg_dump|pg_dumpall|pg_restore|pg_basebackup|pg_rewind|pg_amcheck|"
    "vacuumdb|reindexdb|clusterdb|pgbackrest.*|barman.*|wal-g|patroni.*|repmgr.*|pg_auto_failover.*",
) -> Answer:
    """No application is connected as a superuser.

    What holds for nobody else holds least for a connection that is open all day: whoever finds a hole in the application
    is superuser. Sessions are told from an administrator's by their whole application_name, as far as that is honest; that
    there is none just now proves nothing of an hour ago.
    """
    known = re.compile(tools, re.IGNORECASE)
    answers = []
    for login in logins.roles:
        if login.superuser:
            applications = [name for name in login.applications if not known.fullmatch(name)]
            answers.append(
                Observation(
                    subject=login.name,
                    ok=not applications,
                    evidence={"applications": [name or "(no name)" for name in applications]},
                )
            )
    return answers or NotApplicable("0 superusers may log in")
