"""A run's metrics as text, in either of the two forms that Prometheus takes."""

from __future__ import annotations

from readiness.document import RunDocument
from readiness.export import metrics


def prometheus(run: RunDocument) -> str:
    return metrics.text([metrics.reading(run)])


def openmetrics(run: RunDocument) -> str:
    return metrics.openmetrics_text([metrics.reading(run)])
