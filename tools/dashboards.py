"""Grafana dashboards, as the classic JSON that file provisioning takes. `tools/generate.py` writes them.

The datasource is a variable, not an import-time input, which provisioning never resolves. A panel says what it shows in
its description; `tests/test_monitoring.py` evaluates every expression against a real Prometheus.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 39  # Grafana 10.4 and later; older ones are migrated when they are read
DATASOURCE = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
WIDTH = 24
GREEN, AMBER, RED, GREY, BLUE = "green", "orange", "red", "text", "blue"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; `steps` are thresholds: (from, colour), the first from minus infinity."""

    title: str
    says: str
    kind: str
    width: int
    height: int
    queries: Sequence[Query]
    unit: str = "none"
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    steps: Sequence[tuple[float | None, str]] = ((None, GREEN),)
    mappings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    """A table's columns in their order: field -> heading; all others are left out."""
    overrides: Sequence[Json] = ()
    absent: str = "none"


_REDUCE = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
_STAT = {**_REDUCE, "colorMode": "background", "graphMode": "none", "textMode": "auto", "justifyMode": "auto"}
_BARS = {**_REDUCE, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True}
_LINES = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
_OPTIONS: Mapping[str, Json] = {
    "stat": _STAT,
    "bargauge": _BARS,
    "timeseries": _LINES,
    "table": {"showHeader": True, "cellHeight": "sm"},
    "gauge": {**_REDUCE, "showThresholdMarkers": True, "showThresholdLabels": False},
    "state-timeline": {"showValue": "never", "mergeValues": True, "rowHeight": 0.9},
}


def _panel(number: int, panel: Panel, x: int, y: int) -> Json:
    defaults: Json = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in panel.steps]},
        "noValue": panel.absent,
    }
    for key, value in (("min", panel.least), ("max", panel.most), ("decimals", panel.decimals)):
        if value is not None:
            defaults[key] = value
    if panel.mappings:
        told = {
            k: {"text": text, "color": colour, "index": n}
            for n, (k, (text, colour)) in enumerate(panel.mappings.items())
        }
        defaults["mappings"] = [{"type": "value", "options": told}]
    if panel.kind == "timeseries":
        defaults["custom"] = {"lineWidth": 2, "fillOpacity": 0, "showPoints": "auto", "spanNulls": True}
    made: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": [_target(n, q) for n, q in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": list(panel.overrides)},
        "options": {**_OPTIONS[panel.kind], **panel.options},
    }
    if panel.columns:
        made["transformations"] = [
            {"id": "merge", "options": {}},
            {
                "id": "filterFieldsByName",
                "options": {"include": {"names": list(panel.columns)}},
            },
            {
                "id": "organize",
                "options": {
                    "indexByName": {name: n for n, name in enumerate(panel.columns)},
                    "renameByName": dict(panel.columns),
                },
            },
        ]
    return made


def _target(number: int, query: Query) -> Json:
    made: Json = {
        "refId": chr(ord("A") + number),
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": query.instant or query.table,
        "range": not (query.instant or query.table),
    }
    if query.table:
        made["format"] = "table"
    return made


def _laid_out(panels: Sequence[Panel]) -> list[Json]:
    """Left to right, in rows as high as their highest panel."""
    made, x, y, row = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, row = 0, y + row, 0
        made.append(_panel(number, panel, x, y))
        x, row = x + panel.width, max(row, panel.height)
    return made


def _variable(name: str, label: str, metric: str, *, many: bool) -> Json:
    query = f"label_values({metric}, {name})"
    made: Json = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": f"variable-{name}"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "options": [],
    }
    if many:
        made |= {"allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}}
    return made


def _dashboard(uid: str, title: str, says: str, panels: Sequence[Panel], variables: Sequence[Json], since: str) -> Json:
    source = {
        "name": "DS_PROMETHEUS",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }
    return {
        "uid": uid,
        "title": title,
        "description": says,
        "tags": ["readiness", "postgresql"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "time": {"from": since, "to": "now"},
        "refresh": "1m",
        "templating": {"list": [source, *variables]},
        "annotations": {"list": []},
        "links": [
            {
                "title": "readiness",
                "type": "dashboards",
                "tags": ["readiness"],
                "icon": "dashboard",
                "tooltip": "",
                "targetBlank": False,
                "asDropdown": False,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "panels": _laid_out(panels),
    }


# -- the fleet -------------------------------------------------------------------------------------------------

OF = '{job=~"$job",target=~"$target"}'
SAME = "on (job, instance, target)"
DECISIONS = {"GO": ("GO", GREEN), "NO-GO": ("NO-GO", RED), "HOLD": ("HOLD", AMBER)}
LATE = f"(time() - readiness_last_run_timestamp_seconds{OF}) > bool {SAME} (2 * readiness_run_interval_seconds{OF})"


def _of(labels: str) -> str:
    return f'{{job=~"$job",target=~"$target",{labels}}}'


def _count(title: str, says: str, expr: str, colour: str) -> Panel:
    return Panel(
        title=title,
        says=says,
        kind="stat",
        width=4,
        height=4,
        queries=[Query(expr=expr, instant=True)],
        decimals=0,
        steps=((None, GREY), (1, colour)),
    )


def _column(name: str, **properties: Any) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


FLEET = [
    _count("Known", "Targets that a run is known of.", f"count(readiness_score{OF})", BLUE),
    *(
        _count(
            decision,
            f"Targets whose last run was {decision}.",
            f'sum(readiness_decision{_of(f"""decision="{decision}" """.strip())})',
            colour,
        )
        for decision, (_, colour) in DECISIONS.items()
    ),
    _count(
        "Audits failing",
        "Targets whose last attempt gave no whole run; their values are of an earlier one.",
        f"sum(1 - readiness_run_success{OF})",
        RED,
    ),
    _count("Overdue", "Targets whose last run is older than twice their interval.", f"sum({LATE})", AMBER),
    Panel(
        title="Targets",
        says="Score, what it could be, what is measured, and how old that is.",
        kind="table",
        width=24,
        height=9,
        queries=[
            Query(expr=f"readiness_decision{OF} == 1", table=True),
            Query(expr=f"readiness_score{OF}", table=True),
            Query(expr=f"readiness_score_ceiling{OF}", table=True),
            Query(expr=f"readiness_coverage_ratio{OF}", table=True),
            Query(expr=f"readiness_threshold{OF}", table=True),
            Query(expr=f"readiness_blockers{OF}", table=True),
            Query(expr=f"time() - readiness_last_run_timestamp_seconds{OF}", table=True),
            Query(expr=f"readiness_run_success{OF}", table=True),
        ],
        columns={
            "target": "Target",
            "decision": "Decision",
            "Value #B": "Score",
            "Value #C": "Up to",
            "Value #D": "Measured",
            "Value #E": "Threshold",
            "Value #F": "Blockers",
            "Value #G": "Age",
            "Value #H": "Last audit",
        },
        overrides=[
            _column(
                "Decision",
                mappings=[
                    {
                        "type": "value",
                        "options": {
                            k: {"text": t, "color": c, "index": n} for n, (k, (t, c)) in enumerate(DECISIONS.items())
                        },
                    }
                ],
                custom__cellOptions={"type": "color-text"},
            ),
            _column("Score", decimals=1),
            _column("Up to", decimals=1),
            _column("Measured", unit="percentunit", decimals=1),
            _column("Age", unit="s"),
            _column(
                "Last audit",
                mappings=[
                    {
                        "type": "value",
                        "options": {
                            "0": {"text": "failed", "color": RED, "index": 0},
                            "1": {"text": "whole", "color": GREEN, "index": 1},
                        },
                    }
                ],
            ),
        ],
    ),
    Panel(
        title="Score",
        says="Points of 100 that are measured or attested.",
        kind="timeseries",
        width=12,
        height=9,
        queries=[Query(expr=f"readiness_score{OF}", legend="{{target}}")],
        least=0,
        most=100,
    ),
    Panel(
        title="Points to the threshold",
        says="Below zero: too few for a GO.",
        kind="bargauge",
        width=12,
        height=9,
        queries=[
            Query(expr=f"readiness_score{OF} - {SAME} readiness_threshold{OF}", legend="{{target}}", instant=True)
        ],
        decimals=1,
        least=-100,
        most=100,
        steps=((None, RED), (0, GREEN)),
    ),
    Panel(
        title="Must-haves that fail",
        says="By target; those that a waiver lifts are left out.",
        kind="table",
        width=12,
        height=8,
        queries=[
            Query(
                expr=f"""readiness_must_have{_of('status="fail"')} == 1 unless on (job, instance, target, criterion) """
                f"readiness_must_have_waived{OF} == 1",
                table=True,
            )
        ],
        columns={"target": "Target", "criterion": "Must-have"},
    ),
    Panel(
        title="Waivers by what is left of them",
        says="What is below zero has ended, and counts for nothing.",
        kind="table",
        width=12,
        height=8,
        queries=[Query(expr=f"sort(readiness_waiver_expiry_timestamp_seconds{OF} - time())", table=True)],
        columns={"target": "Target", "check": "Check", "Value": "Left"},
        overrides=[_column("Left", unit="s")],
    ),
]


# -- one target ------------------------------------------------------------------------------------------------

ONE = '{job=~"$job",target="$target"}'


def _one(labels: str) -> str:
    return f'{{job=~"$job",target="$target",{labels}}}'


def _latency(what: str) -> Panel:
    figure = f"readiness_{what}_p95"
    name = "critical query" if what == "query" else "service"
    return Panel(
        title=f"P95 against its target, by {name}",
        says=f"1: the 95th percentile is what the {name} may take. Above it, too slow. As timed in the last run.",
        kind="bargauge",
        width=12,
        height=8,
        queries=[
            Query(
                expr=f"{figure}_seconds{ONE} / on (job, instance, target, {what}) {figure}_target_seconds{ONE}",
                legend=f"{{{{{what}}}}}",
                instant=True,
            )
        ],
        unit="percentunit",
        least=0,
        steps=((None, GREEN), (0.8, AMBER), (1, RED)),
    )


def _statuses(title: str, says: str, statuses: str) -> Panel:
    return Panel(
        title=title,
        says=says,
        kind="table",
        width=12,
        height=10,
        queries=[Query(expr=f"""readiness_check_status{_one(f'status=~"{statuses}"')} == 1""", table=True)],
        columns={"check": "Check", "status": "Status"},
    )


TARGET = [
    Panel(
        title="Decision",
        says="Of the last run.",
        kind="stat",
        width=4,
        height=5,
        queries=[Query(expr=f"readiness_decision{ONE} == 1", legend="{{decision}}", instant=True)],
        options={"textMode": "name"},
        steps=((None, BLUE),),
        overrides=[
            {
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
            }
            for name, (_, colour) in DECISIONS.items()
        ],
    ),
    Panel(
        title="Score, and the threshold",
        says="Points of 100 that are measured or attested; beside them what a GO takes.",
        kind="stat",
        width=5,
        height=5,
        queries=[
            Query(expr=f"readiness_score{ONE}", legend="score", instant=True),
            Query(expr=f"readiness_threshold{ONE}", legend="threshold", instant=True),
        ],
        decimals=1,
        options={"colorMode": "none", "textMode": "value_and_name"},
        steps=((None, GREY),),
    ),
    Panel(
        title="Points over the threshold",
        says="Below zero: too few for a GO.",
        kind="stat",
        width=3,
        height=5,
        queries=[Query(expr=f"readiness_score{ONE} - {SAME} readiness_threshold{ONE}", instant=True)],
        decimals=1,
        steps=((None, RED), (0, GREEN)),
    ),
    Panel(
        title="Measured",
        says="Share of the points that is measured or attested; the rest is unknown and counts as nothing.",
        kind="gauge",
        width=3,
        height=5,
        queries=[Query(expr=f"readiness_coverage_ratio{ONE}", instant=True)],
        unit="percentunit",
        least=0,
        most=1,
        steps=((None, RED), (0.6, AMBER), (0.9, GREEN)),
    ),
    Panel(
        title="Blockers",
        says="Failed must-haves and failed checks of priority P0.",
        kind="stat",
        width=3,
        height=5,
        queries=[Query(expr=f"readiness_blockers{ONE}", instant=True)],
        decimals=0,
        steps=((None, GREEN), (1, RED)),
    ),
    Panel(
        title="Age",
        says="Of the run that everything here tells of.",
        kind="stat",
        width=3,
        height=5,
        queries=[Query(expr=f"time() - readiness_last_run_timestamp_seconds{ONE}", instant=True)],
        unit="s",
        steps=((None, GREEN), (26 * 3600, RED)),
    ),
    Panel(
        title="Last audit",
        says="Failed: no whole run came of it, and what is shown is of an earlier one.",
        kind="stat",
        width=3,
        height=5,
        queries=[Query(expr=f"readiness_run_success{ONE}", instant=True)],
        steps=((None, RED), (1, GREEN)),
        mappings={"0": ("failed", RED), "1": ("whole", GREEN)},
    ),
    Panel(
        title="Score and what it could be",
        says="The score, its ceiling if everything unknown turned out well, and the threshold.",
        kind="timeseries",
        width=14,
        height=9,
        queries=[
            Query(expr=f"readiness_score{ONE}", legend="score"),
            Query(expr=f"readiness_score_ceiling{ONE}", legend="ceiling"),
            Query(expr=f"readiness_threshold{ONE}", legend="threshold"),
        ],
        least=0,
        most=100,
    ),
    Panel(
        title="Categories",
        says="Each category's own points of 100.",
        kind="bargauge",
        width=10,
        height=9,
        queries=[Query(expr=f"readiness_category_score{ONE}", legend="{{category}}", instant=True)],
        least=0,
        most=100,
        decimals=1,
        steps=((None, RED), (50, AMBER), (70, GREEN)),
    ),
    Panel(
        title="Must-haves",
        says="Status of each, and whether a waiver lifts its veto.",
        kind="table",
        width=8,
        height=9,
        queries=[
            Query(expr=f"readiness_must_have{ONE} == 1", table=True),
            Query(expr=f"readiness_must_have_waived{ONE}", table=True),
        ],
        columns={"criterion": "Must-have", "status": "Status", "Value #B": "Waived"},
        overrides=[
            _column(
                "Waived",
                mappings=[
                    {
                        "type": "value",
                        "options": {"0": {"text": "no", "index": 0}, "1": {"text": "yes", "color": AMBER, "index": 1}},
                    }
                ],
            )
        ],
    ),
    Panel(
        title="Checks by status",
        says="Over time; unknown is what could not be looked at.",
        kind="timeseries",
        width=8,
        height=9,
        queries=[Query(expr=f"readiness_checks{ONE}", legend="{{status}}")],
        least=0,
    ),
    Panel(
        title="Services",
        says="Readiness of each service.",
        kind="bargauge",
        width=8,
        height=9,
        queries=[Query(expr=f"readiness_service_readiness_ratio{ONE}", legend="{{service}}", instant=True)],
        unit="percentunit",
        least=0,
        most=1,
        steps=((None, RED), (0.5, AMBER), (0.9, GREEN)),
    ),
    _latency("query"),
    _latency("service"),
    _statuses("What fails", "Checks that failed, wholly or in part.", "fail|partial"),
    _statuses("What is unknown", "Checks that could not look; `readiness doctor` names the grant for each.", "unknown"),
    Panel(
        title="Findings",
        says="The ten checks with the most subjects found wanting.",
        kind="bargauge",
        width=8,
        height=9,
        queries=[Query(expr=f"topk(10, readiness_check_findings{ONE} > 0)", legend="{{check}}", instant=True)],
        least=0,
        decimals=0,
        steps=((None, BLUE),),
    ),
    Panel(
        title="Waivers by what is left of them",
        says="What is below zero has ended, and counts for nothing.",
        kind="table",
        width=8,
        height=9,
        queries=[Query(expr=f"sort(readiness_waiver_expiry_timestamp_seconds{ONE} - time())", table=True)],
        columns={"check": "Check", "Value": "Left"},
        overrides=[_column("Left", unit="s")],
    ),
    Panel(
        title="The GO is valid for",
        says="Until the first of its evidence, waivers and attestations ends; empty unless the decision is GO.",
        kind="stat",
        width=4,
        height=9,
        queries=[Query(expr=f"readiness_valid_until_timestamp_seconds{ONE} - time()", instant=True)],
        unit="s",
        steps=((None, RED), (3 * 86400, AMBER), (7 * 86400, GREEN)),
        absent="no GO",
    ),
    Panel(
        title="An audit takes",
        says="How long the last run took.",
        kind="timeseries",
        width=4,
        height=9,
        queries=[Query(expr=f"readiness_run_duration_seconds{ONE}", legend="{{version}}")],
        unit="s",
        least=0,
    ),
]


# -- PostgreSQL ------------------------------------------------------------------------------------------------

PG = '{job=~"$job",instance=~"$instance"}'


def _pg(labels: str) -> str:
    return f'{{job=~"$job",instance=~"$instance",{labels}}}'


APP = 'datname!~"template.*|"'
LIMIT = f"max by (job, instance) (pg_settings_max_connections{PG} - pg_settings_superuser_reserved_connections{PG})"


def _rates(title: str, says: str, metrics: Mapping[str, str], *, unit: str = "ops", width: int = 8) -> Panel:
    return Panel(
        title=title,
        says=says,
        kind="timeseries",
        width=width,
        height=8,
        queries=[
            Query(
                expr=f"sum by (instance) (rate({metric}{_pg(APP)}[$__rate_interval]))",
                legend=f"{{{{instance}}}} {name}",
            )
            for name, metric in metrics.items()
        ],
        unit=unit,
        least=0,
    )


POSTGRES = [
    Panel(
        title="Up",
        says="Whether the exporter reaches the server.",
        kind="stat",
        width=4,
        height=5,
        queries=[Query(expr=f"pg_up{PG}", legend="{{instance}}", instant=True)],
        steps=((None, RED), (1, GREEN)),
        mappings={"0": ("down", RED), "1": ("up", GREEN)},
    ),
    Panel(
        title="Connections in use",
        says="Share of max_connections, less what is reserved for superusers. At 100 % the next client is refused.",
        kind="gauge",
        width=5,
        height=5,
        queries=[
            Query(
                expr=f"sum by (job, instance) (pg_stat_activity_count{PG}) / {LIMIT}",
                legend="{{instance}}",
                instant=True,
            )
        ],
        unit="percentunit",
        least=0,
        most=1,
        steps=((None, GREEN), (0.8, AMBER), (0.95, RED)),
    ),
    Panel(
        title="Longest transaction",
        says="The oldest that is open, working or idle: it holds locks, and holds vacuum back.",
        kind="stat",
        width=5,
        height=5,
        queries=[
            Query(
                expr=f"max by (job, instance) (pg_stat_activity_max_tx_duration{PG})",
                legend="{{instance}}",
                instant=True,
            )
        ],
        unit="s",
        steps=((None, GREEN), (60, AMBER), (300, RED)),
    ),
    Panel(
        title="Replication lag",
        says="WAL that standbys have not replayed yet, as the primary sees it; empty where there is none.",
        kind="stat",
        width=5,
        height=5,
        queries=[
            Query(
                expr=f"max by (job, instance) (pg_stat_replication_pg_wal_lsn_diff{PG})",
                legend="{{instance}}",
                instant=True,
            )
        ],
        unit="bytes",
        steps=((None, GREEN), (16 << 20, AMBER), (64 << 20, RED)),
        absent="no standby",
    ),
    Panel(
        title="Last WAL segment archived",
        says="How long ago: what a point-in-time recovery would lose.",
        kind="stat",
        width=5,
        height=5,
        queries=[
            Query(
                expr=f"max by (job, instance) (pg_stat_archiver_last_archive_age{PG})",
                legend="{{instance}}",
                instant=True,
            )
        ],
        unit="s",
        steps=((None, GREEN), (900, AMBER), (3600, RED)),
        absent="never",
    ),
    Panel(
        title="Connections by state",
        says="Idle in transaction is what to look for.",
        kind="timeseries",
        width=12,
        height=8,
        queries=[
            Query(expr=f"sum by (instance, state) (pg_stat_activity_count{PG}) > 0", legend="{{instance}} {{state}}"),
            Query(expr=LIMIT, legend="{{instance}} limit"),
        ],
        least=0,
    ),
    _rates(
        "Transactions",
        "Commits and rollbacks a second.",
        {"commits": "pg_stat_database_xact_commit", "rollbacks": "pg_stat_database_xact_rollback"},
        width=12,
    ),
    Panel(
        title="Time in a transaction",
        says="Mean time that a transaction's statements ran (PostgreSQL 14 and later). Slow queries show here first.",
        kind="timeseries",
        width=8,
        height=8,
        queries=[
            Query(
                expr=f"sum by (instance) (rate(pg_stat_database_active_time{_pg(APP)}[$__rate_interval])) / "
                f"sum by (instance) (rate(pg_stat_database_xact_commit{_pg(APP)}[$__rate_interval]) + "
                f"rate(pg_stat_database_xact_rollback{_pg(APP)}[$__rate_interval]))",
                legend="{{instance}}",
            )
        ],
        unit="ms",
        least=0,
    ),
    Panel(
        title="Read from memory",
        says="Share of the blocks that were found in shared_buffers.",
        kind="timeseries",
        width=8,
        height=8,
        queries=[
            Query(
                expr=f"sum by (instance) (rate(pg_stat_database_blks_hit{_pg(APP)}[$__rate_interval])) / "
                f"sum by (instance) (rate(pg_stat_database_blks_hit{_pg(APP)}[$__rate_interval]) + "
                f"rate(pg_stat_database_blks_read{_pg(APP)}[$__rate_interval]))",
                legend="{{instance}}",
            )
        ],
        unit="percentunit",
        most=1,
    ),
    _rates(
        "Temporary files",
        "Bytes that sorts and hashes spill: work_mem is too small for them.",
        {"spilled": "pg_stat_database_temp_bytes"},
        unit="Bps",
    ),
    _rates("Deadlocks", "A second, in all databases.", {"deadlocks": "pg_stat_database_deadlocks"}),
    Panel(
        title="Locks",
        says="Held or waited for, by mode.",
        kind="timeseries",
        width=8,
        height=8,
        queries=[Query(expr=f"sum by (mode) (pg_locks_count{PG}) > 0", legend="{{mode}}")],
        least=0,
    ),
    Panel(
        title="Size",
        says="Of each database: what the disk must hold.",
        kind="timeseries",
        width=8,
        height=8,
        queries=[Query(expr=f"pg_database_size_bytes{_pg(APP)}", legend="{{instance}} {{datname}}")],
        unit="bytes",
        least=0,
    ),
    Panel(
        title="WAL archiving",
        says="Segments a second that were archived, and attempts that failed.",
        kind="timeseries",
        width=12,
        height=8,
        queries=[
            Query(expr=f"rate(pg_stat_archiver_archived_count{PG}[$__rate_interval])", legend="{{instance}} archived"),
            Query(expr=f"rate(pg_stat_archiver_failed_count{PG}[$__rate_interval])", legend="{{instance}} failed"),
        ],
        least=0,
        unit="ops",
    ),
    Panel(
        title="Checkpoints",
        says="Requested ones mean that max_wal_size is too small.",
        kind="timeseries",
        width=12,
        height=8,
        queries=[
            Query(
                expr=f"rate(pg_stat_bgwriter_checkpoints_timed_total{PG}[$__rate_interval])",
                legend="{{instance}} timed",
            ),
            Query(
                expr=f"rate(pg_stat_bgwriter_checkpoints_req_total{PG}[$__rate_interval])",
                legend="{{instance}} requested",
            ),
        ],
        least=0,
        unit="ops",
    ),
]


def dashboards() -> dict[str, str]:
    """File name -> JSON text."""
    job = _variable("job", "Job", "readiness_run_success", many=True)
    made = {
        "fleet": _dashboard(
            "readiness-fleet",
            "Readiness: all targets",
            "Who is ready, who is not, and what is stale.",
            FLEET,
            [job, _variable("target", "Target", 'readiness_run_success{job=~"$job"}', many=True)],
            "now-30d",
        ),
        "target": _dashboard(
            "readiness-target",
            "Readiness: one target",
            "Why one target is ready or not.",
            TARGET,
            [job, _variable("target", "Target", 'readiness_run_success{job=~"$job"}', many=False)],
            "now-30d",
        ),
        "postgres": _dashboard(
            "readiness-postgres",
            "Readiness: PostgreSQL",
            "What postgres_exporter tells of the servers.",
            POSTGRES,
            [
                _variable("job", "Job", "pg_up", many=True),
                _variable("instance", "Server", 'pg_up{job=~"$job"}', many=True),
            ],
            "now-6h",
        ),
    }
    return {f"{name}.json": json.dumps(board, indent=1, ensure_ascii=False) + "\n" for name, board in made.items()}
