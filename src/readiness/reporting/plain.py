"""The scorecard as text, as a wide terminal would show it."""

from __future__ import annotations

import io

from rich.console import Console

from readiness.document import RunDocument
from readiness.reporting import console


def render(run: RunDocument, *, width: int = 100) -> str:
    text = io.StringIO()
    console.render(run, Console(file=text, width=width, force_terminal=False, no_color=True), verbose=True)
    return text.getvalue()
