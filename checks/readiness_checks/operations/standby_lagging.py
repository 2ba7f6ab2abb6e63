from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.replication import Follower, Followers
from readiness.facts.target import Target


@check(
    subject="standby",
    universe="standbys",
    priority="P1",
    effort="M",
    credit=RATIO,
    needs=["primary", "pg_monitor"],
    mend="""
    See first whether its replay is paused (`select pg_catalog.pg_is_wal_replay_paused()` there). Else it waits for its own
    queries (max_standby_streaming_delay), for its disk, for the network, or for one process that replays what many
    write: fewer and smaller bulk writes, more I/O there, recovery_prefetch.
    """,
    links=("https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW",),
)
def standby_lagging(followers: Followers, target: Target) -> Answer:
    """Every standby has replayed what the primary wrote within the promised time.

    Who reads from a standby that lags reads the past, and a failover loses what it has not received. It is measured: how
    long until all that was written when we looked is replayed there. So an idle primary's standby has no lag, and one
    whose replay is paused has one, which the server's own figures have the other way round. Where the profile declares more
    standbys than stream from here, some are fed by others, and each is asked itself.
    """
    limit = target.profile.targets.standby_lag_seconds
    if not followers.standbys and not followers.asked:
        return NotApplicable("0 standbys stream from this server")
    answers: list[Observation | Unseen] = []
    measured = {s.name: s for s in followers.standbys}
    for name, seen in followers.asked.items():
        if isinstance(seen, Follower):
            measured[name] = seen
        elif name not in measured:
            answers.append(Unseen(subject=name, reason=seen.reason, detail=seen.detail, unlock=seen.unlock))
    for s in measured.values():
        evidence = {
            "figure": "replication_lag",
            "unit": "s",
            "value": None if s.lag_seconds is None else round(s.lag_seconds, 3),
            "target": limit,
            "behind_bytes": s.behind_bytes,
            "state": s.state,
            "waited_seconds": round(s.waited_seconds, 1),
        }
        if s.lag_seconds is None and s.waited_seconds < limit:
            detail = f"it is more than {s.waited_seconds:.0f} s behind, which is as long as was waited"
            answers.append(Unseen(subject=s.name, reason=Reason.TIMEOUT, detail=detail, evidence=evidence))
        else:
            ok = s.lag_seconds is not None and s.lag_seconds <= limit
            answers.append(Observation(subject=s.name, ok=ok, evidence=evidence))
    return answers
