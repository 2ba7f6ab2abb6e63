from readiness import RATIO, Answer, Observation, check
from readiness.facts.audit import AuditLogging
from readiness.facts.catalog import AuditedTables, LiveTable, Tables, shown


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
def audit_trail_missing(audited: AuditedTables, tables: Tables, logging: AuditLogging) -> Answer:
    """Every change of the declared tables leaves a trail: by pgAudit, or by triggers for insert, update and delete.

    After an incident the question is who changed what, and when. What no trail was kept of can't be found out later. That
    pgAudit is installed says nothing: it must be loaded, and its settings must name what is to be logged. That a trail is
    really written is another question, which `readiness drill audit-trail` answers.
    """
    return [_judge(shown(schema, name), tables.by_name.get((schema, name)), logging) for schema, name in audited.names]


def _judge(subject: str, table: LiveTable | None, logging: AuditLogging) -> Observation:
    if table is None:
        return Observation(subject=subject, ok=False, evidence={"lacks": "the table itself"})
    if logging.writes:
        return Observation(subject=subject, ok=True, evidence={"by": f"pgAudit ({logging.setting})"})
    covered: set[str] = set().union(*table.triggers.values()) if table.triggers else set()
    missing = {"insert", "update", "delete"} - covered
    return Observation(
        subject=subject,
        ok=not missing,
        evidence={
            "triggers": ", ".join(sorted(table.triggers)) or "none",
            "not_covered": ", ".join(sorted(missing)) or None,
            "pgaudit": logging.setting,
        },
    )
