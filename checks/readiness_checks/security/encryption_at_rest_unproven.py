from readiness import BINARY, Answer, Reason, Unknown, check
from readiness.facts.server import Server


@check(
    subject="server",
    universe="servers",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    Encrypt the volume that the data directory and the backups lie on (LUKS, or the provider's switch), and have the
    person who runs it vouch for that, with evidence: `readiness attest security/encryption-at-rest-unproven`.
    """,
)
def encryption_at_rest_unproven(server: Server) -> Answer:
    """The data is encrypted where it lies, and somebody who can see it vouches for that.

    A disk that leaves the data centre, a snapshot in the wrong account, a backup on a laptop: at rest only encryption
    protects. Postgres itself does not know whether its disk is encrypted, and nothing is guessed here.
    """
    return Unknown(
        reason=Reason.NO_ATTESTATION,
        detail=f"PostgreSQL {server.major} cannot see whether its storage is encrypted, and nobody has vouched for it",
        unlock="readiness attest security/encryption-at-rest-unproven --statement ... --by ... --role ... --evidence ...",
    )
