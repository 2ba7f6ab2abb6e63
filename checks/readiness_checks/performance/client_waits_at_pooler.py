from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.pooler import Poolers
from readiness.model import quote_ident


@check(
    subject="server",
    universe="pools of the poolers",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Look for what holds the server connections: transactions left open, slow statements, session mode where transaction mode
    would do. Then raise pool_size, as far as the server bears it: more sessions at work than it has cores and disks for make
    all of them slower.
    """,
    links=("https://www.pgbouncer.org/usage.html#show-pools",),
)
def client_waits_at_pooler(poolers: Poolers, *, seconds: float = 1, mean_ms: float = 10) -> Answer:
    """No client stands in line at a pooler for a server connection.

    The wait comes before the query begins, so the server's own statistics don't have it: the application is slow and the
    database looks idle. Told is how long the first in line has waited now, and the mean wait of a transaction over the last
    whole period of the pooler's statistics (a minute by default).
    """
    pools = [(name, pool) for name, p in poolers.by_name.items() for pool in p.pools]
    if not pools and not poolers.unseen:
        return NotApplicable("0 pools")
    return [
        *(
            Observation(
                subject=f"{name}: {quote_ident(pool.entry)} as {quote_ident(pool.user)}",
                ok=pool.longest_wait < seconds and (pool.mean_wait_ms or 0) < mean_ms,
                evidence={
                    "waiting": pool.waiting,
                    "longest_wait_seconds": round(pool.longest_wait, 3),
                    "mean_wait_ms": pool.mean_wait_ms,
                    "clients": pool.clients,
                    "server_connections": pool.servers,
                    "mode": pool.mode or None,
                },
            )
            for name, pool in pools
        ),
        *poolers.unseen,
    ]
