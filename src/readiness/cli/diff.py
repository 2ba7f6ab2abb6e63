"""`readiness diff`: what moved between two runs, and why."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from readiness import diff as differing
from readiness import recount
from readiness.cli import runs, support
from readiness.cli.score import console_for
from readiness.cli.support import ColorOption, ProfileOption
from readiness.reporting import moves
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help=runs.RUN_HELP)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Likewise.")],
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Weigh the older run's evidence under the newer one's policy first.")
    ] = False,
    format_name: Annotated[Literal["console", "json"], typer.Option("--format", "-f")] = "console",
    profile: ProfileOption = None,
    evidence: runs.EvidenceOption = "",
    color: ColorOption = "auto",
) -> int:
    """What is new, mended, changed or no longer measured between two runs, and why the score moved, to the exact point.

    Exit code 1 where they differ. Runs under different policies don't compare: it says so, and offers --rescore.
    """
    source = support.load_profile(profile)
    before, after = runs.load(old, source, evidence), runs.load(new, source, evidence)
    if rescore:
        try:
            before = differing.under_one_policy(before, after)
        except recount.Unreadable as error:
            raise ConfigError(f"{old}: {error}") from error
    found = differing.compare(before, after)
    if format_name == "json":
        print(json.dumps(moves.as_json(found), indent=1, ensure_ascii=False))
    else:
        console = console_for(color)
        for part in moves.render(found):
            console.print(part)
    return 0 if found.nothing else 1
