from readiness import BINARY, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.backups import Backups, Store


@check(
    subject="backup",
    universe="declared stores of backups",
    priority="P0",
    effort="S",
    credit=BINARY,
    attestable=True,
    mend="""
    What is missing doesn't come back once the server has recycled it: take a new full backup now, so that there is
    something to restore to from here on; then find out what archive_command did at that time. No restore from the backups
    before the gap gets past it: this is told until they are gone (pgBackRest: `expire --set=LABEL`).
    """,
    links=("https://www.postgresql.org/docs/current/continuous-archiving.html",),
)
def wal_gap(backups: Backups) -> Answer:
    """The archived WAL has no gap, from the oldest backup up to what the server believes to have archived or streamed.

    One missing segment ends every restore there. An archive_command that reports success and keeps nothing for a few
    seconds leaves pg_stat_archiver and the backup tool's own report green; only counting the segments shows it.
    """

    def judge(name: str, store: Store | Unobservable) -> Subject:
        store = backups.told(store)
        if isinstance(store, Unobservable):
            return Unseen(subject=name, reason=store.reason, detail=store.detail, unlock=store.unlock)
        if store.managed:
            return Unseen(
                subject=name,
                reason=Reason.NOT_OBSERVABLE,
                detail="how the provider keeps WAL can't be seen",
                unlock="restore to a point in time there, and vouch for it: readiness attest operations/wal-gap ...",
            )
        if store.archived is None:
            return Unseen(
                subject=name,
                reason=Reason.NOT_CONFIGURED,
                detail="where its archived WAL lies is not declared",
                unlock=f"declare backups.{name}.wal_directory in the profile",
            )
        good = store.good(backups.system_identifier)
        if not good:
            return Unseen(
                subject=name,
                reason=Reason.INSUFFICIENT_SAMPLES,
                detail="there is no good backup from which WAL would be needed",
                unlock="take a backup",
            )
        by_replay = backups.replayed if backups.standby and backups.reached is None else None
        missing = store.gaps(good[0], backups.reached or by_replay, backups.settling)
        histories = store.lost_histories(good[0])
        if by_replay is not None and missing:
            lying = [s.number for s in store.archived if s.timeline == by_replay.timeline]
            on_their_way = [s for s in missing if s.timeline == by_replay.timeline and s.number > max(lying, default=0)]
            if len(on_their_way) == len(missing) and not histories:
                return Unseen(
                    subject=name,
                    reason=Reason.WRONG_ROLE,
                    detail=f"{len(missing)} of the segments that this standby has replayed do not lie there; "
                    "whether they are on their way, its primary knows",
                    unlock="audit the primary",
                )
            missing = [s for s in missing if s not in on_their_way]
        if missing and not histories and store.settles and backups.settling_unseen:
            return Unseen(
                subject=name,
                reason=Reason.NO_PERMISSION,
                detail="what was handed over in the last minutes is not listed yet, and when that was can't be seen",
                unlock="grant pg_monitor to the auditor's role;",
            )
        sound = not missing and not histories
        if sound and backups.reached is None and backups.stream_unseen and not backups.standby:
            return Unseen(
                subject=name,
                reason=Reason.NO_PERMISSION,
                detail="something streams WAL from here, and the role may not see what, and how far that has come",
                unlock="grant pg_monitor to the auditor's role;",
            )
        if sound and (backups.reached or by_replay) is None and (backups.standby or backups.archiving):
            return Unseen(
                subject=name,
                reason=Reason.WRONG_ROLE if backups.standby else Reason.INSUFFICIENT_SAMPLES,
                detail="up to where WAL should have been archived can't be told: "
                + (
                    "a standby doesn't know it"
                    if backups.standby
                    else "no whole segment was since the statistics began"
                ),
                unlock="audit the primary" if backups.standby else "select pg_catalog.pg_switch_wal();",
            )
        return Observation(
            subject=name,
            ok=sound,
            evidence={
                "segments": len(store.archived),
                "oldest_backup": good[0].label,
                "missing": len(missing),
                "first_missing": missing[0].name(backups.segment_bytes) if missing else None,
                "last_missing": missing[-1].name(backups.segment_bytes) if missing else None,
                **({"history_missing": histories} if histories else {}),
            },
            remedy=f"{histories[0]} is missing: no restore follows to that timeline. The server keeps it in pg_wal: hand it over again "
            "by the archive_command."
            if histories and not missing
            else None,
        )

    if not backups.stores:
        return Observation(subject="backups", ok=False, evidence={"declared_stores": 0})
    with_wal = {n: s for n, s in backups.stores.items() if isinstance(s, Unobservable) or not s.logical}
    if not with_wal:  # dumps lead to no other moment than their own
        return Observation(
            subject="backups", ok=False, evidence={"declared_stores": len(backups.stores), "with_wal": 0}
        )
    return [judge(name, store) for name, store in with_wal.items()]
