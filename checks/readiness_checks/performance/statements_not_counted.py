from readiness import BINARY, Answer, Observation, check
from readiness.facts.statements import StatementCollector

_EVICTED_AT_ONCE = 0.05  # of pg_stat_statements.max, at least 10 (USAGE_DEALLOC_PERCENT, pg_stat_statements.c)


@check(
    subject="extension",
    universe="collectors of statements",
    priority="P0",
    effort="S",
    credit=BINARY,
    mend="""
    Add pg_stat_statements to shared_preload_libraries, restart, and create the extension in this database. Where it makes
    room too often, raise pg_stat_statements.max (a restart), or find who sends statements with their values written in.
    """,
    links=("https://www.postgresql.org/docs/current/pgstatstatements.html",),
)
def statements_not_counted(collector: StatementCollector, *, recycled_hours: float = 48) -> Answer:
    """There is a baseline of what statements take: they are counted, in this database too, and kept for long.

    When it is slow, the first question is which statement takes the time, and whether it always did. Without
    pg_stat_statements nobody knows, and installing it then takes a restart. It keeps so many statements and throws the rarest out: where all of them are replaced
    within two days, last night's job is gone in the morning.
    """
    c = collector
    within: float | None = None  # hours in which all of its places are given anew, at the pace so far
    if c.evictions and c.most and c.window_seconds:
        replaced = c.evictions * max(10, c.most * _EVICTED_AT_ONCE)
        within = c.window_seconds / 3600 * c.most / replaced if replaced >= c.most else None
    remedy = None
    if not c.loaded:
        remedy = (
            "Add pg_stat_statements to shared_preload_libraries, keeping what stands there, and restart the server; then: "
            "create extension if not exists pg_stat_statements;"
        )
    elif not c.installed:
        remedy = "create extension pg_stat_statements;"
    elif c.track == "none":
        remedy = "alter system set pg_stat_statements.track = top;\nselect pg_catalog.pg_reload_conf();"
    elif c.untracked:
        remedy = "\n".join(f"alter {whose} reset pg_stat_statements.track;" for whose in c.untracked)
    elif within is not None and within <= recycled_hours:
        remedy = f"alter system set pg_stat_statements.max = {4 * (c.most or 5000)}; -- and a restart"
    return Observation(
        subject="pg_stat_statements",
        ok=remedy is None,
        evidence={
            "loaded": c.loaded,
            "installed_here": c.installed,
            "track": c.track,
            **({"not_of": c.untracked} if c.untracked else {}),
            "kept": c.kept,
            "most": c.most,
            "evictions": c.evictions,
            "all_replaced_within_hours": None if within is None else round(within, 1),
        },
        remedy=remedy,
    )
