"""`readiness report`: render a saved run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from readiness import document
from readiness.cli import support
from readiness.reporting.formats import FORMATS, render_any
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run document (score --format json).")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", metavar="F", help=f"Repeatable: {', '.join(FORMATS)}.")
    ] = None,
    outputs: Annotated[list[str] | None, typer.Option("--output", "-o", metavar="FILE|-")] = None,
    pushgateway: support.PushgatewayOption = "",
) -> int:
    """Render a saved run again, in any format."""
    planned = support.plan_outputs(formats or ([] if outputs or pushgateway else ["console"]), outputs or [])
    support.try_outputs(planned, scorecard_on_stdout=False)
    support.try_pushgateway(pushgateway)
    try:
        saved = document.parse(run.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{run}: can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{run}: is no run document of this tool (readiness.run/1)") from error
    whole = support.guarded_write(planned, lambda name: render_any(saved, name))
    if pushgateway:
        whole = support.guarded_push(pushgateway, saved) and whole
    return 0 if whole else support.CRASHED
