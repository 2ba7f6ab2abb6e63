from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.pooler import Poolers
from readiness.facts.sessions import ConnectionLimits
from readiness.facts.target import Services
from readiness.model import quote_ident


@check(
    subject="server",
    universe="poolers, and the sum of what may connect",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Lower default_pool_size (there is a pool for each pair of user and database), or bound the sum with max_db_connections; or
    give the server more connections. Leave room for who connects directly: migrations, backups, the administrator.
    """,
    links=("https://www.pgbouncer.org/config.html#pool_size",),
)
def pooler_exceeds_server(poolers: Poolers, services: Services, limits: ConnectionLimits) -> Answer:
    """What the poolers may open, with the pools of those who connect directly, fits the server.

    A pooler opens a pool of its own for each user of each database. The sum grows with every user, and when it is over
    max_connections less its reserves, it shows under load first: then clients are refused although the pooler was to prevent
    just that. Counted are the users that each pooler has now, and max_db_connections where it is set.
    """
    if not poolers.by_name and not poolers.unseen:
        return NotApplicable("0 poolers")
    answers: list[Observation | Unseen] = [*poolers.unseen]
    total, known = 0, not poolers.unseen
    for name, pooler in poolers.by_name.items():
        if pooler.ours is None:
            known = False
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NOT_OBSERVABLE,
                    detail="its [databases] lead to several servers, and none by the address that the audit uses",
                    unlock=f"say which: poolers.{name}.server: host:port",
                )
            )
            continue
        counts = {e.name: pooler.most_servers(e) for e in pooler.ours}
        most = sum(n for n, _ in counts.values())
        total += most
        answers.append(
            Observation(
                subject=name,
                ok=most <= limits.usable,
                evidence={
                    "most": most,
                    "usable_connections": limits.usable,
                    "bounded_whoever_comes": all(bounded for _, bounded in counts.values()),
                    "by_database": [f"{quote_ident(n)}: {count}" for n, (count, _) in sorted(counts.items())],
                    "pool_size": int(pooler.config.get("default_pool_size", 0)),
                    "mode": pooler.mode,
                    "version": pooler.version,
                },
            )
        )
    direct = {n: s for n, s in services.by_name.items() if s.uses_postgres and not s.pooler}
    if known and all(s.pool for s in direct.values()):
        own = sum(s.pool.max * s.pool.instances for s in direct.values() if s.pool)
        answers.append(
            Observation(
                subject="all poolers and pools",
                ok=total + own <= limits.usable,
                evidence={
                    "poolers": total,
                    "direct_pools": own,
                    "usable_connections": limits.usable,
                    "max_connections": limits.max_connections,
                },
            )
        )
    elif known:
        missing = sorted(n for n, s in direct.items() if not s.pool)
        answers.append(
            Unseen(
                subject="all poolers and pools",
                reason=Reason.NOT_CONFIGURED,
                detail=f"the profile doesn't say how {', '.join(missing)} is bounded, or that it connects through a pooler",
                unlock=f"declare services.{missing[0]}.pool or .pooler in the profile",
            )
        )
    return answers
