from readiness import BINARY, Answer, Observation, Reason, Unknown, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.ciphertexts import DeclaredColumn, DeclaredColumns
from readiness.facts.storage import Storage
from readiness.model import Evidence


@check(
    subject="server",
    universe="places where the cluster's data lies, and columns that are declared encrypted",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    Encrypt the volume that the data directory and the backups lie on (LUKS, or the provider's switch). Where that can be
    seen from the server's host, audit there, as an account that may look into its folder; else have the person who runs
    it vouch for it, with evidence: `readiness attest security/encryption-at-rest-unproven`. A column in clear is enciphered where
    it is written, by the application or by pgcrypto, with a key that the database doesn't keep.
    """,
    links=("https://www.postgresql.org/docs/current/encryption-options.html",),
)
def encryption_at_rest_unproven(storage: Storage, columns: DeclaredColumns) -> Answer:
    """The data is encrypted where it lies, as can be seen, or as somebody who can see it vouches for.

    A disk that leaves the data centre, a snapshot in the wrong account, a backup on a laptop: at rest only encryption
    protects. A community build of Postgres doesn't know whether its disk is encrypted. Seen is a build that encrypts its
    files itself, dm-crypt under every place of the data where the audit runs on the server's own host, a managed service that
    stores nothing unencrypted, and what RDS says of the instance (by the command that `backups` names). That nothing
    is seen there proves nothing: what lies below a virtual disk is its provider's to know. Nothing is guessed. Columns that
    the profile declares encrypted (`encrypted_columns`) are held against what a sample of their values looks like: one that
    can be read as it is is a finding, whatever the disk is.
    """
    looked = [_column(name, seen) for name, seen in columns.by_name.items()]
    in_clear = any(isinstance(one, Observation) and not one.ok for one in looked)
    if in_clear or storage.plain or all(storage.by_place.values()):
        return [*looked, *(_place(storage, place) for place in storage.by_place)]
    place = next(p for p, by in storage.by_place.items() if by is None)
    return Unknown(
        reason=Reason.NO_ATTESTATION,
        detail=f"{place}: {storage.why.get(place) or storage.why['']}; and nobody has vouched for it",
        unlock="readiness attest security/encryption-at-rest-unproven --statement ... --by ... --role ... --evidence ...",
    )


def _place(storage: Storage, place: str) -> Subject:
    if by := storage.by_place[place]:
        return Observation(subject=place, ok=True, evidence={"encrypted_by": by, "looked_at": storage.looked})
    if storage.plain:
        return Observation(
            subject=place, ok=False, evidence={"encrypted_by": None, "looked_at": storage.plain}, remedy=_RDS
        )
    detail = storage.why.get(place) or storage.why[""]
    return Unseen(subject=place, reason=Reason.NO_ATTESTATION, detail=detail, unlock="see what of it is in clear first")


def _column(name: str, seen: DeclaredColumn | Unobservable) -> Subject:
    if isinstance(seen, Unobservable):
        return Unseen(subject=name, kind="column", reason=seen.reason, detail=seen.detail, unlock=seen.unlock)
    evidence: Evidence = {"type": seen.type, "values": seen.values, "encrypted": seen.encrypted, "in_clear": seen.clear}
    if seen.clear or seen.encrypted == seen.values:
        return Observation(subject=name, kind="column", ok=not seen.clear, evidence=evidence, remedy=seen.remedy)
    return Unseen(
        subject=name,
        kind="column",
        reason=Reason.NOT_OBSERVABLE,
        detail=f"{seen.values - seen.encrypted} of {seen.values} values are not readable, and bear no mark of an encryption that is known",
        unlock="have its owner vouch for it, and take it out of encrypted_columns",
        evidence=evidence,
    )


_RDS = (
    "An instance is encrypted by a copy of its snapshot: aws rds create-db-snapshot, then copy-db-snapshot --kms-key-id KEY, then "
    "restore-db-instance-from-db-snapshot, and the platform goes to the new instance."
)
