"""The formats by name. Each renderer loads when it is asked for."""

from __future__ import annotations

import io

from readiness.document import RunDocument

FORMATS = ("console", "markdown", "json", "prometheus", "openmetrics")


def render(run: RunDocument, format_name: str, *, width: int = 100) -> str:
    """A run document in one format.

    Raises:
        ValueError: there is no such format.
    """
    match format_name:
        case "json":
            return run.to_json()
        case "markdown":
            from readiness.reporting import markdown  # noqa: PLC0415

            return markdown.render(run)
        case "prometheus":
            from readiness.export import metrics  # noqa: PLC0415

            return metrics.text([metrics.reading(run)])
        case "openmetrics":
            from readiness.export import metrics  # noqa: PLC0415

            return metrics.openmetrics_text([metrics.reading(run)])
        case "console":
            from rich.console import Console  # noqa: PLC0415

            from readiness.reporting import console  # noqa: PLC0415

            text = io.StringIO()
            console.render(run, Console(file=text, width=width, force_terminal=False, no_color=True), verbose=True)
            return text.getvalue()
        case _:
            raise ValueError(f"no format is named {format_name!r}")
