from readiness import BINARY, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.backups import Backups, Store

AHEAD_HOURS = 1.0
"""What two machines' clocks may differ by."""
MOST_TOLD = 5


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
def backup_outdated(backups: Backups, *, most_days_of_full: int = 35) -> Answer:
    """There is a recent backup of this very cluster, whole with all that it builds on.

    A schedule that stopped is noticed when a backup is needed. An incremental backup without the one below it is nothing, and
    the longer ago the full one was taken, the more has to be right. A dump that was cut off, or one of some tables only, is no
    backup; and a store that was set up for another cluster (after a rebuild, a rename) reports green for that one.
    """

    def judge(name: str, store: Store | Unobservable) -> Subject:
        store = backups.told(store)
        if isinstance(store, Unobservable):
            return Unseen(subject=name, reason=store.reason, detail=store.detail, unlock=store.unlock)
        if store.window is not None:
            hours = (backups.clock - store.window[1]).total_seconds() / 3600
            return Observation(
                subject=name,
                ok=-AHEAD_HOURS <= hours <= backups.age_hours,
                evidence={
                    "restorable_until": store.window[1].isoformat(),
                    "age_hours": round(hours, 1),
                    "most_hours": backups.age_hours,
                },
            )
        good = store.good(backups.system_identifier)
        others = [b for b in store.backups if b.system_identifier not in (None, backups.system_identifier)]
        newest = good[-1] if good else None
        later = sorted(
            (b for b in store.backups if newest is None or b.stopped_at > newest.stopped_at),
            key=lambda b: b.stopped_at,
            reverse=True,
        )
        wrong = [f"{b.label}: {b.wrong}" for b in later if b.wrong]
        evidence: dict[str, str | int | float | list[str] | None] = {
            "backups": len(store.backups),
            "good": len(good),
            "failed": sum(b.wrong is not None for b in store.backups),
            "of_another_cluster": len(others),
            "most_hours": backups.age_hours,
        }
        if wrong:
            evidence["wrong"] = wrong[:MOST_TOLD]
        age: float | None = None
        if newest is not None:
            age = (backups.clock - newest.stopped_at).total_seconds() / 3600
            evidence |= {"newest": newest.label, "kind": newest.kind, "age_hours": round(age, 1)}
            if (full := store.full_of(newest)) is not newest:
                days = (backups.clock - full.stopped_at).total_seconds() / 86400
                evidence |= {"full": full.label, "full_age_days": round(days, 1)}
                if days > most_days_of_full:
                    return Observation(
                        subject=name,
                        ok=False,
                        evidence=evidence,
                        remedy=f"{newest.label} builds on {full.label}, {days:.0f} days old: take a new full one, "
                        f"and let the schedule take one every {most_days_of_full} days or sooner.",
                    )
        unread = next((b for b in later if b.unread), None)
        if age is not None and -AHEAD_HOURS <= age <= backups.age_hours:
            return Observation(subject=name, ok=True, evidence=evidence)
        if unread is not None and (backups.clock - unread.stopped_at).total_seconds() / 3600 <= backups.age_hours:
            return Unseen(
                subject=name,
                reason=Reason.NOT_OBSERVABLE,
                detail=f"{unread.label}: {unread.unread}",
                unlock="take a new dump of the whole database"
                if unread.partial
                else "dump with pg_dump -Fc -f, whose end shows without unpacking it, by the database's own name or one that a "
                "service's `dsn:` in the profile has; or install what unpacks this",
                evidence=evidence,
            )
        remedy = None
        if age is not None and age < -AHEAD_HOURS:
            remedy = f"{evidence['newest']} bears a time that is still to come: set the clock of what made it right."
        elif wrong:
            remedy = (
                f"{wrong[0]}. Take a new one of the whole database (what is left out on purpose: `left_out:` of the store), and "
                "let its job fail when the tool does (set -o pipefail, no `|| true`), so that somebody hears of it."
            )
        return Observation(subject=name, ok=False, evidence=evidence, remedy=remedy)

    if not backups.stores:
        return Observation(subject="backups", ok=False, evidence={"declared_stores": 0})
    return [judge(name, store) for name, store in backups.stores.items()]
