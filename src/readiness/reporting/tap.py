"""The Test Anything Protocol, version 13: a line for each check, a YAML block behind those that are not ok.

TAP knows no third answer. What could not be measured is not ok, with `unmeasured` as its status: silence is not health.
Skipped is what was left out on purpose, does not apply, or tells for information alone.
"""

from __future__ import annotations

import json
from typing import Any

from readiness.document import CheckPart, RunDocument
from readiness.model import Reason, Status
from readiness.reporting import words
from readiness.reporting.escape import visible


def render(run: RunDocument) -> str:
    v = run.verdict
    lines = [
        "TAP version 13",
        f"1..{len(run.checks)}",
        f"# {visible(words.verdict(run))}",
        f"# {visible(words.score(run))}",
    ]
    for at, check in enumerate(run.checks, start=1):
        lines += _lines(at, check)
    lines.append(f"# {v.decision.value}")
    return "\n".join(lines) + "\n"


def _lines(at: int, check: CheckPart) -> list[str]:
    name = _plain(f"{check.id}: {check.title}")
    said = words.result(check)
    match check.status:
        case Status.PASS:
            return [f"ok {at} - {name}"]
        case Status.NOT_APPLICABLE:
            return [f"ok {at} - {name} # SKIP does not apply: {_plain(said)}"]
        case Status.UNKNOWN if check.reason == Reason.NOT_SELECTED.value:
            return [f"ok {at} - {name} # SKIP {_plain(said)}"]
        case _ if not check.weight:
            return [f"ok {at} - {name} # SKIP for information: {_plain(said)}"]
        case Status.FAIL | Status.PARTIAL if words.all_waived(check):
            return [f"ok {at} - {name} # SKIP waived: {_plain(said)}"]
        case _:
            return [f"not ok {at} - {name}", *_diagnosis(check, said)]


def _diagnosis(check: CheckPart, said: str) -> list[str]:
    """YAML, in its subset that is JSON: a name can't leave its quotes."""
    told: dict[str, Any] = {
        "status": "unmeasured" if check.status is Status.UNKNOWN else check.status.value,
        "message": visible(said),
        "priority": check.priority,
        "gain": check.gain,
        "subjects": [visible(f.subject) for f in check.findings[:20]],
    }
    if check.unlock:
        told["unlock"] = visible(check.unlock)
    return ["  ---", *(f"  {k}: {json.dumps(v, ensure_ascii=False)}" for k, v in told.items()), "  ..."]


def _plain(text: str) -> str:
    """One line in which nothing is a directive."""
    return visible(text).replace("\\", "\\\\").replace("#", "\\#")
