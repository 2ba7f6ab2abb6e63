from statistics import median

from readiness import BINARY, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.backups import Backups, Store

FEWEST = 3


@check(
    subject="backup",
    universe="declared stores of backups",
    priority="P2",
    effort="S",
    credit=BINARY,
    mend="""
    See what is not in it any more: a table, a database, a tablespace, or the end of a dump that was cut off. Where rows were
    really deleted, the next backups make the new size the usual one.
    """,
)
def backup_shrunk(backups: Backups, *, least_share: float = 0.5) -> Answer:
    """The newest backup is not far smaller than those before it.

    A job that runs and saves less than it should reports success. Databases grow; a backup of half the usual size has
    lost something, or the database has.
    """

    def judge(name: str, store: Store | Unobservable) -> Subject:
        store = backups.told(store)
        if isinstance(store, Unobservable):
            return Unseen(subject=name, reason=store.reason, detail=store.detail, unlock=store.unlock)
        good = store.good(backups.system_identifier)
        newest = good[-1] if good else None
        # Of its own kind: what an incremental one holds is another thing than what a full one does.
        before = [b for b in good[:-1] if newest is not None and b.kind == newest.kind and b.size_bytes > 0]
        if newest is None or newest.size_bytes <= 0 or len(before) < FEWEST:
            return Unseen(
                subject=name,
                reason=Reason.INSUFFICIENT_SAMPLES,
                detail=f"fewer than {FEWEST} earlier backups whose size is told",
                unlock="keep more backups",
            )
        usual = median(b.size_bytes for b in before)
        days = (newest.stopped_at - before[0].stopped_at).total_seconds() / 86400
        return Observation(
            subject=name,
            ok=newest.size_bytes >= usual * least_share,
            evidence={
                "newest": newest.label,
                "bytes": newest.size_bytes,
                "usual_bytes": int(usual),
                "earlier": len(before),
                "bytes_per_day": round((newest.size_bytes - before[0].size_bytes) / days) if days > 0 else None,
            },
        )

    return [judge(name, store) for name, store in backups.stores.items()]
