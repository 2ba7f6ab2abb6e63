"""The way to GO, on a terminal and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from readiness.document import RunDocument
from readiness.model import count_of
from readiness.planning import Action, Kind, Plan
from readiness.reporting.escape import visible
from readiness.reporting.words import subject_line
from readiness.scoring import Scorecard, shown, tenths

_UP_TO = {Kind.FIX: "", Kind.MEASURE: "up to ", Kind.ATTEST: "up to "}


def render(run: RunDocument, plan: Plan, possible: Sequence[Action], *, verbose: bool) -> list[RenderableType]:
    """The least set first, then what else would gain."""
    v = run.verdict
    parts: list[RenderableType] = [
        Text(visible(subject_line(run)), style="bold"),
        Text(
            f"{v.decision.value}, {v.score:.1f} of 100; the threshold is {v.threshold:g}; policy {visible(run.policy.name)}"
        ),
        Text(""),
    ]
    if plan.missing:
        parts.append(Text("GO is out of reach by what is listed here; with all of it:", style="bold red"))
        parts += [Text(f"  {visible(m)}") for m in plan.missing]
    elif not plan.actions:
        parts.append(Text("GO needs nothing more.", style="bold green"))
    else:
        parts.append(Text(_headline(plan), style="bold"))
        parts.append(_table(plan.actions, verbose=verbose))
        parts.append(Text(_outcome(plan)))
    rest = [a for a in possible if a not in plan.actions] if not plan.missing else list(possible)
    if rest:
        shown_rest = rest if verbose or plan.missing else rest[:10]
        parts += [
            Text(""),
            Text("What else gains, the most first", style="bold underline"),
            _table(shown_rest, verbose=verbose),
        ]
        if len(rest) > len(shown_rest):
            parts.append(Text(f"and {len(rest) - len(shown_rest)} more; --verbose lists them", style="dim"))
    return parts


def _headline(plan: Plan) -> str:
    efforts = ", ".join(
        f"{sum(a.effort.value == e for a in plan.actions)} {e}"
        for e in "SML"
        if any(a.effort.value == e for a in plan.actions)
    )
    proven = (
        "no set of less effort gets there" if plan.least else "the search was cut short: there may be a cheaper set"
    )
    return f"To GO: {count_of(len(plan.actions), 'things')} to do ({efforts}); {proven}."


def _outcome(plan: Plan) -> str:
    said = f"Then {plan.card.decision.value} at {shown(plan.card.total.floor)}"
    if plan.sure.total.floor != plan.card.total.floor:
        said += (
            f", if what is measured or signed turns out healthy; the fixes alone make it {shown(plan.sure.total.floor)} "
            f"({plan.sure.decision.value})"
        )
    return said + "."


def _table(actions: Sequence[Action], *, verbose: bool) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for a in actions:
        must = f" [{', '.join(a.must_haves)}]" if a.must_haves else ""
        how = " ".join(a.how.split())
        if not verbose:
            how = re.split(r"(?<=[.:]) (?=[A-Z])", how, maxsplit=1)[0]  # its first sentence
        what = Text.assemble(
            (visible(", ".join(a.checks)), "bold"), (visible(must), "red"), "\n", (visible(how), "cyan")
        )
        table.add_row(f"{_UP_TO[a.kind]}+{shown(a.gain)}", a.effort.value, a.kind.value, what)
    return table


def what_if(run: RunDocument, card: Scorecard) -> list[RenderableType]:
    """The verdict under an assumption."""
    v = run.verdict
    lines = [
        f"now       {v.decision.value:<5}  {v.score:5.1f} up to {v.ceiling:.1f}, {v.coverage:.1f} % measured",
        f"what if   {card.decision.value:<5}  {tenths(card.total.floor):5.1f} up to {tenths(card.total.ceiling):.1f}, "
        f"{tenths(card.total.coverage):.1f} % measured  (exactly {card.total.floor})",
    ]
    return [*(Text(line) for line in lines), *(Text(f"  {visible(r)}", style="dim") for r in card.reasons)]


def as_json(run: RunDocument, plan: Plan, possible: Sequence[Action]) -> dict[str, Any]:
    """The plan as data; figures as strings of exact fractions beside those rounded down."""
    return {
        "schema": "readiness.plan/1",
        "run": run.id,
        "decision": run.verdict.decision.value,
        "score": run.verdict.score,
        "reaches_go": plan.reaches_go,
        "least": plan.least,
        "missing": list(plan.missing),
        "then": _card(plan.card),
        "fixes_alone": _card(plan.sure),
        "plan": [_action(a) for a in plan.actions],
        "possible": [_action(a) for a in possible],
    }


def _card(card: Scorecard) -> dict[str, Any]:
    return {
        "decision": card.decision.value,
        "score": tenths(card.total.floor),
        "score_exact": str(card.total.floor),
        "coverage_exact": str(card.total.coverage),
    }


def _action(a: Action) -> dict[str, Any]:
    return {
        "kind": a.kind.value,
        "checks": list(a.checks),
        "effort": a.effort.value,
        "gain": tenths(a.gain),
        "gain_exact": str(a.gain),
        "must_haves": list(a.must_haves),
        "how": a.how,
    }
