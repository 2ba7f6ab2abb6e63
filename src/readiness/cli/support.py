"""What several commands share: options, loading, outputs, and errors in one sentence."""

from __future__ import annotations

import datetime as dt
import os
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from readiness import policy, profile
from readiness.audit import NothingAudited
from readiness.document import RunDocument
from readiness.redaction import Redactor
from readiness.reporting.formats import FORMATS, by_suffix, unavailable
from readiness.yamldoc import ConfigError

CONFIGURATION, CRASHED = 2, 4
STDOUT = "-"

DATABASE_VARIABLE = "READINESS_DATABASE"

redactor = Redactor()
"""Of this process: whatever is printed passes through it."""

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="FILE",
        help="The platform's profile, or the name of a shipped one (devmentor). Default: readiness.yaml, found upwards.",
    ),
]
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        "-d",
        metavar="DSN",
        envvar=DATABASE_VARIABLE,
        help="Whatever libpq takes; keep the password in a passfile, PGPASSWORD or a service. Default: the profile's, then PG*.",
    ),
]
PolicyOption = Annotated[
    str, typer.Option("--policy", metavar="NAME|FILE", help="alpha, beta, ga, or a file of your own.")
]
BindOption = Annotated[
    bool,
    typer.Option("--bind", help="It counts for this profile alone (its `name`), where several lie in one folder."),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="List every check; show tracebacks.")]
NameOption = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="NAME",
        help="File the run under this name; for several environments of one profile. Default: the profile's.",
    ),
]
PushgatewayOption = Annotated[
    str, typer.Option("--pushgateway", metavar="URL", help="Send the run's metrics to a Prometheus Pushgateway, too.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no scorecard beside a report.")]
ColorOption = Annotated[
    Literal["auto", "always", "never"], typer.Option("--color", help="Colour; NO_COLOR is honoured.")
]
SuperuserOption = Annotated[
    bool,
    typer.Option(
        "--as-superuser", help="Run the profile's SQL and other people's checks although the role is a superuser."
    ),
]


def new_app() -> typer.Typer:
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def load_profile(name: str | None) -> profile.Source:
    """The named profile, the one found upwards, or none at all.

    Raises:
        ConfigError: it can't be read.
    """
    if name is not None:
        if name in profile.shipped() and not Path(name).exists():
            return profile.load_shipped(name, os.environ)
        return profile.load(Path(name), os.environ)
    found = profile.find(here())
    if found is None:
        return profile.without_file()
    shown = Path(os.path.relpath(found))
    return profile.load(shown, os.environ)


def binding(source: profile.Source, bind: bool) -> str | None:
    """The name that an entry of the register is bound to.

    Raises:
        ConfigError: it shall be, and the profile has none.
    """
    if bind and not source.profile.name:
        raise ConfigError("--bind: the profile has no `name` that an entry could be bound to")
    return source.profile.name if bind else None


def here() -> Path:
    """The current folder.

    Raises:
        ConfigError: it is gone.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError("the current folder is gone; change to one that exists") from error


def load_policy(name: str) -> policy.Source:
    return policy.load(name, os.environ)


def day(text: str | None) -> dt.date | None:
    """A date from the command line.

    Raises:
        ConfigError: it is none.
    """
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--date {text}: expected YYYY-MM-DD") from error


def say(text: str) -> None:
    """A line on stderr, with no secret in it."""
    with suppress(OSError, ValueError):
        print(redactor.text(text), file=sys.stderr)


def explain(error: BaseException, *, verbose: bool) -> int:
    """Say what went wrong; the exit code that it calls for."""
    if verbose:
        say("".join(traceback.format_exception(error)))
    match error:
        case ConfigError():
            for problem in error.problems:
                say(f"readiness: {problem}")
            return CONFIGURATION
        case NothingAudited():
            say(f"readiness: nothing could be audited: {error}")
            return CRASHED
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            say(f"readiness: {where}{error.strerror or error}")
            return CRASHED
        case _:
            say(f"readiness: broken off by a fault of its own: {type(error).__name__}: {error}")
            if not verbose:
                say("readiness: run it again with --verbose to see where, and please report it")
            return CRASHED


# -- outputs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Output:
    """One report, and where it goes."""

    format: str
    path: str

    @property
    def to_stdout(self) -> bool:
        return self.path == STDOUT


def plan_outputs(formats: Sequence[str], paths: Sequence[str]) -> list[Output]:
    """Pair the n-th --format with the n-th --output; what has none goes to stdout.

    Raises:
        ConfigError: an unknown format, one that can't be rendered here, more outputs than formats, two reports on stdout,
            one file twice, or a file whose name asks for another of the reports than its place gives it.
    """
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"--format {name}: no such format; there are: {', '.join(FORMATS)}")
    if paths and not formats:
        formats = [_format_of(paths[0])] if len(paths) == 1 else formats
    if len(paths) > len(formats):
        raise ConfigError("--output: more outputs than formats; give a --format for each")
    for name in formats:
        if reason := unavailable(name):
            raise ConfigError(f"--format {name}: {reason}")
    outputs = [Output(f, paths[at] if at < len(paths) else STDOUT) for at, f in enumerate(formats)]
    if len(paths) < len(formats):
        for o in outputs:
            # `-f console -f json -o run.json`: by its place the file would hold another report than by its name.
            if not o.to_stdout and (meant := by_suffix(o.path)) != o.format and meant in formats:
                raise ConfigError(
                    f"--output {o.path}: would hold {o.format}, not {meant}; the n-th --output belongs to the n-th "
                    f"--format: give each its own (`-` is standard output)"
                )
    if sum(o.to_stdout for o in outputs) > 1:
        raise ConfigError("--output: only one report goes to stdout; give a file for each of the others")
    files = [os.path.realpath(o.path) for o in outputs if not o.to_stdout]
    if len(set(files)) < len(files):
        raise ConfigError("--output: two reports go to one file")
    return outputs


def _format_of(path: str) -> str:
    found = by_suffix(path)
    if found is None:
        raise ConfigError(f"--output {path}: give its --format ({', '.join(FORMATS)})")
    return found


def try_outputs(outputs: Sequence[Output], *, scorecard_on_stdout: bool) -> None:
    """See, before any work is done, that every report can be written.

    Raises:
        ConfigError: one can't.
    """
    needs_stdout = scorecard_on_stdout or any(o.to_stdout for o in outputs)
    if needs_stdout and sys.stdout is None:
        raise ConfigError("standard output is closed; open it, or give --output FILE and --quiet")
    for o in outputs:
        if o.to_stdout:
            continue
        path = Path(o.path)
        try:
            if path.is_dir():
                raise ConfigError(f"--output {o.path}: is a folder; name a file in it")
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                continue  # a pipe or a device: written to as it is
            handle, probe = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent or ".")
            os.close(handle)
            Path(probe).unlink()
        except OSError as error:
            raise ConfigError(f"--output {o.path}: can't be written: {error.strerror or error}") from error


def write_output(output: Output, report: str | bytes) -> None:
    """Write a report so that it is whole or not there, and read it back.

    Raises:
        OSError: it could not be written, or is not what was written.
    """
    raw = report if isinstance(report, bytes) else report.encode("utf-8", "backslashreplace")
    if output.to_stdout:
        if isinstance(report, bytes):
            sys.stdout.buffer.write(report)
        else:
            sys.stdout.write(report)
        sys.stdout.flush()
        return
    path = Path(output.path)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        path.write_bytes(raw)
        return
    target = Path(os.path.realpath(path))  # a link stays a link
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fchmod(handle, _mode(target))  # else only we could read it, and a textfile collector is somebody else
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if target.read_bytes() != raw:
        raise OSError(f"{path}: holds something else than was written")


def _mode(target: Path) -> int:
    """The permissions that the file has, or that any new file of ours gets."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    os.umask(mask := os.umask(0))
    return 0o666 & ~mask


def guarded_write(outputs: Sequence[Output], render: Callable[[str], str | bytes]) -> bool:
    """Write every report; whether all of them arrived. A reader of stdout that left early is no loss."""
    whole = True
    for o in outputs:
        try:
            write_output(o, render(o.format))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads it any more
        except OSError as error:
            say(f"readiness: {o.path}: the report was lost: {error.strerror or error}")
            whole = False
    return whole


def try_pushgateway(url: str) -> None:
    """See, before any work is done, that there is a gateway. An empty address asks for none.

    Raises:
        ConfigError: there is none.
    """
    if not url:
        return
    from readiness.export import pushgateway

    try:
        redactor.learn([pushgateway.parse(url)[2]])
        pushgateway.try_gateway(url)
    except ValueError as error:
        raise ConfigError(f"--pushgateway: {error}") from None
    except pushgateway.GatewayError as error:
        raise ConfigError(f"--pushgateway: {error}") from error


def guarded_push(url: str, run: RunDocument) -> bool:
    """Send the metrics; whether they arrived."""
    from readiness.export import pushgateway

    try:
        pushgateway.push(url, run)
    except pushgateway.GatewayError as error:
        say(f"readiness: the metrics were lost: {error}")
        return False
    return True
