from readiness import BINARY, Answer, NotApplicable, Observation, Reason, Unknown, Unseen, check
from readiness.facts.replication import NOT_LOWER, Standbys, StandbyState


@check(
    subject="setting",
    universe="settings that a standby must have as high as its primary",
    priority="P1",
    effort="S",
    credit=BINARY,
    mend="""
    Raise it on the standby and restart that; when both are raised, the standby first, and when both are lowered, the
    primary first.
    """,
    links=("https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN",),
)
def standby_setting_lower(standbys: Standbys) -> Answer:
    """No standby has a setting lower than its primary that replay needs.

    What the primary may hold (connections, locks, prepared transactions) the standby must have room for. Where it has
    less, its replay stops in the middle of the day on which the primary makes use of it, or it doesn't start again.
    """
    if not standbys.by_name:
        return NotApplicable("0 standbys are declared, and none streams from this server")
    if not standbys.primary:
        return Unknown(
            reason=Reason.WRONG_ROLE,
            detail="from a standby its primary's settings are not seen",
            unlock="audit the primary, and declare its standbys in the profile (standbys)",
        )
    answers: list[Observation | Unseen] = []
    for name, state in standbys.by_name.items():
        if not isinstance(state, StandbyState):
            answers.append(Unseen(subject=name, reason=state.reason, detail=state.detail, unlock=state.unlock))
            continue
        for setting in NOT_LOWER if state.in_recovery else ():
            ours, theirs = int(standbys.primary[setting]), int(state.settings[setting])
            answers.append(
                Observation(
                    subject=f"{name}: {setting}",
                    ok=theirs >= ours,
                    evidence={"standby": theirs, "primary": ours},
                    remedy=f"-- On the standby, which then restarts.\nalter system set {setting} = {ours};",
                )
            )
    return answers or NotApplicable("0 of the declared standbys are standbys")
