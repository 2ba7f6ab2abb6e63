"""The scorecard on a terminal: the decision first, then what stands in its way, then all the rest."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from readiness.document import CheckPart, FindingPart, RunDocument
from readiness.model import Status, count_of
from readiness.reporting import words
from readiness.reporting.escape import visible
from readiness.scoring import Decision

_COLORS = {Decision.GO: "green", Decision.NO_GO: "red", Decision.HOLD: "yellow"}
_STATUS_COLORS = {
    Status.PASS: "green",
    Status.PARTIAL: "yellow",
    Status.FAIL: "red",
    Status.UNKNOWN: "magenta",
    Status.NOT_APPLICABLE: "dim",
}
_FINDINGS_SHOWN = 3


def render(run: RunDocument, console: Console, *, verbose: bool = False) -> None:
    """Print the scorecard; `verbose` lists every check and every finding."""
    unicode = (console.encoding or "").lower().startswith("utf")
    for part in _parts(run, console.width, unicode=unicode, verbose=verbose):
        console.print(part, crop=False)


def _parts(run: RunDocument, width: int, *, unicode: bool, verbose: bool) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text(""),
        Text(visible(words.subject_line(run)), style="bold"),
        Text(
            f"policy {visible(run.policy.name)} · {run.finished_at:%Y-%m-%d %H:%M:%S} UTC · run {run.id}", style="dim"
        ),
        Text(""),
        _headline(run, width, unicode=unicode),
        Text(""),
        _categories(run, unicode=unicode),
    ]
    if run.must_haves:
        parts += [Text(""), _title("Must-haves"), _must_haves(run, unicode=unicode)]
    if run.blockers:
        parts += [Text(""), _title("Blockers, worst first"), *_blockers(run, unicode=unicode, verbose=verbose)]
    other, informational = words.other_findings(run)
    if other:
        parts += [Text(""), _title("Other findings"), *_findings(run, other, unicode=unicode, verbose=verbose)]
    if informational and verbose:
        parts += [Text(""), _title("For information"), *_findings(run, informational, unicode=unicode, verbose=verbose)]
    elif informational:
        parts += [Text(""), Text(words.for_information(informational), style="dim")]
    if unmeasured := words.unmeasured(run):
        parts += [Text(""), _title("Could not be measured"), *_unmeasured(unmeasured, unicode=unicode)]
    if run.services:
        parts += [Text(""), _title("Services"), _services(run)]
    if verbose:
        parts += [Text(""), _title("Every check"), _checks(run, unicode=unicode)]
    parts += _ledger(run)
    for note in run.notes:
        parts += [Text(""), Text.assemble(("Note: ", "bold"), visible(note))]
    if run.partial:
        parts += [Text(""), Text("Interrupted: this document is partial.", style="bold yellow")]
    parts += [Text(""), Text(_tally(run), style="dim")]
    return parts


def _headline(run: RunDocument, width: int, *, unicode: bool) -> RenderableType:
    v = run.verdict
    color = _COLORS[v.decision]
    badge = Text.assemble(
        (f"  {v.decision.value}  ", f"bold reverse {color}"), "  ", (visible(words.verdict(run)), "bold")
    )
    lines: list[RenderableType] = [badge]
    lines += [Padding(Text(f"also: {visible(r)}"), (0, 0, 0, 2)) for r in v.reasons[1:]]
    lines += [Text(""), _bar(run, min(max(width - 4, 20), 72), unicode=unicode), Text(words.score(run))]
    if v.decision is Decision.HOLD and v.settled_by:
        lines.append(Text(f"settled by measuring: {', '.join(v.settled_by)}"))
    return Group(*lines)


def _bar(run: RunDocument, cells: int, *, unicode: bool) -> Text:
    """Solid to the floor, hatched to the ceiling, a tick at the threshold."""
    solid, hatched, empty, tick = ("█", "▒", "░", "┃") if unicode else ("#", "/", ".", "|")
    v = run.verdict
    bar = Text()
    at = min(int(v.threshold / 100 * cells), cells - 1)
    for cell in range(cells):
        reached = (cell + 1) * 100 / cells
        if cell == at:
            bar.append(tick, "bold")
        elif reached <= v.score:
            bar.append(solid, _COLORS[v.decision])
        elif reached <= v.ceiling:
            bar.append(hatched, "magenta")
        else:
            bar.append(empty, "dim")
    return bar


def _categories(run: RunDocument, *, unicode: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Category")
    for name in ("weight", "score", "up to", "measured", "adds"):
        table.add_column(name, justify="right")
    for c in run.categories:
        table.add_row(
            c.title,
            f"{c.weight:g} %",
            f"{c.score:.1f}",
            f"{c.ceiling:.1f}",
            f"{c.coverage:.1f} %",
            f"{c.weighted:.1f}",
        )
    table.add_section()
    v = run.verdict
    table.add_row(
        "Total", "100 %", f"{v.score:.1f}", f"{v.ceiling:.1f}", f"{v.coverage:.1f} %", f"{v.score:.1f}", style="bold"
    )
    del unicode
    return table


def _must_haves(run: RunDocument, *, unicode: bool) -> Table:
    table = _grid()
    for m in run.must_haves:
        status = Status(m.status)
        said = {Status.PASS: "holds", Status.FAIL: "not met", Status.UNKNOWN: "not settled"}[status]
        if m.waived:
            said = "not met, accepted as a risk"
        table.add_row(
            _mark(status, unicode=unicode),
            Text(visible(m.id)),
            Text(visible(m.title)),
            said,
            Text(", ".join(m.open_checks), style="dim"),
        )
    return table


def _blockers(run: RunDocument, *, unicode: bool, verbose: bool) -> list[RenderableType]:
    return _findings(run, [run.check(b.check) for b in run.blockers], unicode=unicode, verbose=verbose)


def _findings(run: RunDocument, checks: list[CheckPart], *, unicode: bool, verbose: bool) -> list[RenderableType]:
    must_haves = {b.check: b.must_haves for b in run.blockers}
    owners = {b.check: words.owners(run, b) for b in run.blockers}
    lines: list[RenderableType] = []
    for c in checks:
        vetoes = f" · vetoes by {visible(', '.join(must_haves[c.id]))}" if must_haves.get(c.id) else ""
        whose = f" · {visible(owners[c.id])}" if c.id in owners else ""
        lines.append(
            Text.assemble(
                _mark(c.status, unicode=unicode),
                " ",
                (visible(c.id), "bold"),
                (f"  {c.priority} · +{c.gain:.1f} points{vetoes}{whose}", "dim"),
            )
        )
        lines.append(_indented(f"{c.title}: {words.beside_title(c)}"))
        shown = c.findings if verbose else c.findings[:_FINDINGS_SHOWN]
        for finding in shown:
            lines += _finding(finding)
        if more := c.examined - c.healthy - len(shown):
            lines.append(_indented(f"and {more:,} more", "dim"))
        if not any(f.remedy for f in shown):
            lines.append(_indented(f"mend: {' '.join(c.mend.split())}", "cyan"))
    return lines


def _finding(finding: FindingPart) -> list[RenderableType]:
    waived = " (waived)" if finding.waived else ""
    said = words.evidence(finding.evidence)
    lines: list[RenderableType] = [_indented(f"{finding.subject}{waived}{f': {said}' if said else ''}", indent=4)]
    if finding.remedy:
        # Its lines stay lines, and none is broken: it is copied into psql, where a comment would swallow what stands
        # behind it, and its second half, on a line of its own, would be a statement. Breaking is the terminal's.
        statements = (
            Text(f"      {visible(line)}", style="cyan", no_wrap=True, overflow="ignore")
            for line in finding.remedy.splitlines()
        )
        lines.append(Group(*statements))  # a bare Text loses what it says of wrapping when it is printed
    return lines


def _unmeasured(checks: list[CheckPart], *, unicode: bool) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for unlock, unlocked in words.unlocks(checks).items():
        points = sum(c.gain for c in unlocked)
        lines.append(Text.assemble((f"up to +{points:.1f}: ", "bold"), (visible(unlock), "cyan")))
        lines += [_open(c, unicode=unicode) for c in unlocked]
    if rest := [c for c in checks if not c.unlock]:
        # Without a line of their own they would read as what the last step unlocks.
        lines.append(Text(f"up to +{sum(c.gain for c in rest):.1f}: mend what stands in the way of each", style="bold"))
        lines += [_open(c, unicode=unicode) for c in rest]
    return lines


def _open(check: CheckPart, *, unicode: bool) -> RenderableType:
    return Padding(
        Text.assemble(
            _mark(check.status, unicode=unicode),
            f" {visible(check.id)}",
            (f"  +{check.gain:.1f} · {visible(words.result(check))}", "dim"),
        ),
        (0, 0, 0, 2),
    )


def _services(run: RunDocument) -> Table:
    table = _grid()
    for s in run.services:
        notes = [f"up to {s.ceiling:.1f} % by what is unmeasured"] if s.ceiling > s.readiness else []
        notes += [] if s.needs_change else ["needs no change; left out of the mean"]
        table.add_row(
            "",
            Text(visible(s.title)),
            f"{s.readiness:.1f} %",
            count_of(s.checks, "checks"),
            Text("; ".join(notes), style="dim"),
        )
    if run.platform_readiness is not None:
        table.add_row("", Text("Mean", style="bold"), Text(f"{run.platform_readiness:.1f} %", style="bold"), "", "")
    return table


def _checks(run: RunDocument, *, unicode: bool) -> Table:
    table = _grid()
    for c in run.checks:
        table.add_row(
            _mark(c.status, unicode=unicode),
            Text(visible(c.id)),
            c.priority,
            f"+{c.gain:.1f}",
            Text(visible(words.result(c)), style="dim"),
        )
    return table


def _ledger(run: RunDocument) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for noun, entries in (("Waiver", run.waivers), ("Attestation", run.attestations)):
        for e in entries:
            left = f"{e.days_left} days left" if e.state == "active" else e.note
            lines.append(
                Text(f"{noun} for {e.check}: {e.state}, {visible(left)}", style="yellow" if e.state != "active" else "")
            )
    return [Text(""), *lines] if lines else []


def _tally(run: RunDocument) -> str:
    counts = {s: sum(c.status is s for c in run.checks) for s in Status}
    said = ", ".join(f"{n} {s.value.replace('_', ' ')}" for s, n in counts.items() if n)
    cost = f"; {words.cost(run.cost)}" if run.cost else ""
    return f"{count_of(len(run.checks), 'checks')}: {said}; {run.duration_seconds:.1f} s{cost}"


def _grid() -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _mark(status: Status, *, unicode: bool) -> Text:
    return Text(words.SYMBOLS[status][0 if unicode else 1], style=_STATUS_COLORS[status])


def _title(text: str) -> Text:
    return Text(text, style="bold underline")


def _indented(text: str, style: str = "", *, indent: int = 2) -> Padding:
    return Padding(Text(visible(text), style=style), (0, 0, 0, indent))
