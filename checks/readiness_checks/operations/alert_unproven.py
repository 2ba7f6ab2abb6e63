from readiness import RATIO, Answer, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.drills import DrillRecords
from readiness.facts.monitoring import AlertRules


@check(
    subject="rule",
    universe="troubles that must raise an alert",
    priority="P0",
    effort="M",
    credit=RATIO,
    attestable=True,
    mend="""
    Run `readiness drill alerts`: on made series promtool shows which rules fire in trouble, which never do, and which fire
    although all is well. Mend what it names, and run it again.
    """,
    links=("https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/",),
)
def alert_unproven(drills: DrillRecords, rules: AlertRules) -> Answer:
    """Alerts were seen to fire in the trouble that they are for, and to be silent when all is well.

    A rule that reads well may never fire: a comparison that no value meets, sides whose labels never match, a `for` that
    nothing lasts. The proof counts for the rules as they were tried.
    """
    if not rules.kinds:
        return []
    unlock = "readiness drill alerts"
    drill = drills.proved("alerts", unlock=unlock)
    tried = dict(line.rsplit(" ", 1) for line in drill.evidence.get("rules", []))
    evidence = {"taken_at": drill.taken_at.isoformat(), "drill": drill.id}

    def told(what: str, kind: str) -> list[str]:
        lines = drill.evidence.get(what, [])
        return [line.removeprefix(f"{kind}: ") for line in lines if line.startswith(f"{kind}: ")]

    def judge(kind: str) -> Subject:
        if tried.get(kind) != rules.sha256(kind):
            why = "its rules changed since" if kind in tried else "it was not tried"
            return Unseen(subject=kind, reason=Reason.STALE, detail=why, unlock=unlock)
        findings = told("findings", kind)
        if not findings and not told("proved", kind):
            why = "; ".join(told("unproved", kind)) or "no rule was seen to fire in it"
            return Unseen(subject=kind, reason=Reason.NOT_OBSERVABLE, detail=why[:1000], unlock=unlock)
        return Observation(
            subject=kind,
            ok=not findings,
            evidence={**evidence, "proved": told("proved", kind) or None, "findings": findings or None},
            expires=drill.expires_at,
        )

    return [judge(kind) for kind in rules.kinds]
