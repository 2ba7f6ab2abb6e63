from readiness import RATIO, Answer, Observation, check
from readiness.facts.audit import AuditClasses, AuditLogging


@check(
    subject="setting",
    universe="declared audit classes",
    priority="P2",
    effort="S",
    credit=RATIO,
    needs=["pg_monitor"],
    mend="""
    Load pgAudit, and name the classes in `pgaudit.log`: `alter system set pgaudit.log = 'write, ddl, role'`. Where a role or a
    database has a setting of its own, it goes before the server's: `alter role app reset pgaudit.log`.
    """,
    links=("https://github.com/pgaudit/pgaudit/blob/main/README.md",),
)
def audit_class_not_logged(classes: AuditClasses, logging: AuditLogging) -> Answer:
    """Statements of the declared classes are logged by pgAudit, whoever sends them.

    Triggers see rows; a grant, a dropped table or a new superuser leaves nothing there. pgAudit logs them by class, but what
    is set for one role or database goes before what is set for all. A line below the server's log_min_messages is written
    nowhere.
    """
    return [_judge(name, logging) for name in classes.names]


def _judge(name: str, logging: AuditLogging) -> Observation:
    silent = [s.role or "everybody else" for s in logging.sessions if name not in s.classes or not s.heard]
    return Observation(
        subject=f"pgaudit.log {name}",
        ok=logging.loaded and not silent,
        evidence={"pgaudit": logging.setting, "not_for": ", ".join(silent) if logging.loaded and silent else None},
    )
