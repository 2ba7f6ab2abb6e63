"""Run documents as Prometheus metrics.

A custom collector: the families are made anew for each exposition, so that a value can't outlive the document that it
stands in. No timestamps are written (a Pushgateway refuses them, the textfile collector drops the file); the age of
what is shown is a metric of its own. Labels are names from the profile, the policy and the checks, never of subjects:
their number is bounded by what is declared. Every metric is described in docs/metrics.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from readiness.document import CheckPart, MeasurementPart, RunDocument
from readiness.model import Status
from readiness.scoring import Decision

MUST_HAVE_STATUSES = (Status.PASS, Status.FAIL, Status.UNKNOWN)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
EOF, HELP = b"# EOF\n", b"# HELP "
_HEAD = re.compile(rb"^# HELP ", re.MULTILINE)
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


class Detail(StrEnum):
    """How much of a run is told. SUMMARY leaves out what there is of each check: a few dozen series a target."""

    FULL = "full"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of one target.

    Args:
        target: its name, which is the label.
        run: its newest document; None where there has never been one.
        success: whether the last attempt ended in a whole run; None where none was made yet.
        interval_seconds: how often it is audited, where that is known.
    """

    target: str
    run: RunDocument | None
    success: bool | None
    interval_seconds: float | None = None


def reading(run: RunDocument) -> Reading:
    """A document by itself."""
    return Reading(target=run.target.name, run=run, success=not run.partial)


class _Family:
    """A gauge in the making."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self.gauge = GaugeMetricFamily(name, documentation, labels=["target", *labels])

    def add(self, value: float, *labels: str) -> None:
        self.gauge.add_metric(labels, value)


class Readings(Collector):
    """The metrics of some targets."""

    def __init__(self, readings: Sequence[Reading], *, detail: Detail = Detail.FULL) -> None:
        self._readings = readings
        self._detail = detail

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # nothing is collected when it is registered

    def collect(self) -> Iterator[GaugeMetricFamily]:
        runs = [(r.target, r.run) for r in self._readings if r.run is not None]
        families = [*_attempts(self._readings), *_verdicts(runs), *_parts(runs), *_latencies(runs)]
        if self._detail is Detail.FULL:
            families += _checks(runs)
        for family in families:
            if family.gauge.samples:
                yield family.gauge


Runs = Sequence[tuple[str, RunDocument]]


def _attempts(readings: Sequence[Reading]) -> list[_Family]:
    success = _Family(
        "readiness_run_success",
        "1 if the last attempt to audit ended in a whole run, 0 if it failed or was cut off; the other metrics then tell "
        "of an earlier run.",
    )
    interval = _Family("readiness_run_interval_seconds", "How often the target is audited.")
    for r in readings:
        if r.success is not None:
            success.add(float(r.success), r.target)
        if r.interval_seconds is not None:
            interval.add(r.interval_seconds, r.target)
    return [success, interval]


def _verdicts(runs: Runs) -> list[_Family]:
    """One figure a target."""

    def each(name: str, documentation: str, value: Callable[[RunDocument], float | None]) -> _Family:
        family = _Family(name, documentation)
        for target, run in runs:
            if (found := value(run)) is not None:
                family.add(found, target)
        return family

    decision = _Family(
        "readiness_decision", "State set: 1 for the decision of the last run, 0 for the others.", "decision"
    )
    build = _Family("readiness_build_info", "1; the version of the tool that made the last run.", "version")
    for target, run in runs:
        for state in Decision:
            decision.add(float(run.verdict.decision is state), target, state.value)
        build.add(1, target, run.tool.version)
    return [
        each(
            "readiness_score", "Points of 100 that are measured or attested, rounded down.", lambda r: r.verdict.score
        ),
        each(
            "readiness_score_ceiling",
            "Points of 100 if everything that is unknown turned out well.",
            lambda r: r.verdict.ceiling,
        ),
        each(
            "readiness_coverage_ratio",
            "Share of the points that is measured or attested, 0 to 1.",
            lambda r: round(r.verdict.coverage / 100, 3),  # tenths of a percent, without the noise of the division
        ),
        each("readiness_threshold", "Points of 100 that a GO takes.", lambda r: r.verdict.threshold),
        decision,
        each(
            "readiness_blockers",
            "Failed must-haves and failed checks of priority P0, as checks.",
            lambda r: len(r.blockers),
        ),
        each(
            "readiness_valid_until_timestamp_seconds",
            "Unix time at which a GO ends with the evidence that it rests on; only where the decision is GO.",
            lambda r: r.verdict.valid_until.timestamp() if r.verdict.valid_until else None,
        ),
        each("readiness_run_duration_seconds", "How long the last run took.", lambda r: r.duration_seconds),
        each(
            "readiness_last_run_timestamp_seconds",
            "Unix time of the end of the run that these metrics tell of.",
            lambda r: r.finished_at.timestamp(),
        ),
        build,
    ]


def _parts(runs: Runs) -> list[_Family]:
    category = _Family("readiness_category_score", "Points of 100 within a category, rounded down.", "category")
    service = _Family("readiness_service_readiness_ratio", "Readiness of a service, 0 to 1.", "service")
    must = _Family(
        "readiness_must_have", "State set: 1 for the status of a must-have, 0 for the others.", "criterion", "status"
    )
    waived = _Family("readiness_must_have_waived", "1 where a waiver lifts the veto of a must-have.", "criterion")
    expiry = _Family(
        "readiness_waiver_expiry_timestamp_seconds",
        "Unix time at which a waiver ends; of several for one check, the first.",
        "check",
    )
    counted = _Family("readiness_checks", "Number of checks by status.", "status")
    for target, run in runs:
        for c in run.categories:
            category.add(c.score, target, c.id)
        for s in run.services:
            service.add(s.readiness / 100, target, s.id)
        for m in run.must_haves:
            for state in MUST_HAVE_STATUSES:
                must.add(float(m.status is state), target, m.id, state.value)
            waived.add(float(m.waived), target, m.id)
        ends: dict[str, date] = {}
        for w in run.waivers:
            ends[w.check] = min(w.expires, ends.get(w.check, w.expires))
        for check, day in sorted(ends.items()):
            expiry.add(datetime.combine(day, time(), tzinfo=UTC).timestamp(), target, check)
        for status in Status:
            counted.add(sum(c.status is status for c in run.checks), target, status.value)
    return [category, service, must, waived, expiry, counted]


def _latencies(runs: Runs) -> list[_Family]:
    families = []
    for figure, label in (("query_p95", "query"), ("service_p95", "service")):
        value = _Family(
            f"readiness_{figure}_seconds",
            f"95th percentile of the {label}'s latency in the last run; +Inf where calls had no end.",
            label,
        )
        target_value = _Family(
            f"readiness_{figure}_target_seconds", f"What the {label}'s 95th percentile may be.", label
        )
        for target, run in runs:
            for m in _once(m for m in run.measurements if m.figure == figure and m.unit in SECONDS):
                value.add(_figure(m) * SECONDS[m.unit], target, m.subject)
                if m.target is not None:
                    target_value.add(m.target * SECONDS[m.unit], target, m.subject)
        families += [value, target_value]
    return families


def _once(measurements: Iterable[MeasurementPart]) -> list[MeasurementPart]:
    return list({m.subject: m for m in measurements}.values())


def _figure(m: MeasurementPart) -> float:
    """JSON has no infinity: a figure without a value is a wait without end."""
    return math.inf if m.value is None else m.value


def _checks(runs: Runs) -> list[_Family]:
    status = _Family(
        "readiness_check_status", "State set: 1 for the status of a check, 0 for the others.", "check", "status"
    )
    findings = _Family(
        "readiness_check_findings", "Subjects that a check found wanting; absent where it could not look.", "check"
    )
    for target, run in runs:
        for c in run.checks:
            for state in Status:
                status.add(float(c.status is state), target, c.id, state.value)
            if _looked(c):
                findings.add(c.examined - c.healthy, target, c.id)
    return [status, findings]


def _looked(check: CheckPart) -> bool:
    return check.examined > 0 or check.status in (Status.PASS, Status.NOT_APPLICABLE)


def registry(readings: Sequence[Reading], *, detail: Detail = Detail.FULL) -> CollectorRegistry:
    """A registry of these metrics and nothing else."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Readings(readings, detail=detail))
    return made


def text(readings: Sequence[Reading], *, detail: Detail = Detail.FULL) -> str:
    """The text format 0.0.4, which the textfile collector, Pushgateways and every Prometheus read."""
    return exposition.generate_latest(registry(readings, detail=detail)).decode()


def openmetrics_text(readings: Sequence[Reading], *, detail: Detail = Detail.FULL) -> str:
    """OpenMetrics 1.0."""
    encode, _ = exposition.choose_encoder(OPENMETRICS)
    return encode(registry(readings, detail=detail)).decode()


class Expositions:
    """What many scrapes ask of readings that seldom change: each target's part is made once, and then only put together.

    Safe for threads: at worst two make the same part.
    """

    def __init__(self, *, detail: Detail = Detail.FULL) -> None:
        self._detail = detail
        self._made: dict[tuple[str, str], tuple[Reading, list[tuple[bytes, bytes]]]] = {}

    def of(self, readings: Sequence[Reading], accept: str) -> tuple[bytes, str]:
        """The exposition that a scraper's Accept header asks for, and its content type."""
        kind = OPENMETRICS if "application/openmetrics-text" in accept else ""
        families: dict[bytes, list[bytes]] = {}
        for r in readings:
            for head, lines in self._part(r, kind):
                families.setdefault(head, []).append(lines)
        body = b"".join(head + b"".join(parts) for head, parts in families.items())
        return body + (EOF if kind else b""), exposition.choose_encoder(kind)[1]

    def _part(self, r: Reading, kind: str) -> list[tuple[bytes, bytes]]:
        made = self._made.get((r.target, kind))
        if made is not None and made[0].run is r.run and replace(made[0], run=None) == replace(r, run=None):
            return made[1]
        encode, _ = exposition.choose_encoder(kind)
        text = encode(registry([r], detail=self._detail)).removesuffix(EOF)
        families = []
        for block in _HEAD.split(text)[1:]:  # a label can't begin a line: its line breaks are escaped
            told, kind_line, lines = block.split(b"\n", 2)
            families.append((HELP + told + b"\n" + kind_line + b"\n", lines))
        self._made[r.target, kind] = (r, families)
        return families
