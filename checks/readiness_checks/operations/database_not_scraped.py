from readiness import BINARY, Answer, Observation, check
from readiness.facts.monitoring import ScrapedDatabase
from readiness.facts.server import Server


@check(
    subject="server",
    universe="audited servers",
    priority="P1",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    Run postgres_exporter with a role of its own (`grant pg_monitor to ...`), have Prometheus scrape it, and name the labels of
    its series in `monitoring.labels`, where Prometheus knows several servers.
    """,
    links=("https://github.com/prometheus-community/postgres_exporter",),
)
def database_not_scraped(scraped: ScrapedDatabase, server: Server) -> Answer:
    """Prometheus has fresh metrics of this very server.

    An exporter that lost its password, or a target that was renamed, stops the figures without a word: graphs end, and alerts
    over them stay silent. What arrives must be young, the exporter must reach the database, and the server that it tells of
    must be the audited one.
    """
    wrong = []
    if scraped.age is None:
        wrong.append("no exporter's pg_up in the last hour")
    elif scraped.age > scraped.fresh_seconds:
        wrong.append(f"the newest sample is {scraped.age:.0f} s old")
    if scraped.down:
        wrong.append(f"targets that are down: {', '.join(scraped.down)}")
    if scraped.reached is False:
        wrong.append("the exporter doesn't reach the database (pg_up = 0)")
    if scraped.failing:
        wrong.append("the exporter's last scrape had errors (pg_exporter_last_scrape_error)")
    if scraped.started_at is not None and abs(scraped.started_at - server.started_at) > 2:
        wrong.append("the exporter tells of a server that started at another time")
    elif scraped.databases and server.database not in scraped.databases:
        wrong.append(f"the exporter knows no database {server.database}")
    return Observation(
        subject="exporter",
        ok=not wrong,
        evidence={
            "wrong": "; ".join(wrong) or None,
            "age_seconds": None if scraped.age is None else round(scraped.age, 1),
            "exporters": scraped.instances,
        },
    )
