"""Regression gates: what must not have become worse since a baseline.

A condition is a name, and where it takes one a limit: `new-fail`, `score-drop:2`, `slower:20%`. A drop is one of more than the
limit. Scores compare under one policy only; the baseline is weighed again where its own was another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from readiness.diff import Difference
from readiness.document import CheckPart, MeasurementPart
from readiness.model import Status
from readiness.scoring import shown

_FAILED = (Status.FAIL, Status.PARTIAL)


class UnknownCondition(ValueError):  # noqa: N818
    """A condition can't be read: one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that must not have happened.

    Args:
        limit: in the condition's own unit (points, or a share); None where it takes none.
    """

    name: str
    limit: Fraction | None
    written: str


def parse(texts: Sequence[str]) -> list[Condition]:
    """Conditions as the command line has them, several in one text parted by commas.

    Raises:
        UnknownCondition: one can't be read.
    """
    return [_parse(word.strip()) for text in texts for word in text.split(",") if word.strip()]


def _parse(written: str) -> Condition:
    name, colon, limit = written.partition(":")
    if name not in _CONDITIONS:
        raise UnknownCondition(f"{written}: no such condition; there are: {', '.join(sorted(_CONDITIONS))}")
    unit = _CONDITIONS[name].unit
    if unit is None:
        if colon:
            raise UnknownCondition(f"{written}: {name} takes no limit")
        return Condition(name=name, limit=None, written=written)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", limit)
    if found is None or (unit == "%") != bool(found.group(2)):
        example = "20%" if unit == "%" else "2"
        raise UnknownCondition(f"{written}: expected {name}:{example}")
    share = 100 if unit == "%" else 1
    return Condition(name=name, limit=Fraction(found.group(1)) / share, written=written)


def judge(conditions: Sequence[Condition], difference: Difference) -> list[str]:
    """What has become worse, a sentence each; nothing where no condition is met."""
    return [f"{c.written}: {said}" for c in conditions for said in _CONDITIONS[c.name].met(difference, c.limit or 0)]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A condition's unit (None: it takes no limit), and what it has to say."""

    unit: str | None
    met: Callable[[Difference, Fraction | int], list[str]]


def _new_fail(d: Difference, _limit: Fraction | int) -> list[str]:
    return [
        f"{s.check.id} is {s.check.status.value}; it was {s.was.value if s.was else 'not asked'}"
        for s in d.statuses
        if s.now in _FAILED and s.was not in _FAILED and s.check.weight and not _accepted(s.check)
    ]


def _new_finding(d: Difference, _limit: Fraction | int) -> list[str]:
    return [f"{m.check.id}: {m.subject}" for m in d.new if m.check.weight and m.now is not None and not m.now.waived]


def _new_unknown(d: Difference, _limit: Fraction | int) -> list[str]:
    return [f"{s.check.id} is no longer measured: {s.check.reason}" for s in d.unmeasured if s.check.weight]


def _gone(d: Difference, _limit: Fraction | int) -> list[str]:
    """What raises a score without anything being mended: less is there to look at, or the profile declares less."""
    return [
        *(f"{m.check.id}: {m.subject} is gone with what it was found on" for m in d.gone if m.check.weight),
        *(
            f"{s.check.id} applies no more: {s.check.detail}"
            for s in d.statuses
            if s.now is Status.NOT_APPLICABLE and s.was is not None and s.check.weight
        ),
    ]


def _score_drop(d: Difference, limit: Fraction | int) -> list[str]:
    if -d.moved <= limit:
        return []
    was, now = d.old.verdict, d.new_run.verdict
    return [f"the score fell by {shown(-d.moved)} points, from {was.score:g} to {now.score:g}"]


def _coverage_drop(d: Difference, limit: Fraction | int) -> list[str]:
    if -d.coverage_moved <= limit:
        return []
    was, now = d.old.verdict, d.new_run.verdict
    return [f"{shown(-d.coverage_moved)} % less is measured: {now.coverage:g} %, before {was.coverage:g} %"]


def _slower(d: Difference, limit: Fraction | int) -> list[str]:
    """Latencies that grew by more than the limit, where their intervals part: else the difference may be chance.

    One that had a figure and has none now has become worse, whatever the reason: nobody answers any more, or nobody looked.
    """
    now = {m.name: m for m in d.new_run.measurements}
    return [
        said for m in d.old.measurements if m.unit in _TIMES and m.value is not None and (said := _told(m, now, limit))
    ]


def _told(was: MeasurementPart, now: Mapping[str, MeasurementPart], limit: Fraction | int) -> str | None:
    assert was.value is not None
    new = now.get(was.name)
    if new is None or new.value is None or new.unit != was.unit:
        return f"{was.name} has no figure any more; before, {was.value:g} {was.unit}"
    apart = was.upper is None or new.lower is None or new.lower > was.upper
    if Fraction(new.value) <= Fraction(was.value) * (1 + limit) or not apart:
        return None
    return f"{was.name} takes {new.value:g} {new.unit}; before, {was.value:g} {was.unit}"


def _changed_plan(d: Difference, _limit: Fraction | int) -> list[str]:
    return [f"{m.query} runs by {m.now}; before, by {m.was}" for m in d.plans]


_TIMES = frozenset({"ms", "s", "seconds", "milliseconds"})


def _accepted(check: CheckPart) -> bool:
    return bool(check.findings) and all(f.waived for f in check.findings) and not check.hidden


_CONDITIONS: Mapping[str, _Kind] = {
    "new-fail": _Kind(None, _new_fail),
    "new-finding": _Kind(None, _new_finding),
    "new-unknown": _Kind(None, _new_unknown),
    "gone": _Kind(None, _gone),
    "score-drop": _Kind("points", _score_drop),
    "coverage-drop": _Kind("points", _coverage_drop),
    "slower": _Kind("%", _slower),
    "changed-plan": _Kind(None, _changed_plan),
}

NAMES = tuple(_CONDITIONS)
