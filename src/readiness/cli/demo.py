"""`readiness demo`: audit a sample platform that comes along."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from readiness import embedded
from readiness.audit import Request
from readiness.cli import Terminated, support
from readiness.cli.score import exit_code, print_card, run_with_progress
from readiness.cli.support import ColorOption, Output, PolicyOption, QuietOption, VerboseOption
from readiness.demo import DemoError, platform
from readiness.embedded import EmbeddedError, Runtime
from readiness.reporting.formats import render_any
from readiness.yamldoc import ConfigError

app = support.new_app()

REPORT = "readiness-report"
SUFFIXES = {"html": "html", "markdown": "md", "json": "json"}


@app.command()
def demo(
    state: Annotated[
        Literal["before", "after"], typer.Option(help="The platform before its migration, or after it.")
    ] = "before",
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit by the verdict; else 0: to show a NO-GO is its job.")
    ] = False,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the platform up behind the scorecard, until Ctrl-C.")
    ] = False,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", metavar="DIR", help="Where the reports go. Default: the current folder.")
    ] = Path(),
    policy: PolicyOption = "beta",
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    color: ColorOption = "auto",
) -> int:
    """Audit a sample platform on a PostgreSQL that comes along: no set-up, no server, no root.

    Seven services, a database with their rows, and every check on it. Nothing of it stays on the machine.
    """
    planned = _plan(output_dir)
    support.try_outputs(planned, scorecard_on_stdout=not quiet)
    chosen = support.load_policy(policy)
    runtime = _runtime()
    _forget_postgres_variables()
    embedded.sweep()
    try:
        with platform.raised(state, runtime=runtime, told=_told(quiet=quiet)) as up:
            request = Request(
                profile=up.source,
                policy=chosen,
                dsn=up.dsn,
                evidence=up.evidence,
                environment=os.environ,
                redactor=support.redactor,
            )
            found = run_with_progress(request, quiet=quiet)
            if found.interrupted is not None:
                return exit_code(found, whole=False, report_only=True)
            whole = support.guarded_write(planned, lambda name: render_any(found.document, name))
            if not quiet:
                print_card(found, verbose=verbose, color=color)
                _tell(planned, state, whole=whole)
            if open_report and whole:
                _open(Path(planned[0].path))
            if keep:
                _stay(up)
            return exit_code(found, whole=whole, report_only=not gate)
    except (EmbeddedError, DemoError) as error:
        support.say(f"readiness: the sample platform could not be brought up: {error}")
        return support.CRASHED


def _plan(folder: Path) -> list[Output]:
    """The reports, in a folder that is made where it is missing.

    Raises:
        ConfigError: it can't be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"--output-dir {folder}: the reports can't be written there: {error.strerror or error}"
        ) from error
    return [Output(name, str(folder / f"{REPORT}.{suffix}")) for name, suffix in SUFFIXES.items()]


def _runtime() -> Runtime:
    """PostgreSQL's programs.

    Raises:
        ConfigError: there are none.
    """
    try:
        runtime = embedded.find_runtime()
    except EmbeddedError as error:
        raise ConfigError(str(error)) from None
    if not (runtime.bindir / "initdb").is_file():
        raise ConfigError(f"{runtime.bindir}: PostgreSQL's programs are not there (READINESS_PG_BINDIR)")
    return runtime


def _forget_postgres_variables() -> None:
    """PGSSLMODE, PGHOSTADDR and their like are meant for the user's own servers; libpq would heed them here too."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _told(*, quiet: bool) -> platform.Told:
    terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
    return (lambda step: support.say(f"{step} ...")) if terminal else (lambda _step: None)


def _tell(planned: list[Output], state: str, *, whole: bool) -> None:
    other = "after" if state == "before" else "before"
    if whole:
        print(f"\nThe whole report: {', '.join(output.path for output in planned)}")
    print(f"The same platform {other} its migration: readiness demo --state {other}")
    sys.stdout.flush()


def _open(report: Path) -> None:
    import webbrowser

    webbrowser.open(report.resolve().as_uri())


def _stay(up: platform.Platform) -> None:
    """Wait for Ctrl-C, which is the way to go on here; SIGTERM ends the command as anywhere."""
    print("\nThe platform stays up until Ctrl-C. To look around as its auditor:")
    print(f'  psql "{platform.session(up)}"')
    for name, service in up.source.profile.services.items():
        print(f"  {service.title or name}: {service.url}")
    sys.stdout.flush()
    try:
        while True:
            time.sleep(3600)
    except Terminated:
        raise
    except KeyboardInterrupt:
        print()
