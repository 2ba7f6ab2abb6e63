from datetime import UTC, date, datetime

from readiness import BINARY, Answer, Observation, Reason, Unknown, check
from readiness.facts.server import Server

# When the last release of each comes out: https://www.postgresql.org/support/versioning/
END_OF_LIFE = {
    13: date(2025, 11, 13),
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}


@check(
    subject="server",
    universe="servers",
    priority="P1",
    effort="L",
    credit=BINARY,
    mend="Plan the upgrade: pg_upgrade, logical replication to a new server, or the provider's own.",
    links=("https://www.postgresql.org/support/versioning/",),
)
def unsupported_version(server: Server, *, days_before: int = 0) -> Answer:
    """The server's major version still gets releases.

    Each major version is mended for five years. After that a hole that becomes known stays open. The date is compared
    with the server's clock.
    """
    end = END_OF_LIFE.get(server.major)
    if end is None:
        return Unknown(
            reason=Reason.NOT_OBSERVABLE,
            detail=f"PostgreSQL {server.major} is newer than this release of readiness; when its support ends is not known",
            unlock="upgrade readiness",
        )
    left = (end - datetime.fromtimestamp(server.clock, UTC).date()).days
    return Observation(
        subject=f"PostgreSQL {server.version}",
        ok=left > days_before,
        evidence={"support_ends": end.isoformat(), "days_left": left},
    )
