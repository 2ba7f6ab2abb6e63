"""SARIF 2.1.0 (OASIS), for code scanning: a result for each finding, with a fingerprint that stays while check and subject do.

What could not be measured is a notification of the run, never a result: a silent tool is not a clean one. Within the
limits of GitHub's code scanning: 25,000 results of a run, a location for each, paths that stay.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from readiness.document import CheckPart, FindingPart, RunDocument
from readiness.model import Status
from readiness.register import covers
from readiness.reporting import places, words
from readiness.reporting.escape import visible, visible_lines

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
_LEVELS = {"P0": "error", "P1": "warning", "P2": "note", "info": "note"}


def render(run: RunDocument) -> str:
    asked = sorted(run.checks, key=lambda c: (c.priority, c.id))  # the worst first, should a reader cut
    indices = {c.id: at for at, c in enumerate(run.checks)}
    results = [_result(run, c, f, indices[c.id]) for c in asked for f in c.findings]
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(run)},
                "automationDetails": {"id": f"readiness/{quote(run.target.name, safe='')}/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(run, left_out=len(results[MOST_RESULTS:]))],
                "results": results[:MOST_RESULTS],
                "properties": _figures(run),
            }
        ],
    }
    return json.dumps(log, ensure_ascii=False) + "\n"  # indented, it is not made in C


def _driver(run: RunDocument) -> dict[str, Any]:
    return {
        "name": run.tool.name,
        "semanticVersion": run.tool.version,
        "rules": [
            {
                "id": c.id,
                "name": "".join(word.capitalize() for word in c.id.replace("/", "-").split("-")),
                "shortDescription": {"text": visible(c.title)},
                "fullDescription": {"text": visible_lines(c.why or c.title)},
                "help": {"text": visible_lines(c.mend) or visible(c.title)},
                "defaultConfiguration": {"level": _LEVELS.get(c.priority, "warning")},
                "properties": {"tags": [c.category, c.priority], "precision": "very-high"},
            }
            for c in run.checks
        ],
    }


def _result(run: RunDocument, check: CheckPart, finding: FindingPart, index: int) -> dict[str, Any]:
    place = places.of_finding(run, finding.subject_kind, finding.subject, finding.evidence)
    told = words.evidence(finding.evidence)
    text = visible(f"{finding.subject} - not met: {check.title}{f': {told}' if told else ''}")
    result: dict[str, Any] = {
        "ruleId": check.id,
        "ruleIndex": index,
        "level": _LEVELS.get(check.priority, "warning"),
        "message": {"text": text + (f"\n{visible_lines(finding.remedy)}" if finding.remedy else "")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(place.file), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": place.line},
                },
                "logicalLocations": [
                    {"fullyQualifiedName": visible(finding.subject), "kind": visible(finding.subject_kind)}
                ],
            }
        ],
        "partialFingerprints": {"readiness/v1": finding.fingerprint},
        "properties": {"priority": check.priority, "gain": check.gain},
    }
    if finding.waived:
        result["suppressions"] = [_suppression(run, check, finding)]
    return result


def _suppression(run: RunDocument, check: CheckPart, finding: FindingPart) -> dict[str, Any]:
    for w in run.waivers:
        if w.check == check.id and w.state == "active" and covers(str(w.entry.get("object", "")), finding.subject):
            said = f"{w.entry.get('reason')} ({w.entry.get('owner')}, {w.entry.get('ticket')}, until {w.expires})"
            return {"kind": "external", "status": "accepted", "justification": visible(said)}
    return {"kind": "external", "status": "accepted"}


def _invocation(run: RunDocument, *, left_out: int) -> dict[str, Any]:
    unmeasured = [
        {
            "descriptor": {"id": c.id},
            "level": "warning" if c.weight else "note",
            "message": {"text": visible(f"{c.title}: {words.result(c)}{f'; to look: {c.unlock}' if c.unlock else ''}")},
        }
        for c in run.checks
        if c.status is Status.UNKNOWN
    ]
    notes = [{"level": "note", "message": {"text": visible(note)}} for note in run.notes]
    if left_out:
        notes.append({"level": "warning", "message": {"text": f"{left_out:,} more results are left out"}})
    return {
        "executionSuccessful": not run.partial,
        "startTimeUtc": f"{run.started_at:%Y-%m-%dT%H:%M:%S}Z",
        "endTimeUtc": f"{run.finished_at:%Y-%m-%dT%H:%M:%S}Z",
        "exitCode": run.verdict.exit_code,
        "exitCodeDescription": visible(words.verdict(run)),
        "toolExecutionNotifications": unmeasured + notes,
    }


def _figures(run: RunDocument) -> dict[str, Any]:
    v = run.verdict
    return {
        "run": run.id,
        "decision": v.decision.value,
        "score": v.score,
        "ceiling": v.ceiling,
        "coverage": v.coverage,
        "threshold": v.threshold,
        "policy": run.policy.name,
        "policySha256": run.policy.sha256,
        "categories": {c.id: c.score for c in run.categories},
    }
