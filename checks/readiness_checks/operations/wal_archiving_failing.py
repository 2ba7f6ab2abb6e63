from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.archiving import Means, WalArchiving
from readiness.facts.server import Server
from readiness.model import quote_ident


@check(
    subject="server",
    universe="servers",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    Set archiving up with a tool that also restores (pgBackRest, Barman, WAL-G): archive_mode = on takes a restart,
    archive_command a reload. Where it fails, the server's log says why with each try; nothing is lost while the disk has
    room, since the server keeps each segment until it is archived. `select pg_switch_wal();` shows at once whether it works.
    """,
    links=("https://www.postgresql.org/docs/current/continuous-archiving.html",),
)
def wal_archiving_failing(
    archiving: WalArchiving,
    server: Server,
    *,
    stalled_seconds: int = 900,
    receivers: str = "pg_receivewal,barman_receive_wal",
) -> Answer:
    """The write-ahead log is archived, and the archiver is not failing.

    A backup alone restores to the moment at which it was taken; everything since comes back from the archived WAL only.
    One segment that is missing ends every restore there. Archiving that fails also fills the disk, until the server stops.
    """
    a = archiving
    streamed_to = sorted(set(a.receivers) & {name.strip() for name in receivers.split(",")})
    on = a.mode != "off"
    evidence = {
        "archive_mode": a.mode,
        "given_to": str(a.means) if on else None,
        "streamed_to": streamed_to,
        "archived": a.archived,
        "failed": a.failed,
        "last_archived_seconds_ago": _rounded(a.last_archived_age),
        "last_failed_seconds_ago": _rounded(a.last_failed_age),
        "behind_segments": a.behind_segments,
        "waiting_seconds": _rounded(a.waiting_age),
        "archive_timeout_seconds": a.timeout_seconds,
    }

    def unseen(reason: Reason, detail: str, unlock: str | None) -> Unseen:
        return Unseen(subject="archiver", reason=reason, detail=detail, unlock=unlock, evidence=evidence)

    def seen(remedy: str | None) -> Observation:
        return Observation(subject="archiver", ok=remedy is None, evidence=evidence, remedy=remedy)

    if on and a.means in (Means.COMMAND, Means.LIBRARY):
        if a.last_failed_age is not None and (a.last_archived_age is None or a.last_failed_age < a.last_archived_age):
            return seen(
                f"The server's log says why {a.last_failed_wal} could not be archived; mend that, and it goes on."
            )
        if a.last_archived_age is not None:
            waits = bool(a.behind_segments) or (a.waiting_age is not None and a.waiting_age > stalled_seconds)
            if a.last_archived_age > stalled_seconds and a.behind_segments is None and a.waiting_unseen:
                return unseen(
                    Reason.NO_PERMISSION,
                    f"the last that was archived is {a.last_archived_wal}; whether a segment waits behind it can't be seen",
                    f"grant pg_monitor to {quote_ident(server.role)};",
                )
            return seen(_STUCK if waits and a.last_archived_age > stalled_seconds else None)
        if a.waiting_age is not None and a.waiting_age > stalled_seconds:
            return seen(_STUCK)
    if streamed_to:
        return seen(None)
    if a.hidden_receivers:
        return unseen(
            Reason.NO_PERMISSION,
            "something streams WAL from here, and the role may not see whether it is an archive or a standby",
            f"grant pg_monitor to {quote_ident(server.role)};",
        )
    if a.provider and not a.archived:
        return unseen(
            Reason.NOT_OBSERVABLE,
            f"on {a.provider} WAL is archived out of the server's sight, if it is",
            "see the provider's console (point in time recovery), and vouch for it: "
            "readiness attest operations/wal-archiving-failing ...",
        )
    if not on:
        return seen(
            "alter system set archive_mode = on; -- and archive_command, by the backup tool's manual; then a restart"
        )
    if a.means is Means.NO_OP:
        return seen(
            "Set archive_command by the backup tool's manual; the present one reports success and keeps nothing."
        )
    if a.means is Means.MUTE:
        return seen(
            "Let archive_command end with the status of what keeps the segment (no `|| true`, no `; true`, nothing in the "
            "background): the server takes a success at its word, and recycles what was not kept."
        )
    if a.means is Means.NOTHING:
        return seen("Set archive_command by the backup tool's manual; until then WAL piles up, and the disk fills.")
    return unseen(
        Reason.INSUFFICIENT_SAMPLES,
        "nothing has been archived, and nothing has failed, since the statistics began",
        "select pg_catalog.pg_switch_wal();"
        + (
            f" -- and, to see whether a segment waits: grant pg_monitor to {quote_ident(server.role)};"
            if a.waiting_unseen
            else ""
        ),
    )


_STUCK = (
    "The archiver neither succeeds nor fails: see what archive_command (or archive_library) waits for, and end that."
)


def _rounded(age: float | None) -> int | None:
    return None if age is None else round(age)
