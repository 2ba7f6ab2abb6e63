"""GitLab's code quality report: a JSON array of issues, each with a fingerprint of its own (of two alike GitLab shows one)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

from readiness.document import CheckPart, RunDocument
from readiness.model import Status
from readiness.reporting import places, words
from readiness.reporting.escape import visible

_SEVERITIES = {"P0": "critical", "P1": "major", "P2": "minor", "info": "info"}


def render(run: RunDocument) -> str:
    vetoes = {b.check for b in run.blockers if b.must_haves}
    issues = []
    seen: Counter[str] = Counter()
    for check in run.checks:
        severity = "blocker" if check.id in vetoes else _SEVERITIES.get(check.priority, "major")
        for f in check.findings:
            told = words.evidence(f.evidence)
            seen[f.fingerprint] += 1
            issues.append(
                {
                    "description": visible(f"{f.subject} - not met: {check.title}{f': {told}' if told else ''}"),
                    "check_name": check.id,
                    "fingerprint": _fingerprint(run, f.fingerprint, seen[f.fingerprint]),
                    "severity": "info" if f.waived else severity,
                    "location": _location(places.of_finding(run, f.subject_kind, f.subject, f.evidence)),
                }
            )
        if check.status is Status.UNKNOWN and check.weight:
            issues.append(_unmeasured(run, check))
    return json.dumps(issues, ensure_ascii=False) + "\n"  # indented, it is not made in C


def _unmeasured(run: RunDocument, check: CheckPart) -> dict[str, Any]:
    return {
        "description": visible(f"could not be measured: {check.title}: {words.result(check)}"),
        "check_name": check.id,
        "fingerprint": _fingerprint(run, f"unknown:{check.id}", 1),
        "severity": "minor",
        "location": _location(places.of_run(run)),
    }


def _fingerprint(run: RunDocument, finding: str, nth: int) -> str:
    return hashlib.sha256(f"{run.target.name}\0{finding}\0{nth}".encode()).hexdigest()


def _location(place: places.Place) -> dict[str, Any]:
    return {"path": place.file, "lines": {"begin": place.line}}
