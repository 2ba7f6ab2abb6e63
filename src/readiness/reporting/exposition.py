"""A run's metrics as text, in either of the two forms that Prometheus takes."""

from __future__ import annotations

from readiness.document import RunDocument
from readiness.export import metrics
from readiness.reporting.escape import visible


def prometheus(run: RunDocument) -> str:
    return _seemly(metrics.text([metrics.reading(run)]))


def openmetrics(run: RunDocument) -> str:
    return _seemly(metrics.openmetrics_text([metrics.reading(run)]))


def _seemly(text: str) -> str:
    """Labels may hold what a policy or a profile calls things: nothing of it may steer a terminal."""
    return "\n".join(visible(line) for line in text.split("\n"))
