from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.replication import Standbys, StandbyState


@check(
    subject="standby",
    universe="standbys",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    max_standby_streaming_delay (and max_standby_archive_delay) = 30s or what the promised lag bears (-1 waits for ever). Where too many queries are
    cancelled, hot_standby_feedback = on spares them, at the price of dead rows on the primary; or a standby of its own
    for long reports.
    """,
    links=("https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT",),
)
def standby_delays_unbounded(standbys: Standbys, *, cancelled_a_day: float = 10) -> Answer:
    """A standby's queries neither stop its replay for ever nor are cancelled all the time.

    Replay and a standby's own queries stand in each other's way. With max_standby_streaming_delay = -1 one forgotten
    report holds replay up without end, and with it what a failover would find; with a short one and no feedback the
    reports fail. A standby that takes WAL from an archive too goes by max_standby_archive_delay meanwhile.
    """
    if not standbys.by_name:
        return NotApplicable("0 standbys are declared, and none streams from this server")
    answers: list[Observation | Unseen] = []
    for name, state in standbys.by_name.items():
        if not isinstance(state, StandbyState):
            answers.append(Unseen(subject=name, reason=state.reason, detail=state.detail, unlock=state.unlock))
            continue
        if not state.in_recovery:
            continue
        days = max(1.0, state.statistics_days or 0.0)
        delays = {"max_standby_streaming_delay": int(state.settings["max_standby_streaming_delay"])}
        if state.settings.get("restore_command"):
            delays["max_standby_archive_delay"] = int(state.settings["max_standby_archive_delay"])
        endless = [setting for setting, delay in delays.items() if delay < 0]
        answers.append(
            Observation(
                subject=name,
                ok=not endless and state.cancelled / days <= cancelled_a_day,
                evidence={
                    **{f"{setting}_seconds": delay / 1000 if delay >= 0 else None for setting, delay in delays.items()},
                    "hot_standby_feedback": state.settings["hot_standby_feedback"],
                    "cancelled": state.cancelled,
                    "in_days": round(days, 1),
                },
                remedy="\n".join(
                    [
                        "-- On the standby.",
                        *(f"alter system set {setting} = '30s';" for setting in endless),
                        "select pg_catalog.pg_reload_conf();",
                    ]
                )
                if endless
                else None,
            )
        )
    return answers or NotApplicable("0 of the declared standbys are standbys")
