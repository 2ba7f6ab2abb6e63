from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.replication import Standbys, StandbyState


@check(
    subject="standby",
    universe="standbys",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="`select pg_catalog.pg_wal_replay_resume();` on the standby; and where its settings stopped it, raise those first.",
    links=("https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL",),
)
def standby_replay_paused(standbys: Standbys) -> Answer:
    """Every standby follows its primary, and its replay is not paused.

    A standby whose replay somebody paused for an hour, or that a setting lower than its primary's has stopped, still
    receives, still answers, and shows the past until a failover finds out. One that receives nothing does the same.
    """
    if not standbys.by_name:
        return NotApplicable("0 standbys are declared, and none streams from this server")
    answers: list[Observation | Unseen] = []
    for name, state in standbys.by_name.items():
        if not isinstance(state, StandbyState):
            answers.append(Unseen(subject=name, reason=state.reason, detail=state.detail, unlock=state.unlock))
            continue
        if not state.in_recovery:
            continue  # operations/standby-unreadable says so
        answers.append(
            Observation(
                subject=name,
                ok=state.receiving and not state.paused,
                evidence={
                    "receiving": state.receiving,
                    "paused": state.paused,
                    "caught_up": state.caught_up,
                    "replayed_age_seconds": None if state.replayed_age is None else round(state.replayed_age, 1),
                    "primary_heard_of_seconds": None if state.heard_age is None else round(state.heard_age, 1),
                },
                remedy="-- On the standby.\nselect pg_catalog.pg_wal_replay_resume();" if state.paused else None,
            )
        )
    return answers or NotApplicable("0 of the declared standbys are standbys")
