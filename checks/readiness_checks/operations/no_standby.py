from readiness import BINARY, Answer, NotApplicable, Observation, Reason, Unknown, check
from readiness.facts.archiving import WalArchiving
from readiness.facts.replication import Follower, Followers
from readiness.facts.target import Target


@check(
    subject="server",
    universe="primaries",
    priority="P1",
    effort="M",
    credit=BINARY,
    needs=["primary", "pg_monitor"],
    attestable=True,
    mend="""
    `pg_basebackup --write-recovery-conf --create-slot --slot NAME` on another machine, and start it. The services that
    only read can then be sent there. How many there should be, the profile says (targets.standbys).
    """,
    links=("https://www.postgresql.org/docs/current/warm-standby.html",),
)
def no_standby(followers: Followers, archiving: WalArchiving, target: Target) -> Answer:
    """As many standbys follow the primary as the platform promises.

    When the primary's machine is gone, a standby is minutes away and a restore is hours; until then it takes the reads
    that need not be of this very moment. What only receives WAL (pg_receivewal) is an archive, and no standby. One that
    another standby feeds counts where the profile declares it, and it says itself that it receives.
    """
    wanted = target.profile.targets.standbys
    if not wanted:
        return NotApplicable("the profile promises 0 standbys")
    seen = [s for s in followers.asked.values() if isinstance(s, Follower)]
    streaming = max(
        ([s.name for s in of if s.state == "streaming"] for of in (followers.standbys, seen)),
        key=len,
    )
    if len(streaming) < wanted and archiving.provider:
        return Unknown(
            reason=Reason.NOT_OBSERVABLE,
            detail=f"{archiving.provider} may keep standbys that a session does not see; {len(streaming)} are seen",
            unlock="have the person who runs it vouch for them: readiness attest operations/no-standby",
        )
    return Observation(
        subject="primary",
        ok=len(streaming) >= wanted,
        evidence={
            "streaming": streaming,
            "wanted": wanted,
            "not_streaming": [f"{s.name}: {s.state}" for s in (*followers.standbys, *seen) if s.state != "streaming"],
        },
    )
