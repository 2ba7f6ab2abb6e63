import re

from readiness import BINARY, Answer, Observation, check
from readiness.facts.ci import Pipelines

# What holds the times of a run against those of an earlier one, and fails. Sources: their documentation.
_GATES = {
    "readiness score": r"\breadiness\s+(?:-\S+\s+\S+\s+)*score\b[^\n]*--fail-on[= ]\S*slower",
    "pytest-benchmark": r"--benchmark-compare-fail\b",
    "github-action-benchmark": r"\bbenchmark-action/github-action-benchmark\b",
    "bencher": r"\bbencher\s+run\b",
}


@check(
    subject="file",
    universe="repositories with migrations",
    priority="info",
    effort="S",
    credit=BINARY,
    mend="""
    Let CI, or a nightly job on a copy with real rows, run `readiness score --baseline last --fail-on slower:20%`: it ends with 1 when
    a critical query's or a service's P95 grew by more, beyond what both intervals explain.
    """,
)
def regressions_unchecked(pipelines: Pipelines) -> Answer:
    """A job holds each run's times against the run before, and fails when they grew.

    A query that takes twice as long as last month still meets its target, until it doesn't. Nobody looks for that by hand.
    """
    gates = [
        f"{pipeline.path}: {gate}"
        for pipeline in pipelines.found
        for gate, form in _GATES.items()
        if re.search(form, pipeline.commands)
    ]
    return Observation(
        subject=pipelines.migrations,
        ok=bool(gates),
        evidence={"gates": gates, "configuration": [p.path for p in pipelines.found] or "none was found"},
    )
