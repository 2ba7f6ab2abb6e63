"""What moved between two runs, on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from readiness.diff import Difference, FindingMove, StatusMove
from readiness.document import RunDocument
from readiness.model import count_of
from readiness.reporting.escape import visible

MOST = 40  # findings of a kind on the terminal


def signed(points: Fraction) -> str:
    """Rounded to a hundredth, halves away from zero; what is not nothing never reads as nothing."""
    hundredths = int(abs(points) * 100 + Fraction(1, 2))
    if points and not hundredths:
        return "+<0.01" if points > 0 else "-<0.01"
    return f"{'-' if points < 0 else '+'}{hundredths / 100:.2f}"


def render(d: Difference) -> list[RenderableType]:
    """The difference, the scores first."""
    parts: list[RenderableType] = [Text(_line(d.old)), Text(_line(d.new_run))]
    parts += [Text(f"note: {visible(c)}", style="yellow") for c in d.caveats]
    if d.incomparable:
        parts.append(Text(f"{visible(d.incomparable)}.", style="bold yellow"))
        parts.append(Text("--rescore weighs the older run's evidence under the newer one's policy."))
    else:
        parts += [Text(""), Text(f"The score moved by {signed(d.moved)} points (exactly {d.moved})", style="bold")]
        parts += [_waterfall(d)] if d.moves else []
    parts += _findings("New findings", d.new)
    parts += _findings("Mended", d.mended)
    parts += _findings("Gone with what they were found at: it was dropped, or the profile names it no more", d.gone)
    parts += _findings("Changed", d.changed)
    parts += _findings("Listed no more, and not seen to be mended", d.unseen)
    if d.plans:
        parts += [Text(""), Text(f"Other plans ({len(d.plans):,})", style="bold underline")]
        parts += [Text(f"  {visible(m.query)}: {visible(m.was)} -> {visible(m.now)}") for m in d.plans]
    parts += _statuses("No longer measured", d.unmeasured)
    parts += _statuses("Newly measured", d.measured)
    if d.nothing:
        parts += [Text(""), Text("Both say the same.")]
    return parts


def _line(run: RunDocument) -> str:
    v = run.verdict
    return (
        f"{run.finished_at:%Y-%m-%d %H:%M} UTC  {v.decision.value:<5}  {v.score:5.1f} up to {v.ceiling:.1f}, "
        f"{v.coverage:.1f} % measured  {visible(run.policy.name)} {run.policy.sha256[:8]}  run {run.id}"
    )


def _waterfall(d: Difference) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    for _ in range(3):
        table.add_column(overflow="fold")
    for m in d.moves:
        color = "green" if m.points > 0 else "red"
        table.add_row(
            Text(signed(m.points), style=color), m.cause.value, visible(m.subject), Text(visible(m.why), "dim")
        )
    return table


def _findings(title: str, found: Sequence[FindingMove]) -> list[RenderableType]:
    if not found:
        return []
    lines: list[RenderableType] = [Text(""), Text(f"{title} ({len(found):,})", style="bold underline")]
    lines += [Text(f"  {m.check.id}: {visible(m.subject)}{_how(m)}") for m in found[:MOST]]
    if len(found) > MOST:
        lines.append(Text(f"  and {len(found) - MOST:,} more", style="dim"))
    return lines


def _how(m: FindingMove) -> str:
    if m.was is None or m.now is None:
        return ""
    said = [f"{k} {m.was.evidence.get(k)} -> {v}" for k, v in m.now.evidence.items() if m.was.evidence.get(k) != v]
    if m.was.waived != m.now.waived:
        said.append("waived now" if m.now.waived else "no longer waived")
    return f": {visible('; '.join(said))}" if said else ""


def _statuses(title: str, found: Iterable[StatusMove]) -> list[RenderableType]:
    lines: list[RenderableType] = [
        Text(
            f"  {s.check.id}: {s.was.value if s.was else 'not asked'} -> {s.now.value if s.now else 'not asked'}"
            f"{f' ({visible(s.check.reason or str())}: {visible(s.check.detail or str())})' if s.check.reason else ''}"
        )
        for s in found
    ]
    return (
        [Text(""), Text(f"{title} ({count_of(len(lines), 'checks')})", style="bold underline"), *lines] if lines else []
    )


def as_json(d: Difference) -> dict[str, Any]:
    """The difference as data; figures as strings of exact fractions."""

    def finding(m: FindingMove) -> dict[str, Any]:
        parts = {"was": m.was, "now": m.now}
        return {"check": m.check.id, "subject": m.subject} | {
            name: part.model_dump(mode="json") for name, part in parts.items() if part
        }

    def status(s: StatusMove) -> dict[str, Any]:
        return {"check": s.check.id, "was": s.was and s.was.value, "now": s.now and s.now.value}

    return {
        "schema": "readiness.diff/1",
        "old": d.old.id,
        "new": d.new_run.id,
        "incomparable": d.incomparable,
        "caveats": list(d.caveats),
        "moved_exact": None if d.incomparable else str(d.moved),
        "moves": [
            {"cause": m.cause.value, "subject": m.subject, "points_exact": str(m.points), "why": m.why} for m in d.moves
        ],
        "findings": {
            name: [finding(m) for m in found]
            for name, found in (
                ("new", d.new),
                ("mended", d.mended),
                ("gone", d.gone),
                ("changed", d.changed),
                ("unseen", d.unseen),
            )
        },
        "statuses": [status(s) for s in d.statuses],
        "plans": [{"query": m.query, "was": m.was, "now": m.now} for m in d.plans],
    }
