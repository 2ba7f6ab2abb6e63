"""Drawings as inline SVG: no library, no script, no style attribute (the page's policy forbids it), a text beside each.

Widths are percentages, so that a drawing follows the page and its text keeps its size. Colours come by class.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from fractions import Fraction
from itertools import accumulate, pairwise

from markupsafe import Markup, escape

from readiness.document import GrowthPart, MeasurementPart, RunDocument, SincePart
from readiness.reporting.escape import visible

HATCH = Markup(
    '<svg width="0" height="0" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="7" height="7" class="f-sunk"/><line x1="0" y1="0" x2="0" y2="7" class="s-unk" stroke-width="4"/>'
    "</pattern></defs></svg>"
)


def _svg(label: str, height: int, *parts: str, box: str | None = None) -> Markup:
    size = f'viewBox="{box}"' if box else f'height="{height}"'
    told = escape(visible(label))
    return Markup(f'<svg role="img" aria-label="{told}" width="100%" {size}>{"".join(parts)}</svg>')  # noqa: S704


def score_bar(run: RunDocument) -> Markup:
    """Solid to the floor, hatched to the ceiling, a tick at the threshold."""
    v = run.verdict
    label = f"score {v.score:.1f}, ceiling {v.ceiling:.1f}, threshold {v.threshold:g}, of 100"
    anchor = "end" if v.threshold > 70 else "start" if v.threshold < 30 else "middle"
    return _svg(
        label,
        52,
        '<rect y="18" width="100%" height="26" rx="5" class="f-line"/>',
        f'<rect x="{v.score}%" y="18" width="{max(0.0, v.ceiling - v.score):.1f}%" height="26" fill="url(#hatch)"/>',
        f'<rect y="18" width="{v.score}%" height="26" rx="5" class="f-good"/>',
        f'<line x1="{v.threshold:g}%" x2="{v.threshold:g}%" y1="14" y2="50" class="s-ink" stroke-width="3"/>',
        f'<text x="{v.threshold:g}%" y="11" text-anchor="{anchor}">threshold {v.threshold:g}</text>',
    )


def bar(floor: float, ceiling: float, label: str, *, threshold: float | None = None) -> Markup:
    """Earned, unmeasured, and the rest lost."""
    parts = [
        '<rect width="100%" height="10" rx="3" class="f-line"/>',
        f'<rect x="{floor}%" width="{max(0.0, ceiling - floor):.1f}%" height="10" fill="url(#hatch)"/>',
        f'<rect width="{floor}%" height="10" rx="3" class="f-good"/>',
    ]
    if threshold is not None:
        parts.append(f'<line x1="{threshold}%" x2="{threshold}%" y1="-2" y2="12" class="s-ink" stroke-width="2"/>')
    return _svg(label, 12, *parts)


def key(kind: str) -> Markup:
    """A patch of a colour, for a legend."""
    fill = 'fill="url(#hatch)"' if kind == "hatch" else f'class="{kind}"'
    return Markup(f'<svg width="14" height="10" aria-hidden="true"><rect width="14" height="10" rx="2" {fill}/></svg>')  # noqa: S704


def sparkline(run: RunDocument) -> Markup:
    """The score of the earlier runs and of this one; a ring where another policy or set of checks weighed."""
    told = [(t.score, t.comparable) for t in run.trend] + [(run.verdict.score, True)]
    step = 96 / max(1, len(told) - 1)
    points = [(2 + at * step, 58 - score * 0.5, comparable) for at, (score, comparable) in enumerate(told)]
    lines = [
        f'<line x1="{a[0]:.2f}%" y1="{a[1]:.1f}" x2="{b[0]:.2f}%" y2="{b[1]:.1f}" class="s-link" stroke-width="2"/>'
        for a, b in pairwise(points)
    ]
    dots = [
        f'<circle cx="{x:.2f}%" cy="{y:.1f}" r="3.5" class="s-link {"f-ink" if comparable else "f-sunk"}" stroke-width="2"/>'
        for x, y, comparable in points
    ]
    y = 58 - run.verdict.threshold * 0.5
    rule = f'<line x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}" class="s-ink" stroke-dasharray="4 4"/>'
    tick = f'<text x="0" y="{y - 4:.1f}">{run.verdict.threshold:g}</text>'
    label = "score of the runs, oldest first: " + ", ".join(f"{score:.1f}" for score, _ in told)
    return _svg(label, 64, rule, tick, *lines, *dots)


def waterfall(since: SincePart) -> list[tuple[str, str, Markup]]:
    """From the earlier score to this one, check by check: name, what it moved, and the bar of its step."""
    steps = sorted((Fraction(m.after_exact) - Fraction(m.before_exact), m.check) for m in since.moves)
    ends = list(accumulate((float(step) for step, _ in steps), initial=float(Fraction(since.score_exact))))
    rows: list[tuple[str, str, Markup]] = []
    for (moved, check), (a, b) in zip(steps, pairwise(ends), strict=True):
        low, high = sorted((min(max(a, 0.0), 100.0), min(max(b, 0.0), 100.0)))
        colour = "f-good" if b > a else "f-bad"
        step = f'<rect x="{low:.2f}%" width="{max(0.4, high - low):.2f}%" height="10" rx="2" class="{colour}"/>'
        label = f"from {a:.1f} to {b:.1f}"
        rows.append(
            (check, f"{float(moved):+.2f}", _svg(label, 12, '<rect width="100%" height="10" class="f-sunk"/>', step))
        )
    return rows


def timeline(run: RunDocument) -> Markup:
    """The score by day, the threshold, the milestones, and the band in which the score goes to the threshold."""
    assert run.projection is not None
    told = [(at, float(Fraction(score))) for at, score in run.projection.points]
    told.append((run.finished_at, float(Fraction(run.verdict.score_exact))))
    start, now = told[0][0], told[-1][0]
    due = [(m.title, datetime.combine(m.due, time(), tzinfo=UTC)) for m in run.milestones]
    p = run.projection
    ends = [datetime.combine(d, time(), tzinfo=UTC) for d in (p.earliest, p.expected, p.latest) if d is not None]
    # What lies far off would press the rest together.
    span = max((now - start).total_seconds(), 86_400.0) * 4
    shown = [at for _, at in due if start <= at and (at - start).total_seconds() <= span]
    last = max([now, *shown, *(e for e in ends if (e - start).total_seconds() <= span)])
    whole = max(1.0, (last - start).total_seconds())

    def x(at: datetime) -> float:
        return (at - start).total_seconds() / whole * 316 + 2

    def y(score: float) -> float:
        return 102 - score

    line = " ".join(f"{x(at):.1f},{y(score):.1f}" for at, score in told)
    rule = y(run.verdict.threshold)
    parts = [f'<line x1="0" x2="320" y1="{rule:.1f}" y2="{rule:.1f}" class="s-ink" stroke-dasharray="5 3"/>']
    if ends and p.expected is not None:
        far = [e for e in ends if e <= last]
        for end in far:
            parts.append(
                f'<line x1="{x(now):.1f}" y1="{y(told[-1][1]):.1f}" x2="{x(end):.1f}" y2="{rule:.1f}" class="s-good" stroke-width="1.5" stroke-dasharray="3 3"/>'
            )
    parts += [
        f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="2" y2="102" class="s-unk" stroke-width="1.5"/>' for at in shown
    ]
    parts.append(f'<polyline points="{line}" fill="none" class="s-link" stroke-width="2"/>')
    parts.append('<line x1="0" x2="320" y1="102" y2="102" class="s-line"/>')
    label = (
        f"score by day from {told[0][1]:.1f} to {told[-1][1]:.1f}, threshold {run.verdict.threshold:g}; "
        + "; ".join(f"{title} due {at:%Y-%m-%d}" for title, at in due)
    )
    return _svg(label, 104, *parts, box="0 0 320 104")


_BINS = 32


def histogram(m: MeasurementPart) -> Markup:
    """How long the samples waited: bars of their counts, the line of their share so far (ECDF), the target where it lies."""
    waits = m.waits
    most = max(waits)
    end = most * 1.05 or 1.0
    if m.target is not None and m.target <= most * 4:
        end = max(end, m.target * 1.08)
    counts = [0] * _BINS
    for wait in waits:
        counts[min(_BINS - 1, int(wait / end * _BINS))] += 1
    tallest = max(counts)
    bars = [
        f'<rect x="{at * 10 + 0.5:.1f}" y="{100 - n / tallest * 92:.1f}" width="9" height="{n / tallest * 92:.1f}" class="f-soft" opacity=".45"/>'
        for at, n in enumerate(counts)
        if n
    ]
    share = list(accumulate(counts))
    of = max(m.samples or 0, len(waits))  # what never came back is in no bar, and keeps the line under 1
    scale = len(waits) / of if of and not _thinned(m) else 1.0
    line = " ".join(f"{(at + 1) * 10},{100 - s / len(waits) * scale * 92:.1f}" for at, s in enumerate(share))
    ecdf = f'<polyline points="0,100 {line}" fill="none" class="s-link" stroke-width="2"/>'
    marks = []
    if m.lower is not None and m.upper is not None:
        x, width = m.lower / end * 320, (m.upper - m.lower) / end * 320
        marks.append(f'<rect x="{x:.1f}" y="4" width="{max(1.0, width):.1f}" height="96" class="f-unk" opacity=".18"/>')
    if m.value is not None:
        x = m.value / end * 320
        marks.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="100" class="s-unk" stroke-width="2"/>')
    if m.target is not None and m.target <= end:
        x = m.target / end * 320
        marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="100" class="s-ink" stroke-width="2" stroke-dasharray="5 3"/>'
        )
    axis = '<line x1="0" x2="320" y1="100" y2="100" class="s-line"/>'
    ends = f'<text x="0" y="114">0</text><text x="320" y="114" text-anchor="end">{end:.3g} {escape(visible(m.unit))}</text>'
    label = f"{m.figure} of {m.subject}: distribution of {len(waits)} samples, the longest {most:.3g} {m.unit}"
    return _svg(label, 118, *marks, *bars, ecdf, axis, ends, box="0 0 320 118")


def _thinned(m: MeasurementPart) -> bool:
    return len(m.waits) >= 500


def series(m: MeasurementPart) -> Markup:
    """A figure in each second of its measurement, from nothing up, and the target."""
    top = max([*m.series, m.target or 0.0]) * 1.08 or 1.0
    step = 320 / max(1, len(m.series) - 1)
    seen = " ".join(f"{at * step:.1f},{100 - value / top * 96:.1f}" for at, value in enumerate(m.series))
    parts = [f'<polyline points="{seen}" fill="none" class="s-link" stroke-width="2"/>']
    if m.target is not None:
        y = 100 - m.target / top * 96
        parts.append(f'<line x1="0" x2="320" y1="{y:.1f}" y2="{y:.1f}" class="s-ink" stroke-dasharray="5 3"/>')
    parts.append('<line x1="0" x2="320" y1="100" y2="100" class="s-line"/>')
    parts.append(f'<text x="320" y="114" text-anchor="end">{len(m.series)} s</text>')
    label = f"{m.figure} of {m.subject} in each second: from {min(m.series):,.0f} to {max(m.series):,.0f} {m.unit}"
    return _svg(label, 118, *parts, box="0 0 320 118")


def growth(g: GrowthPart) -> Markup:
    """A figure over time, its limit, and the straight line to where they meet."""
    start = g.points[0][0]
    last = g.full_at or g.points[-1][0]
    span = max(1.0, (last - start).total_seconds())
    top = max([value for _, value in g.points] + ([g.limit] if g.limit else [])) * 1.08 or 1.0

    def place(moment_seconds: float, value: float) -> str:
        return f"{moment_seconds / span * 320:.1f},{100 - value / top * 96:.1f}"

    seen = " ".join(place((moment - start).total_seconds(), value) for moment, value in g.points)
    parts = [f'<polyline points="{seen}" fill="none" class="s-link" stroke-width="2"/>']
    if g.limit:
        y = 100 - g.limit / top * 96
        parts.append(f'<line x1="0" x2="320" y1="{y:.1f}" y2="{y:.1f}" class="s-ink" stroke-dasharray="5 3"/>')
    if g.limit and g.full_at:
        moment, value = g.points[-1]
        to = f"{place((moment - start).total_seconds(), value)} {place(span, g.limit)}"
        parts.append(f'<polyline points="{to}" fill="none" class="s-bad" stroke-width="2" stroke-dasharray="3 3"/>')
    parts.append('<line x1="0" x2="320" y1="100" y2="100" class="s-line"/>')
    return _svg(f"{g.name}: from {g.points[0][1]:g} to {g.points[-1][1]:g} {g.unit}", 104, *parts, box="0 0 320 104")
