"""`readiness score`: the main job."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from readiness import audit as auditing
from readiness import history
from readiness.audit import Audit, Request
from readiness.cli import Terminated, support
from readiness.cli.support import (
    ColorOption,
    DatabaseOption,
    NameOption,
    PolicyOption,
    ProfileOption,
    PushgatewayOption,
    QuietOption,
    SuperuserOption,
    VerboseOption,
)
from readiness.model import CheckResult
from readiness.reporting import console as scorecard
from readiness.reporting.formats import FORMATS, render_any
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def score(
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    policy: PolicyOption = "beta",
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", metavar="F", help=f"Repeatable: {', '.join(FORMATS)}.")
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "--output", "-o", metavar="FILE|-", help="Where the report goes; the n-th belongs to the n-th --format."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ID", help="Ask these checks only; patterns. The rest is unknown."),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="ID", help="Leave these out; they are unknown, never passed.")
    ] = None,
    pushgateway: PushgatewayOption = "",
    name: NameOption = "",
    report_only: Annotated[bool, typer.Option("--report-only", help="Exit 0 whatever the verdict.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Unused or ended waivers and attestations are errors.")
    ] = False,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence", metavar="FILE", help="The evidence store. Default: .readiness/evidence.db by the profile."
        ),
    ] = None,
    no_evidence: Annotated[
        bool, typer.Option("--no-evidence", help="Keep nothing, and see no earlier evidence.")
    ] = False,
    as_superuser: SuperuserOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    color: ColorOption = "auto",
) -> int:
    """Audit the platform, print the scorecard, exit by the verdict."""
    planned = support.plan_outputs(formats or [], outputs or [])
    show_card = not quiet and not any(o.to_stdout for o in planned)
    support.try_outputs(planned, scorecard_on_stdout=show_card)
    support.try_pushgateway(pushgateway)
    source = support.load_profile(profile)
    request = Request(
        profile=source,
        policy=support.load_policy(policy),
        dsn=database,
        name=name,
        only=only or (),
        skip=skip or (),
        as_superuser=as_superuser,
        strict=strict,
        evidence=None
        if no_evidence
        else evidence or history.default_path(source.folder, os.environ, has_profile=source.path is not None),
        environment=os.environ,
        redactor=support.redactor,
    )
    _warn_of_password(database)
    found = run_with_progress(request, quiet=quiet)
    whole = support.guarded_write(planned, lambda name: render_any(found.document, name))
    if pushgateway:
        whole = support.guarded_push(pushgateway, found.document) and whole
    if show_card:
        print_card(found, verbose=verbose, color=color)
    return exit_code(found, whole=whole, report_only=report_only)


def exit_code(found: Audit, *, whole: bool, report_only: bool) -> int:
    """0 is earned: only after every report that was asked for is written and read back."""
    if found.interrupted is not None:
        return 143 if isinstance(found.interrupted, Terminated) else 130
    if not whole:
        return support.CRASHED
    if found.not_strict:
        for problem in found.not_strict:
            support.say(f"readiness: {problem}")
        return support.CONFIGURATION
    return 0 if report_only else found.card.exit_code


def _warn_of_password(dsn: str) -> None:
    if not dsn or dsn == os.environ.get(support.DATABASE_VARIABLE):
        return
    with suppress(ConfigError, Exception):
        from psycopg.conninfo import conninfo_to_dict

        if conninfo_to_dict(dsn).get("password"):
            support.say("readiness: a password on the command line shows in the process list; a passfile doesn't")


def run_with_progress(request: Request, *, quiet: bool) -> Audit:
    """The audit, with a bar on stderr where that is a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        return auditing.audit(request)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("looking", total=None)
        return auditing.audit(_reporting(request, bar, task))


def _reporting(request: Request, bar: Progress, task: object) -> Request:
    from dataclasses import replace

    def start(total: int) -> None:
        bar.update(task, total=total)  # type: ignore[arg-type]

    def step(result: CheckResult) -> None:
        bar.update(task, advance=1, description=result.check.id)  # type: ignore[arg-type]

    on_start: Callable[[int], None] = start
    on_result: Callable[[CheckResult], None] = step
    return replace(request, on_start=on_start, on_result=on_result)


def console_for(color: str) -> Console:
    force = {"always": True, "never": False, "auto": None}[color]
    return Console(
        force_terminal=force or None,
        no_color=True if color == "never" else None,
        highlight=False,
        soft_wrap=False,
        width=None if sys.stdout.isatty() else 120,
    )


def print_card(found: Audit, *, verbose: bool, color: str) -> None:
    try:
        scorecard.render(found.document, console_for(color), verbose=verbose)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
