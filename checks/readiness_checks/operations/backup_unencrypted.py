from readiness import BINARY, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.backups import Backups, Store


@check(
    subject="backup",
    universe="declared stores of backups",
    priority="P2",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="pgBackRest: repo1-cipher-type=aes-256-cbc and a repo1-cipher-pass kept elsewhere; it takes a new repository.",
)
def backup_unencrypted(backups: Backups) -> Answer:
    """Backups are enciphered where they lie.

    A backup is the whole database without its access rules. Whoever reads the store reads every row.
    """

    def judge(name: str, store: Store | Unobservable) -> Subject:
        if isinstance(store, Unobservable):
            return Unseen(subject=name, reason=store.reason, detail=store.detail, unlock=store.unlock)
        if store.encrypted is None:
            return Unseen(
                subject=name,
                reason=Reason.NOT_OBSERVABLE,
                detail="whether what the folder lies on is enciphered can't be seen",
                unlock="readiness attest operations/backup-unencrypted ...",
            )
        return Observation(subject=name, ok=store.encrypted, evidence={"enciphered_by_the_tool": store.encrypted})

    return [judge(name, store) for name, store in backups.stores.items()]
