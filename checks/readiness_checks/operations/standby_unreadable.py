from readiness import RATIO, Answer, NotApplicable, Observation, Unseen, check
from readiness.facts.replication import Standbys, StandbyState
from readiness.model import Reason


@check(
    subject="standby",
    universe="standbys",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    `hot_standby = on` there, and a line in its own pg_hba.conf for who may read. Where the address leads to another
    server, or to what was promoted meanwhile, build the standby anew and mend the address.
    """,
    links=("https://www.postgresql.org/docs/current/hot-standby.html",),
)
def standby_unreadable(standbys: Standbys) -> Answer:
    """Every declared standby takes sessions, and is a standby of this very cluster.

    A standby that nobody ever read from is a hope. So each declared address is tried: whether a session comes about, is
    answered, and by a server of this cluster that is in recovery. One that was promoted by hand takes writes that will
    be lost.
    """
    if not standbys.by_name:
        return NotApplicable("0 standbys are declared, and none streams from this server")
    answers: list[Observation | Unseen] = []
    for name, state in standbys.by_name.items():
        if isinstance(state, StandbyState) and state.in_recovery and state.same_cluster is None:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NO_PERMISSION,
                    detail="it is a standby; whether of this very cluster can't be told",
                    unlock="grant execute on function pg_catalog.pg_control_system() to the auditor's role, here and there;",
                    evidence={"in_recovery": True},
                )
            )
        elif isinstance(state, StandbyState):
            answers.append(
                Observation(
                    subject=name,
                    ok=state.in_recovery and state.same_cluster is not False,
                    evidence={"in_recovery": state.in_recovery, "same_cluster": state.same_cluster},
                )
            )
        elif state.reason is Reason.UNREACHABLE:
            answers.append(Observation(subject=name, ok=False, evidence={"reply": state.detail}))
        else:
            answers.append(Unseen(subject=name, reason=state.reason, detail=state.detail, unlock=state.unlock))
    return answers
