"""`readiness report`: render a saved run again."""

from __future__ import annotations

from typing import Annotated

import typer

from readiness import profile
from readiness.cli import runs, support
from readiness.cli.runs import EvidenceOption
from readiness.cli.support import ProfileOption
from readiness.reporting.formats import FORMATS, render_any

app = support.new_app()


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help=runs.RUN_HELP)],
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", metavar="F", help=f"Repeatable: {', '.join(FORMATS)}.")
    ] = None,
    outputs: Annotated[list[str] | None, typer.Option("--output", "-o", metavar="FILE|-")] = None,
    profile_name: ProfileOption = None,
    evidence: EvidenceOption = "",
    pushgateway: support.PushgatewayOption = "",
) -> int:
    """Render a saved run again, in any format."""
    planned = support.plan_outputs(formats or ([] if outputs or pushgateway else ["console"]), outputs or [])
    support.try_outputs(planned, scorecard_on_stdout=False)
    support.try_pushgateway(pushgateway)
    source = profile.without_file() if runs.is_file(run) else support.load_profile(profile_name)
    saved = runs.load(run, source, evidence)
    whole = support.guarded_write(planned, lambda name: render_any(saved, name))
    if pushgateway:
        whole = support.guarded_push(pushgateway, saved) and whole
    return 0 if whole else support.CRASHED
