from readiness import BINARY, Answer, Observation, Reason, Unknown, check
from readiness.facts.storage import Storage


@check(
    subject="server",
    universe="places where the cluster's data lies",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    Encrypt the volume that the data directory and the backups lie on (LUKS, or the provider's switch). Where that can be
    seen from the server's host, audit there, as an account that may look into its folder; else have the person who runs
    it vouch for it, with evidence: `readiness attest security/encryption-at-rest-unproven`.
    """,
)
def encryption_at_rest_unproven(storage: Storage) -> Answer:
    """The data is encrypted where it lies, as can be seen, or as somebody who can see it vouches for.

    A disk that leaves the data centre, a snapshot in the wrong account, a backup on a laptop: at rest only encryption
    protects. A community build of Postgres doesn't know whether its disk is encrypted. Seen is a build that encrypts its
    files itself, and dm-crypt under every place of the data where the audit runs on the server's own host. That nothing
    is seen there proves nothing: what lies below a virtual disk is its provider's to know. Nothing is guessed.
    """
    if all(storage.by_place.values()):
        return [
            Observation(subject=place, ok=True, evidence={"encrypted_by": by, "looked_at": storage.looked})
            for place, by in storage.by_place.items()
        ]
    place = next(p for p, by in storage.by_place.items() if by is None)
    return Unknown(
        reason=Reason.NO_ATTESTATION,
        detail=f"{place}: {storage.why.get(place) or storage.why['']}; and nobody has vouched for it",
        unlock="readiness attest security/encryption-at-rest-unproven --statement ... --by ... --role ... --evidence ...",
    )
