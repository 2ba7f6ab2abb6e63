from readiness import BINARY, Answer, Observation, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.backups import Backups, Store


@check(
    subject="backup",
    universe="declared stores of backups",
    priority="P1",
    effort="S",
    credit=BINARY,
    mend="Keep backups longer (pgBackRest: repo1-retention-full and -type), as long as `targets.recovery_window_days` says.",
)
def recovery_window_short(backups: Backups) -> Answer:
    """A restore can go back as far as is promised.

    Damage is often noticed days later: a wrong update, a dropped column, a slow corruption. What lies before the oldest
    good backup is gone; and so is every moment between a gap in the archived WAL and the next backup.
    """

    def judge(name: str, store: Store | Unobservable) -> Subject:
        store = backups.told(store)
        if isinstance(store, Unobservable):
            return Unseen(subject=name, reason=store.reason, detail=store.detail, unlock=store.unlock)
        good = store.good(backups.system_identifier)
        from_here = store.recoverable_from(backups.system_identifier, backups.reached, backups.settling)
        oldest = store.window[0] if store.window else from_here.stopped_at if from_here else backups.clock
        days = (backups.clock - oldest).total_seconds() / 86400
        broken = bool(good) and from_here is not good[0]
        return Observation(
            subject=name,
            ok=days >= backups.window_days,
            evidence={
                "reaches_back_days": round(days, 2),
                "promised_days": backups.window_days,
                "good": len(good),
                **({"behind_a_gap": good.index(from_here) if from_here else len(good)} if broken else {}),
            },
            remedy="WAL is missing behind the older backups (operations/wal-gap): no restore from them gets past that."
            if broken and days < backups.window_days
            else None,
        )

    if not backups.stores:
        return Observation(subject="backups", ok=False, evidence={"declared_stores": 0})
    return [judge(name, store) for name, store in backups.stores.items()]
