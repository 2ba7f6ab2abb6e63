"""The report as one HTML file: nothing is asked of any network, it reads without a script, and it carries its run document.

The page's policy admits its own style sheet and script by their hashes, and nothing else at all. Whatever is printed
passes through `visible` and is escaped; what is trusted is Markup that this package makes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from readiness import document
from readiness.document import CheckPart, PlanPart, RunDocument
from readiness.model import Status, count_of
from readiness.reporting import charts, words
from readiness.reporting.escape import visible, visible_lines
from readiness.scoring import Decision, tenths

_SEEN_SHOWN = 20
_COLOURS = {
    Status.PASS: "good",
    Status.PARTIAL: "hold",
    Status.FAIL: "bad",
    Status.UNKNOWN: "unk",
    Status.NOT_APPLICABLE: "none",
}
_SAID = {
    Status.PASS: "passed",
    Status.PARTIAL: "partly",
    Status.FAIL: "failed",
    Status.UNKNOWN: "not measured",
    Status.NOT_APPLICABLE: "does not apply",
}
_ORDER = [Status.FAIL, Status.PARTIAL, Status.UNKNOWN, Status.PASS, Status.NOT_APPLICABLE]
_DECISIONS = {Decision.GO: "good", Decision.NO_GO: "bad", Decision.HOLD: "hold"}


def policy() -> str:
    """The page's Content-Security-Policy. A server that sends a policy of its own has to send this one: both hold."""
    return (
        f"default-src 'none'; style-src 'sha256-{_hash(_text('report.css'))}'; "
        f"script-src 'sha256-{_hash(_text('report.js'))}'; base-uri 'none'; form-action 'none'"
    )


def render(run: RunDocument, *, unfolded: bool = False, above: Markup | None = None) -> str:
    """The page.

    Args:
        unfolded: whether every check stands open, for a printer that knows no `details`.
        above: what a server says of it, in the page's head.
    """
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            unfolded=unfolded,
            above=above,
            style=Markup(_text("report.css")),  # noqa: S704  our own files
            script=Markup(_text("report.js")),  # noqa: S704
            policy=Markup(policy()),  # noqa: S704
            embedded=Markup(document.embedded(run)),  # noqa: S704  base64
            checks=sorted(run.checks, key=lambda c: (_ORDER.index(c.status), not c.weight, -c.gain, c.id)),
            unmeasured=words.unmeasured(run),
            cost=words.cost(run.cost) if run.cost else "",
            plan=_plan(run),
            services={s.id: s.title for s in run.services},
        )
    )


def _text(name: str) -> str:
    return (files("readiness_reports") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    found.filters |= {
        "said": _said,
        "credit": words.credit,
        "evidence": words.evidence,
        "lines": lambda text: escape(visible_lines(text or "")),
        "paragraphs": _paragraphs,
        "mark": lambda status: words.SYMBOLS[Status(status)][0],
        "colour": lambda status: _COLOURS[Status(status)],
        "word": lambda status: _SAID[Status(status)],
        "utc": lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC",
        "points": lambda value: f"{value:.1f}",
        "count": count_of,
        "exact": lambda text: tenths(Fraction(text)),
    }
    found.globals |= {
        "words": words,
        "charts": charts,
        "Status": Status,
        "decision_colour": lambda decision: _DECISIONS[Decision(decision)],
        "findings": findings,
        "sum_of": sum_of,
        "SEEN_SHOWN": _SEEN_SHOWN,
    }
    return found


def _harmless(value: Any) -> Any:
    """What every expression of the template passes through."""
    return visible(value) if type(value) is str else value


def _said(check: CheckPart) -> str:
    """What a check found. Its title says what should be, so that a failure says how far it is not."""
    said = words.result(check)
    return f"does not hold for {said}" if check.status in (Status.FAIL, Status.PARTIAL) and check.weight else said


def _paragraphs(text: str) -> Markup:
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return Markup("").join(Markup("<p>{}</p>").format(visible(part)) for part in parts if part)


def findings(check: CheckPart) -> Markup:
    """The findings as list items. By hand: a template takes many times as long for thousands of them.

    Control characters stand for the tags until the text is escaped, all at once. `visible` leaves none in what is printed.
    """
    items = []
    for f in check.findings:
        told = words.evidence(f.evidence)
        items.append(
            f"\x01{visible(f.subject)}\x02"
            + ("\x03" if f.waived else "")
            + (f"\x04{visible(told)}\x05" if told else "")
            + (f"\x06{visible_lines(f.remedy)}\x07" if f.remedy else "")
        )
    text = str(escape("\n".join(items)))
    for mark, tags in _TAGS.items():
        text = text.replace(mark, tags)
    return Markup(text)  # noqa: S704  escaped above, then our own tags


_TAGS = {
    "\x01": '<li><code class="s">',
    "\x02": "</code>",
    "\x03": ' <span class="tag">waived</span>',
    "\x04": "<span>",
    "\x05": "</span>",
    "\x06": "<pre>",
    "\x07": "</pre>",
}


def sum_of(check: CheckPart) -> Markup:
    """The arithmetic of a check's credit, exactly."""
    if not check.weight:
        return Markup("<span>for information: it weighs nothing</span>")
    points, earned = Fraction(check.points_exact), Fraction(check.earned_exact)
    if check.status is Status.NOT_APPLICABLE:
        return Markup("<span>does not apply: it is left out of the sum</span>")
    credit = check.credit_exact if check.credit_exact is not None else "unknown, counted 0"
    return Markup(
        "<span>worth <b>{points}</b> of 100 points (weight {weight:g})</span>"
        "<span>credit <b>{credit}</b> ({form})</span>"
        "<span>adds <b>{adds}</b></span><span>can gain <b>+{gain:.1f}</b></span>"
    ).format(
        points=f"{tenths(points):.1f}",
        weight=check.weight,
        credit=credit,
        form=visible(check.credit_form),
        adds=f"{tenths(points * earned):.1f}",
        gain=check.gain,
    )


def _plan(run: RunDocument) -> Sequence[tuple[PlanPart, float, str]]:
    """Each thing to do, the score once it and those before it are done, and where that first reaches the threshold, a word.

    A measurement is counted as if all it finds were good: what it may bring, no promise. The threshold alone is no GO: the
    word names the must-haves that are open still.
    """
    total, reached = Fraction(run.verdict.score_exact), False
    waiting = {m.id: set(m.open_checks) for m in run.must_haves if m.status is not Status.PASS and not m.waived}
    rows = []
    for step in run.plan:
        total += Fraction(step.gain_exact)
        now = (
            total >= Fraction(str(run.verdict.threshold)) and not reached and run.verdict.score < run.verdict.threshold
        )
        reached = reached or now
        for left in waiting.values():
            left.discard(step.check)
        still = ", ".join(name for name, left in waiting.items() if left)
        word = "the threshold" + (f", with {still} still open" if still else "") if now else ""
        rows.append((step, tenths(total), word))
    return rows
