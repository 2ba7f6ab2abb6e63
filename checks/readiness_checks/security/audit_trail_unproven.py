from readiness import RATIO, Answer, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.audit import AuditEvents, AuditTrails
from readiness.facts.drills import DrillRecords


@check(
    subject="table",
    universe="tables and events that must leave a trail",
    priority="P0",
    effort="M",
    credit=RATIO,
    needs=["pg_monitor"],
    attestable=True,
    mend="""
    Run `readiness drill audit-trail`: every declared role adds, changes, deletes and truncates in transactions that are rolled
    back, and what that leaves is looked at. Mend what it names, and run it again.
    """,
    links=("https://github.com/pgaudit/pgaudit/blob/main/README.md",),
)
def audit_trail_unproven(drills: DrillRecords, trails: AuditTrails, events: AuditEvents) -> Answer:
    """The audit trail was tried: every change of the declared tables, and every declared event, really left a record.

    A trail that reads well may be silent all the same: a trigger's WHEN leaves changes out, its function writes for one
    operation only, a foreign key deletes the trail with what it tells of, a role's own settings turn pgAudit or triggers
    off, or the service may rewrite what was recorded. The proof counts for triggers, functions, rights and settings as they
    were tried: where one of them was changed since, it doesn't.
    """
    stands = {name: table.sha256 if table else None for name, table in trails.by_table.items()} | dict(events.by_name)
    if not stands:
        return []
    unlock = "readiness drill audit-trail"
    drill = drills.proved("audit-trail", unlock=unlock)
    tried = dict(line.rsplit(" ", 1) for line in drill.evidence.get("trails", []))
    evidence = {"taken_at": drill.taken_at.isoformat(), "drill": drill.id}

    def told(kind: str, name: str) -> list[str]:
        return [line.removeprefix(f"{name}: ") for line in drill.evidence.get(kind, []) if line.startswith(f"{name}: ")]

    def judge(name: str, sha256: str | None) -> Subject:
        kind = None if name in trails.by_table else "query"
        if sha256 is None:
            return Observation(subject=name, ok=False, evidence={"found": "there is no such table"})
        if tried.get(name) != sha256:
            why = "triggers, functions, rights or settings changed since" if name in tried else "it was not tried"
            return Unseen(subject=name, kind=kind, reason=Reason.STALE, detail=why, unlock=unlock)
        if findings := told("findings", name):
            return Observation(
                subject=name, kind=kind, ok=False, evidence={**evidence, "findings": findings}, expires=drill.expires_at
            )
        if unproved := told("unproved", name):
            detail = "; ".join(unproved)[:1000]
            return Unseen(subject=name, kind=kind, reason=Reason.NOT_OBSERVABLE, detail=detail, unlock=unlock)
        by = told("recorded_by", name)
        return Observation(
            subject=name, kind=kind, ok=True, evidence={**evidence, "recorded_by": by}, expires=drill.expires_at
        )

    return [judge(name, sha256) for name, sha256 in stands.items()]
