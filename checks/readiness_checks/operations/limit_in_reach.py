from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isfinite

from readiness import BINARY, Answer, Observation, Reason, Unseen, check, trends
from readiness.facts.capacity import DATABASES, EarlierFigures, Figure, Figures, MonitoredFigures
from readiness.facts.target import Target
from readiness.model import Scalar, count_of

SHOWN = 40  # points of a series in a report
FAR = 3650.0  # days: what lies beyond is told as never


@check(
    subject="server",
    universe="figures that grow",
    priority="P2",
    effort="M",
    credit=BINARY,
    mend="""
    Disk: a larger volume before the earliest day, or old rows moved out (partitions). Connections: a pooler, smaller
    pools. Sequences: bigint. Transaction ids: find what holds vacuum back. Audit often enough to see it come: a week of
    daily runs is the least.
    """,
    links=("https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator",),
)
def limit_in_reach(
    figures: Figures, earlier: EarlierFigures, monitored: MonitoredFigures, target: Target, *, days: float = 90
) -> Answer:
    """Nothing that grows meets its limit within the next months.

    A disk that fills, numbers that run out and slots that are taken end a platform on a day that could be told months
    ahead. Each figure is taken at every audit (or from Prometheus, where the profile names a query for it); a robust
    line through eight points of a week or more gives the days that are left as a range, of which the earliest counts. What
    stands at its limit now needs no line.
    """
    answers: list[Observation | Unseen] = [
        Unseen(subject=name, reason=u.reason, detail=u.detail, unlock=u.unlock) for name, u in figures.unseen.items()
    ]
    answers += [
        Unseen(
            subject=name,
            reason=Reason.NOT_CONFIGURED,
            detail="the profile names a query for it (capacity.queries), and no figure of this name is looked at",
            unlock=f"name one of these: {', '.join(figures.by_name)}",
        )
        for name in [*monitored.points, *monitored.unseen]
        if name not in figures.by_name and name not in figures.unseen
    ]
    for name, figure in figures.by_name.items():
        kept = round(figure.value, 3)  # as earlier ones were: a counter that stands still must not seem to fall
        at = [*(monitored.points.get(name) or earlier.points.get(name, ())), (target.now, kept)]
        source = "Prometheus" if monitored.points.get(name) else "earlier audits"
        answers.append(_looked(name, figure, at, source, monitored.unseen.get(name), days))
    return answers


def _looked(
    name: str, figure: Figure, at: Sequence[tuple[datetime, float]], source: str, unseen: str | None, days: float
) -> Observation | Unseen:
    now = at[-1][0]
    past = [(moment, value) for moment, value in at if moment <= now]  # a clock that was wrong tells no trend
    found = trends.hourly([((moment - now).total_seconds() / 86400, value) for moment, value in past])
    points = found if figure.reset_by is None else trends.since_reset(found, drop=figure.reset_by)
    shown = trends.thinned(points, SHOWN)
    evidence: dict[str, Scalar | list[Scalar]] = {
        "figure": "capacity",
        "unit": figure.unit,
        "value": at[-1][1],
        "limit": figure.limit,
        "note": figure.note,
        "source": source,
        "points": len(points),
        "over_days": round(points[-1][0] - points[0][0], 1),
        "resets": len(found) - len(points),
        "series_at": [(now + timedelta(days=day)).isoformat(timespec="minutes") for day, _ in shown],
        "series": [round(value, 3) for _, value in shown],
    }
    if figure.limit is not None and figure.value >= figure.limit:  # it is there: no line need lead to it
        return Observation(subject=name, kind=figure.kind, ok=False, evidence={**evidence, "days_left": 0.0})
    if unseen is not None:
        return Unseen(subject=name, kind=figure.kind, reason=Reason.UNREACHABLE, detail=unseen, evidence=evidence)
    if not trends.enough(points):
        return Unseen(
            subject=name,
            kind=figure.kind,
            reason=Reason.INSUFFICIENT_SAMPLES,
            detail=(
                f"{count_of(len(points), 'points')} over {points[-1][0] - points[0][0]:.1f} days: no trend; "
                f"{trends.LEAST_POINTS} over {trends.LEAST_DAYS:g} days tell one"
            ),
            unlock="audit daily (readiness serve, or a job), and keep the evidence store",
            evidence=evidence,
        )
    line = trends.trend(points)
    evidence |= {
        "per_day": _rounded(line.slope),
        "per_day_lower": _rounded(line.slope_low),
        "per_day_upper": _rounded(line.slope_high),
    }
    if figure.limit is None:
        if name == DATABASES:
            return Unseen(
                subject=name,
                kind=figure.kind,
                reason=Reason.NOT_CONFIGURED,
                detail="the profile doesn't say how large the volume is",
                unlock="declare `capacity: {disk_gb: ...}` in the profile",
                evidence=evidence,
            )
        return Observation(subject=name, kind=figure.kind, ok=True, evidence=evidence)
    # What only grows stands where it stands now, however level the line was before its last step.
    earliest, likely, latest = line.reaches(figure.limit, present=None if figure.reset_by is None else figure.value)
    evidence |= {"days_lower": _days(earliest), "days_left": _days(likely), "days_upper": _days(latest)}
    if likely < FAR:
        evidence["full_at"] = (now + timedelta(days=likely)).isoformat(timespec="minutes")
    return Observation(subject=name, kind=figure.kind, ok=earliest > days, evidence=evidence)


def _days(days: float) -> float | str:
    return round(days, 1) if days < FAR else "more than ten years"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if isfinite(value) else value
