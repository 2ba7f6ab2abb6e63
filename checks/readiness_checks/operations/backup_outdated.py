from readiness import BINARY, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.backups import Backups, Store


@check(
    subject="backup",
    universe="declared stores of backups",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    See in the tool's log and in its schedule why the last backup is old, failed or another cluster's; then take one, and
    watch its age (`targets.backup_age_hours`), not the schedule.
    """,
)
def backup_outdated(backups: Backups) -> Answer:
    """There is a recent backup of this very cluster, whole with all that it builds on.

    A schedule that stopped is noticed when a backup is needed. An incremental backup without the one below it is
    nothing; and a store that was set up for another cluster (after a rebuild, a rename) reports green for that one.
    """

    def judge(name: str, store: Store | Unobservable) -> Subject:
        if isinstance(store, Unobservable):
            return Unseen(subject=name, reason=store.reason, detail=store.detail, unlock=store.unlock)
        if backups.system_identifier is None and any(b.system_identifier is not None for b in store.backups):
            return Unseen(
                subject=name,
                reason=Reason.NO_PERMISSION,
                detail="whether the backups are this cluster's can't be told",
                unlock="grant execute on function pg_catalog.pg_control_system() to the auditor's role;",
            )
        if store.window is not None:
            hours = (backups.clock - store.window[1]).total_seconds() / 3600
            return Observation(
                subject=name,
                ok=hours <= backups.age_hours,
                evidence={
                    "restorable_until": store.window[1].isoformat(),
                    "age_hours": round(hours, 1),
                    "most_hours": backups.age_hours,
                },
            )
        good = store.good(backups.system_identifier)
        others = [b for b in store.backups if b.system_identifier not in (None, backups.system_identifier)]
        evidence: dict[str, str | int | float | None] = {
            "backups": len(store.backups),
            "good": len(good),
            "failed": sum(b.failed for b in store.backups),
            "of_another_cluster": len(others),
            "most_hours": backups.age_hours,
        }
        if not good:
            return Observation(subject=name, ok=False, evidence=evidence)
        newest = good[-1]
        hours = (backups.clock - newest.stopped_at).total_seconds() / 3600
        evidence |= {"newest": newest.label, "kind": newest.kind, "age_hours": round(hours, 1)}
        return Observation(subject=name, ok=hours <= backups.age_hours, evidence=evidence)

    if not backups.stores:
        return Observation(subject="backups", ok=False, evidence={"declared_stores": 0})
    return [judge(name, store) for name, store in backups.stores.items()]
