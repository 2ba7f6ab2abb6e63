from readiness import BINARY, Answer, Observation, check
from readiness.facts.clocks import Clocks


@check(
    subject="server",
    universe="servers",
    priority="P2",
    effort="S",
    credit=BINARY,
    mend="""
    One of the two clocks is wrong, and only a third one tells which: `chronyc tracking` or `timedatectl` on both machines. Run an
    NTP client on each.
    """,
    links=("https://chrony-project.org/documentation.html",),
)
def clock_adrift(clocks: Clocks, *, most_seconds: float = 5.0) -> Answer:
    """The server's clock and this machine's tell the same time.

    Times in rows, tokens and certificates that hold for so long, the moment that a restore goes to, the lag of a standby in
    seconds: each takes for granted that the clocks of the platform agree.
    """
    apart = abs(clocks.ahead)
    return Observation(
        subject="clock",
        ok=apart - clocks.unsure <= most_seconds,
        evidence={"server_ahead_seconds": round(clocks.ahead, 1), "give_or_take_seconds": round(clocks.unsure, 3)},
    )
