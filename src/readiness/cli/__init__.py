"""The command line: parse, call, print, exit. Each command's module loads when it is called.

Exit codes, one meaning each: 0 GO, or done and nothing wrong found; 1 NO-GO, or what was looked for was found; 2 usage
or configuration; 3 HOLD; 4 nothing could be audited, or a crash; 130 and 143 interrupted.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

USAGE, CRASHED = 2, 4

# Command -> its module in this package, and its line in --help.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Audit a sample platform on an embedded Postgres: no set-up, no server, no root."),
    "init": ("init", "Look at a live database and write a commented profile to start from."),
    "score": ("score", "Audit the platform, print the scorecard, exit by the verdict."),
    "doctor": ("doctor", "What the present role does not let the audit see, and the grant for each."),
    "checks": ("checks", "List the checks, or explain one."),
    "role-sql": ("role_sql", "Print the script that makes the auditor's role, tier by tier."),
    "drill": ("drill", "Experiments in scratch databases, and what is left of them."),
    "fleet": ("fleet", "Audit many targets: one table, one set of metrics."),
    "snapshot": ("snapshot", "A fingerprint of every table's content, before a migration and after it."),
    "compare": ("compare", "What lies between two snapshots, or between the schemas of two databases or folders."),
    "docs": ("docs", "The schema's documentation, with a diagram; --check tells when a copy is stale."),
    "serve": ("serve", "Audit on a schedule; serve metrics, reports and history."),
    "report": ("report", "Render a saved run again."),
    "plan": ("plan", "Fixes and measurements by exact gain, and the least effort that reaches GO."),
    "diff": ("diff", "What moved between two runs, and why, to the exact point."),
    "history": ("history", "The kept runs over time, as a table and a plot; weighed again, or pruned."),
    "verify": ("verify", "Compute a saved run again, offline; find what was changed in it."),
    "attest": ("attest", "Vouch, for a while, for what no probe can see."),
    "waive": ("waive", "Accept a risk, for a while: it lifts a veto and adds no point."),
    "profile": ("profile", "Check a profile without connecting, or print its JSON Schema."),
}


def lazily(commands: Mapping[str, tuple[str, str]], package: str) -> type[TyperGroup]:
    """A group whose commands load when they are called, so that --help is quick.

    Args:
        commands: command -> its module in the package, and its line in --help.
    """

    class Lazy(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            del ctx
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            del ctx
            if cmd_name not in commands:
                return None
            module = import_module(f"{package}.{commands[cmd_name][0]}")
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            return command

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            del ctx
            with formatter.section("Commands"):
                formatter.write_dl([(name, line) for name, (_, line) in commands.items()])

    return Lazy


app = typer.Typer(
    cls=lazily(COMMANDS, __name__),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Is this Postgres-backed platform ready? Live checks, a weighted go/no-go score, and the SQL that mends.",
    epilog="Exit codes: 0 GO, 1 NO-GO, 2 usage or configuration, 3 HOLD, 4 nothing could be audited.",
)


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:  # behind other words; alone it is answered before this module loads
        from readiness import __version__

        print(f"readiness {__version__}")
        raise typer.Exit


class Terminated(KeyboardInterrupt):
    """SIGTERM: what was finished is kept, as with Ctrl-C, and the exit code tells which it was."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    _prepare_streams()
    if sys.stdout is None and not {*arguments[:1]} & _LOOK_THEMSELVES:
        print("readiness: standard output is closed; open it, or give --output FILE and --quiet", file=sys.stderr)
        return USAGE
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = app(list(arguments), standalone_mode=False, prog_name="readiness")
        code = result if isinstance(result, int) else 0
        if code == 130 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            code = 143  # typer makes 130 of every interruption; which one it was, the spent handler tells
    except typer.Abort as abort:
        code = 143 if isinstance(abort.__cause__, Terminated) else 130
    except Terminated:
        code = 143
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 4
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else CRASHED
    except Exception as error:  # noqa: BLE001  the last resort: one sentence, never a traceback unasked
        code = _explain(error, verbose="--verbose" in arguments or "-v" in arguments)
    return _flush(code)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # the second one ends it at once
    if number == signal.SIGTERM:
        raise Terminated
    raise KeyboardInterrupt


def _explain(error: Exception, *, verbose: bool) -> int:
    """One sentence on stderr, and the exit code."""
    show, usage = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(usage, int):  # the parser's own complaint, with its usage line
        from readiness.redaction import Redactor

        show(file := io.StringIO())
        print(Redactor().text(file.getvalue()), end="", file=sys.stderr)  # it repeats a word that may be a DSN
        return usage
    from readiness.cli.support import explain

    return explain(error, verbose=verbose)


_LOOK_THEMSELVES = frozenset({"score", "demo", "report"})  # they may do without standard output


class _Unread(io.TextIOWrapper):
    """Standard output whose reader may leave early (`| head`): what nobody reads any more goes nowhere."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            return self._left(len(text))

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._left(0)

    def _left(self, written: int) -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        return written


def _prepare_streams() -> None:
    """Whatever the locale, no character stops a report; a closed stderr swallows, a closed stdout is told."""
    if type(sys.stdout) is io.TextIOWrapper:
        encoding, buffered_by_line = sys.stdout.encoding, sys.stdout.line_buffering
        sys.stdout = _Unread(sys.stdout.detach(), encoding, line_buffering=buffered_by_line)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  for the life of the process


def _flush(code: int) -> int:
    """Write out what is left; a reader that left early (`| head`) changes nothing."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = CRASHED
    return code
