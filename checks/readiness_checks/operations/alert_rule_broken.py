from readiness import RATIO, Answer, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.monitoring import AlertRules, Rule


@check(
    subject="rule",
    universe="alert rules",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Mend the expression, or the metric's name and labels (exporters rename metrics between versions), or have the target scraped
    again. A rule that nobody needs any more is better removed than left to look alive.
    """,
    links=("https://prometheus.io/docs/prometheus/latest/querying/api/#rules",),
)
def alert_rule_broken(rules: AlertRules) -> Answer:
    """Every alert rule can be evaluated, and what it reads arrives.

    A rule over a metric without a series is healthy and inactive for ever, to Prometheus and to whoever looks at its page.
    Whether there are series is seen in Prometheus alone; of rules in files only the syntax is looked at.
    """
    return [_judge(rule, rules) for rule in rules.alerting]


def _judge(rule: Rule, rules: AlertRules) -> Subject:
    if rule.unread and not rule.trouble:
        return Unseen(subject=rule.subject, reason=Reason.NOT_OBSERVABLE, detail=rule.unread)
    dead = rules.dead(rule)
    trouble = rule.trouble or (f"no series of {', '.join(dead)} in the last hour" if dead else None)
    return Observation(
        subject=rule.subject, ok=trouble is None, evidence={"trouble": trouble, "expression": rule.query}
    )
