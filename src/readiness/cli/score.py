"""`readiness score`: the main job."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from readiness import audit as auditing
from readiness import diff, gates, profile, recount
from readiness.audit import Audit, Request
from readiness.cli import Terminated, runs, support
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
from readiness.document import RunDocument
from readiness.model import CheckResult
from readiness.reporting import console as scorecard
from readiness.reporting.formats import FORMATS, render_any
from readiness.yamldoc import ConfigError

app = support.new_app()

GATES = "new-fail, new-finding, new-unknown, gone, score-drop:2, coverage-drop:5, slower:20%, changed-plan"


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
    baseline: Annotated[
        str, typer.Option("--baseline", metavar="RUN", help="What --fail-on compares with: a saved run, or `last`.")
    ] = "",
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", metavar="C,C", help=f"Exit 1 when one has come since the baseline: {GATES}."),
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Exit 0 whatever the verdict; what --fail-on names still counts.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Unused or ended waivers and attestations are errors.")
    ] = False,
    evidence: runs.EvidenceOption = "",
    no_evidence: Annotated[
        bool, typer.Option("--no-evidence", help="Keep nothing, and see no earlier evidence.")
    ] = False,
    migrations: Annotated[
        Path | None,
        typer.Option(
            "--migrations",
            metavar="DIR",
            help="Replay the folder on an embedded PostgreSQL and audit the schema that it makes; no database is needed.",
        ),
    ] = None,
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
        evidence=None if no_evidence else runs.place(source, evidence),
        environment=os.environ,
        redactor=support.redactor,
    )
    gate = Gate.of(fail_on or (), baseline, source, evidence)
    _warn_of_password(database)
    found = (
        run_with_progress(request, quiet=quiet)
        if migrations is None
        else audit_folder(request, migrations, quiet=quiet)
    )
    whole = support.guarded_write(planned, lambda name: render_any(found.document, name))
    if pushgateway:
        whole = support.guarded_push(pushgateway, found.document) and whole
    if show_card:
        print_card(found, verbose=verbose, color=color)
    elif quiet and found.unkept:
        support.say(f"readiness: {found.unkept}")  # else the next `--baseline last` would compare with an older one
    worse = gate.judge(found.document) if gate and found.interrupted is None else []
    return exit_code(found, whole=whole, report_only=report_only, worse=worse)


def audit_folder(request: Request, migrations: Path, *, quiet: bool) -> Audit:
    """The audit of the schema that a folder's migrations make.

    Raises:
        ConfigError: a migration can't be run, or fails: the schema that it would make is not there to be judged.
        NothingAudited: there is no PostgreSQL to replay it on.
    """
    from readiness.drills import DrillError, folder
    from readiness.embedded import EmbeddedError

    if request.dsn:
        raise ConfigError("--migrations: replays the folder; it is not given together with --database")
    try:
        with folder.replayed(request, migrations) as led:
            return run_with_progress(led, quiet=quiet)
    except DrillError as error:
        raise ConfigError(f"--migrations {error}") from None
    except EmbeddedError as error:
        raise auditing.NothingAudited(str(error)) from None


@dataclass(frozen=True, slots=True)
class Gate:
    """What must not have become worse, and since when."""

    conditions: Sequence[gates.Condition]
    baseline: RunDocument | None

    @classmethod
    def of(cls, fail_on: Sequence[str], baseline: str, source: profile.Source, evidence: str) -> Self | None:
        """The gate that the options ask for; None where they ask for none.

        Raises:
            ConfigError: a condition can't be read, the baseline isn't there, or it doesn't verify.
        """
        if not fail_on and not baseline:
            return None
        if not baseline:
            raise ConfigError("--fail-on: needs a --baseline to compare with")
        try:
            conditions = gates.parse(fail_on)
        except gates.UnknownCondition as error:
            raise ConfigError(f"--fail-on {error}") from error
        text = runs.last(source, evidence) if baseline == runs.LAST else runs.text_of(baseline, source, evidence)
        if text is None:
            return cls(conditions, None)
        read = runs.parse(text, baseline)
        if wrong := recount.verify(text):
            raise ConfigError(f"--baseline {baseline}: does not verify: {wrong[0]}")
        return cls(conditions, read)

    def judge(self, run: RunDocument) -> list[str]:
        """What has become worse; caveats are told."""
        if self.baseline is None:
            support.say("readiness: no earlier run is kept: nothing to compare with yet")
            return []
        try:
            before = diff.under_one_policy(self.baseline, run)
        except recount.Unreadable as error:
            raise ConfigError(f"--baseline: {error}") from error
        if before is not self.baseline:
            support.say(
                f"readiness: the baseline was weighed by another policy; it is weighed again under {run.policy.name}"
            )
        found = diff.compare(before, run)
        for caveat in found.caveats:
            support.say(f"readiness: baseline: {caveat}")
        return gates.judge(self.conditions, found)


def exit_code(found: Audit, *, whole: bool, report_only: bool, worse: Sequence[str] = ()) -> int:
    """0 is earned: only after every report that was asked for is written and read back."""
    if found.interrupted is not None:
        return 143 if isinstance(found.interrupted, Terminated) else 130
    if not whole:
        return support.CRASHED
    if found.not_strict:
        for problem in found.not_strict:
            support.say(f"readiness: {problem}")
        return support.CONFIGURATION
    for said in worse:
        support.say(f"readiness: worse than the baseline: {said}")
    if worse:
        return 1
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
