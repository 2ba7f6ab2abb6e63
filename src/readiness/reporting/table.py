"""The findings as CSV (RFC 4180), and with them what could not be looked at, each a row.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula: such a text gets an apostrophe before it
(OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io

from readiness.document import CheckPart, RunDocument
from readiness.model import Status
from readiness.reporting import words
from readiness.reporting.escape import visible

COLUMNS = (
    *("kind", "check", "category", "priority", "status", "service", "subject_kind", "subject", "detail", "remedy"),
    *("waived", "gain", "fingerprint", "run", "decision", "score"),
)


def render(run: RunDocument) -> str:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(COLUMNS)
    for check in run.checks:
        for row in _rows(check):
            out.writerow([_cell(v) for v in (*row, run.id, run.verdict.decision.value, f"{run.verdict.score:.1f}")])
    return text.getvalue()


def _rows(check: CheckPart) -> list[tuple[object, ...]]:
    same = (check.id, check.category, check.priority, check.status.value, check.service)
    gain = f"{check.gain:.1f}"
    rows: list[tuple[object, ...]] = [
        (
            "finding",
            *same,
            f.subject_kind,
            f.subject,
            words.evidence(f.evidence),
            f.remedy,
            f.waived,
            gain,
            f.fingerprint,
        )
        for f in check.findings
    ]
    rows += [
        ("unseen", *same, u.subject_kind, u.subject, f"{u.reason.value}: {u.detail}", u.unlock, False, gain, "")
        for u in check.unseen
    ]
    if check.status is Status.UNKNOWN and not check.unseen:
        rows.append(("unknown", *same, "", "", words.result(check), check.unlock, False, gain, ""))
    return rows


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = visible(" ".join(str(value).splitlines()) if isinstance(value, str) else str(value))
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
