"""Runs over time, as a table and a plot for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from readiness.reporting.escape import visible
from readiness.reporting.moves import signed
from readiness.scoring import shown

_COLORS = {"GO": "green", "NO-GO": "red", "HOLD": "yellow"}
_STEP = 10  # points for a line of the plot


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run in the trend.

    Args:
        why_not: it can't be weighed under the policy that was asked for; then it has no figures.
    """

    id: str
    at: datetime
    policy: str
    policy_sha256: str
    threshold: Fraction
    decision: str
    score: Fraction
    ceiling: Fraction
    coverage: Fraction
    partial: bool
    why_not: str | None = None


def render(points: Sequence[Point], *, unicode: bool) -> list[RenderableType]:
    """The newest first in the table, the oldest left in the plot."""
    weighed = [p for p in points if p.why_not is None]
    parts: list[RenderableType] = [_table(points)]
    if len(weighed) > 1:
        parts += [Text(""), *_plot(weighed[::-1], unicode=unicode)]
    return parts


def _table(points: Sequence[Point]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("when (UTC)", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    for name in ("score", "up to", "measured", "moved"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("policy", no_wrap=True)
    table.add_column("run", overflow="fold")
    for at, p in enumerate(points):
        before = points[at + 1] if at + 1 < len(points) else None
        run = f"{p.id}{' (partial)' if p.partial else ''}"
        policy = f"{visible(p.policy)} {p.policy_sha256[:8]}"
        when = f"{p.at:%Y-%m-%d %H:%M}"
        if p.why_not is not None:
            table.add_row(when, Text("?", style="dim"), "", "", "", "", policy, f"{run}: {visible(p.why_not)}")
            continue
        table.add_row(
            when,
            Text(p.decision, style=_COLORS.get(p.decision, "")),
            shown(p.score),
            shown(p.ceiling),
            f"{shown(p.coverage)} %",
            _moved(p, before),
            policy,
            run,
        )
    return table


def _moved(point: Point, before: Point | None) -> str:
    if before is None or before.why_not is not None:
        return ""
    if before.policy_sha256 != point.policy_sha256:
        return "n/c"  # not comparable
    return "=" if point.score == before.score else signed(point.score - before.score)


def _plot(points: Sequence[Point], *, unicode: bool) -> list[RenderableType]:
    """A column a run: solid to the score, hatched to the ceiling, a line at the newest threshold."""
    solid, hatched, line, empty = ("█", "▒", "─", " ") if unicode else ("#", "/", "-", " ")
    threshold = points[-1].threshold
    lines: list[RenderableType] = []
    for top in range(100, 0, -_STEP):
        row = Text(f"{top:>4} ")
        at_threshold = top - _STEP < threshold <= top
        for p in points:
            middle = top - _STEP // 2
            if middle <= p.score:
                row.append(solid * 2, _COLORS.get(p.decision, ""))
            elif middle <= p.ceiling:
                row.append(hatched * 2, "magenta")
            else:
                row.append((line if at_threshold else empty) * 2, "dim")
            row.append(line if at_threshold else empty, "dim")
        if at_threshold:
            row.append(f" threshold {float(threshold):g}", "dim")
        lines.append(row)
    first, last = points[0].at, points[-1].at
    lines.append(Text(f"   0 {first:%Y-%m-%d} to {last:%Y-%m-%d}, {len(points)} runs", style="dim"))
    return lines
