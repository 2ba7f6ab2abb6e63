from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.roles import ServiceRole, ServiceRoles
from readiness.facts.sessions import StatementCounts
from readiness.facts.target import Services


@check(
    subject="service",
    universe="services that should keep their data in Postgres",
    priority="P0",
    effort="L",
    credit=RATIO,
    mend="""
    Move what the service keeps in memory or in files into its own schema, and let it connect as its own role. Where it
    does so already, name that role in the profile.
    """,
)
def service_not_on_postgres(services: Services, roles: ServiceRoles, counts: StatementCounts) -> Answer:
    """Every service that should keep its data in Postgres is seen there, under its own role.

    What a service keeps in memory is gone with its next restart; what it writes to its own disk is in no backup and in no
    second instance. Seen are sessions now, and statements since the statistics began.
    """
    using = {name: s for name, s in services.by_name.items() if s.uses_postgres}
    if not using:
        return NotApplicable("0 services are declared to use Postgres")
    shared = [s.role for s in using.values()]
    answers: list[Observation | Unseen] = []
    for name, s in using.items():
        if s.role is None:
            answers.append(Observation(subject=name, ok=False, evidence={"role": "none is declared"}))
        elif s.role not in roles.by_name:
            answers.append(
                Observation(subject=name, ok=False, evidence={"role": s.role, "state": "not in the database"})
            )
        elif shared.count(s.role) > 1:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NOT_OBSERVABLE,
                    detail=f"it shares the role {s.role} with another service, so that its sessions can't be told apart",
                    unlock="give each service a role of its own",
                )
            )
        else:
            answers.append(_judge(name, roles.by_name[s.role], counts))
    return answers


def _judge(name: str, role: ServiceRole, counts: StatementCounts) -> Observation | Unseen:
    calls = counts.by_role.get(role.quoted, 0) if counts.by_role is not None else None
    if role.sessions or calls:
        return Observation(
            subject=name, ok=True, evidence={"role": role.quoted, "sessions": role.sessions, "statements": calls}
        )
    if calls is None:
        return Unseen(
            subject=name,
            reason=Reason.INSUFFICIENT_SAMPLES,
            detail=f"no session of {role.quoted} at this moment, and its statements can't be seen: {counts.why}",
            unlock=counts.unlock,
        )
    return Observation(subject=name, ok=False, evidence={"role": role.quoted, "sessions": 0, "statements": 0})
