"""What the server answers with, as text. Values come from databases and profiles: the templates escape every one."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from readiness.history import RunRecord
from readiness.reporting import html as report_page
from readiness.reporting.formats import render
from readiness.scoring import tenths
from readiness.serving.board import Seen


@cache
def _templates() -> Environment:
    found = Environment(
        loader=FunctionLoader(lambda name: (files("readiness_reports") / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "ago": ago,
        "utc": lambda t: f"{t:%Y-%m-%d %H:%M:%S} UTC",
        "points": lambda exact: f"{tenths(Fraction(exact)):.1f}",
    }
    return found


def ago(span: timedelta) -> str:
    """`3 min`, `2 h`, `5 days`."""
    seconds = max(0.0, span.total_seconds())
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def standing(seen: Seen, now: datetime) -> str:
    """How fresh what is shown is, in a sentence; the first word says whether to trust it."""
    if seen.run is None:
        if seen.success is None:
            return "Waiting: its first audit is under way." if seen.active else "Waiting: it has not been audited yet."
        return f"FAILING: it could never be audited: {seen.said}"
    age = ago(now - seen.run.finished_at)
    if seen.success is False:
        return f"FAILING: the last attempt gave no whole audit ({seen.said or 'it was cut off'}); this is {age} old."
    if seen.stale(now):
        return f"STALE: this is {age} old, and a newer audit is overdue."
    return f"Current: audited {age} ago{', audited again right now' if seen.active else ''}."


def overview(board: Sequence[Seen], now: datetime) -> str:
    rows = [(seen, standing(seen, now)) for seen in board]
    return _templates().get_template("serve.html.j2").render(page="overview", title="readiness", rows=rows, now=now)


def history(seen: Seen, runs: Sequence[RunRecord], now: datetime) -> str:
    name = seen.target.title or seen.target.name
    return (
        _templates()
        .get_template("serve.html.j2")
        .render(page="history", title=f"{name}: history", seen=seen, runs=runs, said=standing(seen, now), now=now)
    )


def report(seen: Seen, now: datetime) -> str:
    """The newest run's report, under a line that says how fresh it is; without a run, the line alone."""
    template = _templates().get_template("serve.html.j2")
    name = seen.target.title or seen.target.name
    parts = {"title": name, "seen": seen, "said": standing(seen, now), "now": now}
    if seen.run is None:
        return template.render(page="report", **parts)
    return report_page.render(seen.run, above=Markup(template.render(page="line", **parts)))  # noqa: S704  escaped there


def report_policy(seen: Seen) -> str | None:
    """The Content-Security-Policy that the report asks for; None where there is none yet."""
    return None if seen.run is None else f"{report_page.policy()}; frame-ancestors 'none'"


def badge(seen: Seen, now: datetime) -> str:
    """An image of the decision and the score. What is stale is grey and says so: a badge is looked at from far away."""
    if seen.run is None:
        return _grey("no audit")
    if seen.success is False or seen.stale(now):
        return _grey(f"{seen.run.verdict.decision.value} {seen.run.verdict.score:.1f}, stale")
    return render(seen.run, "badge")


def _grey(said: str) -> str:
    left, right = 68, 14 + 7 * len(said)
    label = html.escape(f"readiness: {said}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<rect width="{left}" height="20" fill="#424242"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="#616161"/>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14">readiness</text>'
        f'<text x="{left + right / 2:g}" y="14">{html.escape(said)}</text></g></svg>\n'
    )
