"""`readiness fleet`: many targets, one table and one set of metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from readiness import fleet as auditing
from readiness.cli import Terminated, support
from readiness.cli.support import Output
from readiness.export import metrics
from readiness.export.metrics import Reading
from readiness.fleet import Attempt
from readiness.reporting.escape import visible

app = support.new_app()

SCHEMA = "readiness.fleet/1"
HEADINGS = ("target", "decision", "score", "up to", "measured", "blockers", "")


@app.command()
def fleet(
    targets: Annotated[Path, typer.Argument(metavar="FILE", help="A targets file (docs/metrics.md).")],
    form: Annotated[
        Literal["console", "json", "prometheus", "openmetrics"],
        typer.Option("--format", "-f", help="console is a table; json holds every target's run document."),
    ] = "console",
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE|-")] = support.STDOUT,
    report_only: Annotated[bool, typer.Option("--report-only", help="Exit 0 whatever the verdicts.")] = False,
) -> int:
    """Audit every target of a file once, each in a process of its own; exit by the worst verdict.

    A target that could not be audited counts as HOLD; when none could, the exit code is 4. The runs are kept where
    `readiness score` keeps them.
    """
    written = [Output(form, output)]
    support.try_outputs(written, scorecard_on_stdout=False)
    served = auditing.load(targets, os.environ)
    found, interrupted = auditing.attempt_all(served, told=_tell)

    def render(_format: str) -> str:
        match form:
            case "json":
                return _json(found)
            case "console":
                return _table(found)
            case _:
                made = metrics.text if form == "prometheus" else metrics.openmetrics_text
                return made(_readings(found), detail=served.detail)

    whole = support.guarded_write(written, render)
    if interrupted is not None:
        return 143 if isinstance(interrupted, Terminated) else 130
    if not whole:
        return support.CRASHED
    return 0 if report_only else auditing.exit_code(found.values())


def _tell(name: str, attempt: Attempt) -> None:
    if not attempt.success:
        support.say(f"readiness: {name}: no whole audit: {attempt.said}")


def _readings(found: Mapping[str, Attempt]) -> list[Reading]:
    return [Reading(target=name, run=a.run, success=a.success) for name, a in found.items()]


def _json(found: Mapping[str, Attempt]) -> str:
    told: list[dict[str, Any]] = [
        {
            "name": name,
            "audited": a.success,
            "said": a.said,
            "run": a.run.model_dump(mode="json", by_alias=True) if a.run else None,
        }
        for name, a in found.items()
    ]
    return json.dumps({"schema": SCHEMA, "targets": told}, indent=1) + "\n"


def _table(found: Mapping[str, Attempt]) -> str:
    """The lowest score first: there is most to do."""
    rows = [HEADINGS]
    for name, a in sorted(found.items(), key=lambda item: (item[1].run.verdict.score if item[1].run else -1, item[0])):
        if a.run is None:
            rows.append((name, "-", "-", "-", "-", "-", visible(a.said)))
            continue
        v = a.run.verdict
        figures = (f"{v.score:.1f}", f"{v.ceiling:.1f}", f"{v.coverage:.1f} %", str(len(a.run.blockers)))
        rows.append((name, v.decision.value, *figures, visible(a.said or "; ".join(v.reasons[:1]))))
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS) - 1)]
    lines = []
    for row in rows:
        cells = [row[at].ljust(w) if at < 2 else row[at].rjust(w) for at, w in enumerate(widths)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines) + "\n"
