from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.roles import ServiceRoles
from readiness.facts.sessions import ConnectionLimits
from readiness.facts.target import Services


@check(
    subject="service",
    universe="services that use Postgres, and the sum of their pools",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Bound each service's pool (20 connections, 2 kept, idle ones closed after 30 s, is a good start), times its instances,
    so that the sum fits max_connections less its reserves; or put a pooler (PgBouncer) between, in transaction mode.
    """,
    links=("https://www.postgresql.org/docs/current/runtime-config-connection.html",),
)
def unbounded_pool(services: Services, roles: ServiceRoles, limits: ConnectionLimits) -> Answer:
    """Every service's pool is bounded, none is seen over its bound, and together they fit the server.

    A pool without a bound grows with the load, until no slot is left for anybody, the administrator who would look into it
    included. The bounds are what the profile declares; sessions are counted now, under each service's role. A service behind a
    pooler has clients there instead: they are not added up here (`operations/pooler-exceeds-server` has the poolers').
    """
    using = {name: s for name, s in services.by_name.items() if s.uses_postgres}
    if not using:
        return NotApplicable("0 services use Postgres")
    shared = [s.role for s in using.values()]
    answers: list[Observation | Unseen] = []
    total = 0
    for name, s in using.items():
        if s.pool is None:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NOT_CONFIGURED,
                    detail="the profile doesn't say how its pool is bounded",
                    unlock=f"declare services.{name}.pool in the profile",
                )
            )
            continue
        most = s.pool.max * s.pool.instances
        total += 0 if s.pooler else most
        role = roles.by_name.get(s.role or "")
        seen = role.sessions if role and shared.count(s.role) == 1 else None
        answers.append(
            Observation(subject=name, ok=seen is None or seen <= most, evidence={"most": most, "sessions_now": seen})
        )
    if all(s.pool for s in using.values()):
        answers.append(
            Observation(
                subject="all pools",
                ok=total <= limits.usable,
                evidence={"sum": total, "usable_connections": limits.usable, "max_connections": limits.max_connections},
                kind="server",
            )
        )
    return answers
