"""GitHub's workflow commands, one a line on standard output: the worst as annotations, the rest counted.

A step shows 10 errors and 10 warnings and drops the rest in silence, so that the last of each says how many there are.
"""

from __future__ import annotations

from readiness.document import CheckPart, RunDocument
from readiness.model import Status
from readiness.reporting import places, words
from readiness.reporting.escape import visible
from readiness.reporting.places import Place
from readiness.scoring import Decision

_MOST = 10


def render(run: RunDocument) -> str:
    v = run.verdict
    verdict = f"{v.decision.value}: {words.verdict(run)} {words.score(run)}"
    place = places.of_run(run)
    blocked = {b.check for b in run.blockers}
    blockers = [run.check(b.check) for b in run.blockers]
    others = sorted(
        (c for c in run.checks if _counts(c) and c.id not in blocked), key=lambda c: (-c.gain, c.priority, c.id)
    )
    errors = [_command("error", run, c) for c in blockers]
    warnings = [_command("warning", run, c) for c in others]
    match v.decision:
        case Decision.NO_GO:
            errors.insert(0, _line("error", place, "NO-GO", verdict))
        case Decision.HOLD:
            warnings.insert(0, _line("warning", place, "HOLD", verdict))
        case Decision.GO:
            errors = [_command("warning", run, c) for c in blockers]  # only accepted ones can be left
            warnings, errors = errors + warnings, []
    lines = [*_cut(errors, "error", place), *_cut(warnings, "warning", place)]
    if v.decision is Decision.GO:
        lines.insert(0, _line("notice", place, "GO", verdict))
    return "\n".join(lines) + "\n"


def _counts(check: CheckPart) -> bool:
    return bool(check.weight) and check.status in (Status.FAIL, Status.PARTIAL, Status.UNKNOWN)


def _cut(lines: list[str], level: str, place: Place) -> list[str]:
    if len(lines) <= _MOST:
        return lines
    told = f"{len(lines) - _MOST + 1} more stand in the summary and in the report"
    return [*lines[: _MOST - 1], _line(level, place, "and more", told)]


def _command(level: str, run: RunDocument, check: CheckPart) -> str:
    place = places.of_run(run)
    told = words.result(check)
    if check.findings:
        first = check.findings[0]
        place = places.of_finding(run, first.subject_kind, first.subject, first.evidence)
        told += f": {', '.join(f.subject for f in check.findings[:3])}"
    title = f"{check.id} ({check.priority}, +{check.gain:.1f})"
    said = "could not be measured" if check.status is Status.UNKNOWN else "not met"
    return _line(level, place, title, f"{said}: {check.title}: {told}")


def _line(level: str, place: Place, title: str, message: str) -> str:
    return f"::{level} file={_property(place.file)},line={place.line},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
