from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unknown, Unseen, check
from readiness.facts.capacity import CONNECTIONS, DATABASES, EarlierFigures, Figures
from readiness.facts.target import Target
from readiness.model import Evidence

# The path that a platform on PostgreSQL grows along, and what each stage of it adds.
PATH = (
    (1_000, "one server, basic indexes"),
    (10_000, "read replicas, a pooler (PgBouncer), materialized views"),
    (100_000, "partitioned tables, sharding (Citus), time series apart (TimescaleDB)"),
    (1_000_000, "several regions, automatic failover"),
)


@check(
    subject="server",
    universe="stages of growth",
    priority="info",
    effort="L",
    credit=RATIO,
    mend="Take the step that is named for what breaks first, before the users are there.",
)
def growth_step_open(figures: Figures, earlier: EarlierFigures, target: Target, *, one_table_gb: float = 100) -> Answer:
    """The platform as it is bears the next stages of its growth.

    What a thousand users need may be known; what ten thousand will break first can be computed: everything that has a
    limit is taken to grow with the users as it stands to them today. That is a scenario and no forecast (caches, quiet
    users and new features bend the line), so it weighs nothing.
    """
    users = target.profile.capacity.users
    if users is None:
        return Unknown(
            reason=Reason.NOT_CONFIGURED,
            detail="the profile doesn't say how many users there are",
            unlock="declare `capacity: {users: ...}` in the profile",
        )
    ends: list[tuple[float, str, str]] = []
    for name, figure in figures.by_name.items():
        most = max([figure.value, *(value for _, value in earlier.points.get(name, ()))])
        limit = one_table_gb * 1024 if figure.kind == "table" else figure.limit
        if limit is not None and most > 0 and (figure.kind != "server" or name in STEPS):
            step = STEPS[name if name in STEPS else figure.kind]
            ends.append((users * limit / most, f"{name}: {limit:,.0f} {figure.unit}", step))
    ends.sort()
    answers: list[Observation | Unseen] = []
    for stage, adds in PATH:
        if stage <= users:
            continue
        broken = [end for end in ends if end[0] <= stage]
        evidence: Evidence = {
            "users_now": users,
            "breaks": [f"{what} at {at:,.0f} users" for at, what, _ in broken],
            "step": broken[0][2] if broken else None,
            "stage_adds": adds,
        }
        name = f"{stage:,} users"
        if broken or (
            DATABASES in figures.by_name and figures.by_name[DATABASES].limit is not None and not figures.unseen
        ):
            answers.append(Observation(subject=name, ok=not broken, evidence=evidence))
        elif figures.unseen:
            what, why = next(iter(figures.unseen.items()))
            detail = f"nothing that is known breaks, and this is not: {what}: {why.detail}"
            answers.append(Unseen(subject=name, reason=why.reason, detail=detail, unlock=why.unlock, evidence=evidence))
        else:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NOT_CONFIGURED,
                    detail="nothing that is known breaks, and the volume's size is not known",
                    unlock="declare `capacity: {disk_gb: ...}` in the profile, and audit as a member of pg_monitor",
                    evidence=evidence,
                )
            )
    return answers or NotApplicable(f"0 stages of growth lie beyond {users:,} users")


STEPS = {
    CONNECTIONS: "a pooler (PgBouncer in transaction mode), as of 10,000 users",
    DATABASES: "a larger volume, then sharding (Citus), as of 100,000 users",
    "table": "partitions, as of 100,000 users",
    "sequence": "bigint or UUID keys",
}
