from readiness import RATIO, Answer, Observation, check
from readiness.facts.audit import AuditedTable, AuditLogging, AuditTrails


@check(
    subject="table",
    universe="tables whose changes must leave a trail",
    priority="P0",
    effort="M",
    credit=RATIO,
    needs=["pg_monitor"],
    mend="""
    Either load pgAudit (shared_preload_libraries, `create extension pgaudit`, `pgaudit.log = 'write, ddl'`), or give each
    table triggers for insert, update and delete (row level) and truncate (statement level) that write to a table which
    the services may not change.
    """,
    links=("https://github.com/pgaudit/pgaudit/blob/main/README.md",),
)
def audit_trail_missing(trails: AuditTrails, logging: AuditLogging) -> Answer:
    """Every change of the declared tables leaves a trail: by pgAudit, or by triggers for insert, update, delete and truncate.

    After an incident the question is who changed what, and when. What no trail was kept of can't be found out later. That
    pgAudit is installed says nothing: it must be loaded, and its settings must name what is to be logged, for each role and
    database (one `alter role app set pgaudit.log = 'none'` is a hole). Its object logging knows no truncate. That a trail
    is really written is another question, which `readiness drill audit-trail` answers.
    """
    return [_judge(subject, table, logging) for subject, table in trails.by_table.items()]


def _judge(subject: str, table: AuditedTable | None, logging: AuditLogging) -> Observation:
    if table is None:
        return Observation(subject=subject, ok=False, evidence={"lacks": "the table itself"})
    missing = table.uncovered(logging)
    firing = [t.name for t in table.triggers if t.enabled in ("O", "A")]
    silent = [t.name for t in table.triggers if t.enabled not in ("O", "A")]
    return Observation(
        subject=subject,
        ok=not missing,
        evidence={
            "triggers": ", ".join(firing) or "none",
            "disabled": ", ".join(silent) or None,
            "not_covered": ", ".join(missing) or None,
            "pgaudit": logging.setting,
        },
    )
