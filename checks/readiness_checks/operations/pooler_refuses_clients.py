from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.pooler import Poolers
from readiness.facts.target import Target


@check(
    subject="server",
    universe="poolers",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    Raise max_client_conn, and the limit of open files that the pooler runs under (LimitNOFILE) with it: each client takes one,
    and each server connection another.
    """,
    links=("https://www.pgbouncer.org/config.html#max_client_conn",),
)
def pooler_refuses_clients(poolers: Poolers, target: Target, *, percent: float = 80) -> Answer:
    """Each pooler takes as many clients as were promised, and has room for more than it has now.

    A client over max_client_conn is refused at once, with "no more connections allowed". PgBouncer's default is 100, which is
    soon reached: that is the number of clients, not of server connections.
    """
    if not poolers.by_name and not poolers.unseen:
        return NotApplicable("0 poolers")
    promised = target.profile.targets.connections
    return [
        *(
            Observation(
                subject=name,
                ok=p.most_clients >= promised and p.clients * 100 < p.most_clients * percent,
                evidence={
                    "max_client_conn": p.most_clients,
                    "clients_now": p.clients,
                    "promised_connections": promised,
                },
            )
            for name, p in poolers.by_name.items()
        ),
        *poolers.unseen,
    ]
