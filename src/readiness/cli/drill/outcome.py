"""How every drill ends: its proof kept, what it found told, the exit code."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import typer

from readiness import audit
from readiness import profile as profiles
from readiness.cli import runs, support
from readiness.drills import DrillError, evidence
from readiness.facts.server import Server

ValidDaysOption = Annotated[
    float, typer.Option("--valid-days", help="How long the proof counts.", min=0.1, max=evidence.MOST_DAYS)
]
FormatOption = Annotated[Literal["console", "json"], typer.Option("--format", "-f", help="How the outcome is printed.")]
NoEvidenceOption = Annotated[bool, typer.Option("--no-evidence", help="Keep nothing.")]


def end(
    source: profiles.Source,
    kind: str,
    told: Mapping[str, Any],
    *,
    passed: bool,
    show: Callable[[Callable[[str], None]], None],
    server: Server | None,
    started_at: dt.datetime,
    store: str,
    no_evidence: bool,
    valid_days: float,
    output_format: str,
    kept: Mapping[str, Any] | None = None,
) -> int:
    """Keep and print what a drill found; the exit code.

    What can't be kept is told all the same, and why it isn't kept on stderr.

    Args:
        told: what is printed as JSON, and kept.
        show: prints it for people, by the printer that it is given.
        server: which it is about; None where it is about none.
        kept: what the store takes, where that is less than what is told.
    """
    record: str | None = None
    if not no_evidence and (server is not None or not source.profile.unnamed):
        place = runs.place(source, store)
        runs.learn(place)
        try:
            record = evidence.keep(
                place,
                kind=kind,
                target=audit.target_name(source.profile, server),
                system_identifier=server.system_identifier if server else None,
                taken_at=started_at,
                passed=passed,
                evidence=support.redactor.value(told if kept is None else kept),
                valid_days=valid_days,
            ).id
        except DrillError as error:
            support.say(f"readiness: {support.redactor.text(str(error))}")
    if output_format == "json":
        whole = support.redactor.value({"passed": passed, "kept": record, **told})
        print(json.dumps(whole, indent=2, ensure_ascii=False))
    else:
        show(_say)
        _say(f"{'PASSED' if passed else 'FAILED'}{f'; kept as {record}' if record else '; not kept'}")
    return 0 if passed else 1


def _say(line: str) -> None:
    print(support.redactor.text(line))
