"""`readiness plan`: the way to GO."""

from __future__ import annotations

import json
import os
from typing import Annotated, Literal

import typer

from readiness import planning, policy, recount
from readiness.audit import Request
from readiness.cli import runs, support
from readiness.cli.score import console_for, run_with_progress
from readiness.cli.support import (
    ColorOption,
    DatabaseOption,
    PolicyOption,
    ProfileOption,
    QuietOption,
    SuperuserOption,
    VerboseOption,
)
from readiness.document import RunDocument
from readiness.model import Status
from readiness.recount import Weighed
from readiness.reporting import plans
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def plan(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help=f"{runs.RUN_HELP} Without one the platform is audited now.")
    ] = "",
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="ID[=STATUS]",
            help="The verdict if a check had a status (pass, partial, fail, unknown; pass where none is given). Repeatable.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="ID", help="Plan without this check: it can't be helped now."),
    ] = None,
    format_name: Annotated[Literal["console", "json"], typer.Option("--format", "-f")] = "console",
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    policy_name: PolicyOption = "beta",
    evidence: runs.EvidenceOption = None,
    as_superuser: SuperuserOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    color: ColorOption = "auto",
) -> int:
    """Fixes and measurements by what exactly they gain, and the least effort that reaches GO.

    Efforts count as an hour (S), a day (M) and a week (L). A fix is sure of its gain; a measurement or a signature gains if it
    turns out healthy. Exit code 0 where GO can be reached, 1 where not.
    """
    source = support.load_profile(profile)
    if run:
        document = runs.load(run, source, evidence)
    else:
        request = Request(
            profile=source,
            policy=support.load_policy(policy_name),
            dsn=database,
            as_superuser=as_superuser,
            environment=os.environ,
            redactor=support.redactor,
        )
        document = run_with_progress(request, quiet=quiet or format_name == "json").document
    weighed = _weighed(document, run)
    known = {r.check.id for r in weighed.results}
    for name in (*(without or ()), *_assumed(what_if or ())):
        if name not in known:
            raise ConfigError(policy.unknown_check(name, known))
    console = console_for(color)
    if what_if:
        card = planning.what_if(weighed, _assumed(what_if))
        for part in plans.what_if(document, card):
            console.print(part)
        return card.exit_code
    possible = planning.actions(weighed, without=without or ())
    found = planning.least(weighed, possible)
    if format_name == "json":
        print(json.dumps(plans.as_json(document, found, possible), indent=1, ensure_ascii=False))
    else:
        for part in plans.render(document, found, possible, verbose=verbose):
            console.print(part)
    return 0 if found.reaches_go else 1


def _weighed(document: RunDocument, shown: str) -> Weighed:
    try:
        return recount.weigh(document)
    except recount.Unreadable as error:
        raise ConfigError(f"{shown}: {error}") from error


def _assumed(texts: list[str] | tuple[()]) -> dict[str, Status]:
    found = {}
    for text in texts:
        name, _, status = text.partition("=")
        try:
            found[name] = Status(status or "pass")
        except ValueError:
            raise ConfigError(f"--what-if {text}: expected one of {', '.join(s.value for s in Status)}") from None
    return found
