from readiness import RATIO, Answer, NotApplicable, Observation, check, quote_ident
from readiness.facts.roles import ServiceRoles
from readiness.facts.target import Services


@check(
    subject="service",
    universe="services that use Postgres",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="Make a role for each service (`create role ... login`), grant it its own schema, and name it in the profile.",
)
def shared_service_role(services: Services, roles: ServiceRoles) -> Answer:
    """Each service connects as a role of its own, and that role is there.

    With one role for all, every service may do what any of them needs, no statement and no session can be told apart,
    and a leaked password is everybody's.
    """
    using = {name: s for name, s in services.by_name.items() if s.uses_postgres}
    if not using:
        return NotApplicable("0 services use Postgres")
    by_role: dict[str, list[str]] = {}
    for name, s in using.items():
        if s.role:
            by_role.setdefault(s.role, []).append(name)
    answers = []
    for name, s in using.items():
        others = [other for other in by_role.get(s.role or "", []) if other != name]
        if s.role is None:
            state, remedy = "no role is declared", None
        elif s.role not in roles.by_name:
            state, remedy = "the role is not in the database", f"create role {quote_ident(s.role)} login;"
        else:
            state, remedy = (f"shared with {', '.join(others)}" if others else "its own"), None
        ok = state == "its own"
        answers.append(
            Observation(subject=name, ok=ok, evidence={"role": s.role, "state": state}, remedy=None if ok else remedy)
        )
    return answers
