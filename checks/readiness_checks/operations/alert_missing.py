from readiness import RATIO, Answer, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.monitoring import AlertRules


@check(
    subject="rule",
    universe="troubles that must raise an alert",
    priority="P0",
    effort="M",
    credit=RATIO,
    attestable=True,
    mend="""
    Add a rule for each (`readiness serve --write-monitoring DIR` writes some for postgres_exporter), have Prometheus load it,
    and see that the metrics that it reads arrive. Then try it: `readiness drill alerts`.
    """,
    links=("https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/",),
)
def alert_missing(rules: AlertRules) -> Answer:
    """Every declared trouble has an alert rule that can fire: connections run out, slow queries, lag, old backups, disk, ids.

    A rule is known by the metrics that it reads, not by its name. One whose metrics don't arrive stays green for ever, and is
    no rule. Rules in files are taken at their word: whether a Prometheus has loaded them, only a Prometheus can tell.
    """
    return [_judge(kind, rules) for kind in rules.kinds]


def _judge(kind: str, rules: AlertRules) -> Subject:
    of_kind = rules.of_kind(kind)
    sound = [r.subject for r in of_kind if not r.trouble and not rules.dead(r)]
    unread = [r.subject for r in rules.alerting if r.unread]
    if not sound and unread:
        detail = f"no rule that can be read tells of it; these can't be: {', '.join(unread)}"[:1000]
        return Unseen(subject=kind, reason=Reason.NOT_OBSERVABLE, detail=detail)
    broken = [f"{r.subject}: {r.trouble or 'no series of ' + ', '.join(rules.dead(r))}" for r in of_kind]
    return Observation(
        subject=kind,
        ok=bool(sound),
        evidence={
            "rules": sound or None,
            "cannot_fire": None if sound else broken or None,
            "source": "Prometheus" if rules.loaded else "rule files",
        },
    )
