from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.monitoring import AlertRoutes


@check(
    subject="address",
    universe="stages that an alert passes",
    priority="P1",
    effort="S",
    credit=RATIO,
    attestable=True,
    mend="""
    Name the Alertmanager in Prometheus' configuration (`alerting: alertmanagers:`), give its route a receiver with an
    integration, end silences that match everything, and mend the relabeling, inhibition or time interval that is named.
    """,
    links=("https://prometheus.io/docs/alerting/latest/configuration/",),
)
def alerts_go_nowhere(routes: AlertRoutes) -> Answer:
    """Alerts reach somebody: Prometheus has an Alertmanager, whose routes lead to receivers, and no silence covers all.

    A rule that fires in a Prometheus without Alertmanager, or into a receiver without an integration, is seen by whoever
    happens to look at its page. So it is asked of each declared trouble, too, where its alerts would go by the labels that
    their rules give them: a silence that was forgotten, a route that leads to nobody or is muted, relabeling that drops them,
    an inhibition by an alert that always fires. What hangs on labels that come from series isn't judged.
    """

    def alertmanager() -> Subject:
        if routes.mute is None:
            return Unseen(
                subject="Alertmanager",
                reason=Reason.NOT_OBSERVABLE,
                detail=routes.why,
                unlock="declare `monitoring.alertmanager:` in the profile",
            )
        return Observation(
            subject="Alertmanager",
            ok=not routes.mute and not routes.silenced,
            evidence={
                "receivers_that_tell_nobody": ", ".join(routes.mute) or None,
                "silences_of_everything": ", ".join(routes.silenced) or None,
            },
        )

    prometheus = Observation(
        subject="Prometheus",
        ok=routes.active > 0,
        evidence={"alertmanagers": routes.active, "dropped": routes.dropped or None},
    )
    return [prometheus, alertmanager(), *(_of_trouble(kind, why) for kind, why in routes.reached.items())]


def _of_trouble(kind: str, why: tuple[str, ...] | Unobservable) -> Subject:
    if isinstance(why, Unobservable):
        return Unseen(subject=kind, reason=why.reason, detail=why.detail, unlock=why.unlock)
    return Observation(subject=kind, ok=not why, evidence={"reach_nobody": why or None})
