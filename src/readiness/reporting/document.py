"""The run document itself."""

from __future__ import annotations

from readiness.document import RunDocument


def render(run: RunDocument) -> str:
    return run.to_json()
