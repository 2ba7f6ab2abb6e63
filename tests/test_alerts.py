"""Alert rules by meaning, and tried: a real Prometheus with an exporter and an Alertmanager, and promtool for the drill."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg import conninfo

import stage
from asking import ask, found
from conftest import Database
from readiness.drills import alerts
from readiness.embedded import Cluster
from readiness.facts import mute_times, routing
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.facts.monitoring import AlertRules, _blanket, _mute, seconds_of
from readiness.facts.relabeling import relabeled
from readiness.facts.target import Target
from readiness.history import open_store
from readiness.model import Examined, Outcome, Unknown, Unseen
from readiness.profile import Profile
from readiness_checks.operations.alert_unproven import alert_unproven
from test_metrics import get, program
from test_monitoring import MONITORING, Prometheus

SETTINGS = {
    "max_connections": 100.0,
    "superuser_reserved_connections": 3.0,
    "autovacuum_freeze_max_age": 2e8,
}
USED = "sum by (instance) (pg_stat_activity_count)"

# Rule -> its expression and `for`; and what the drill says of it, or that it is proved, or that it is none of this trouble.
FIRE = {
    "ratio": (f"{USED} / max by (instance) (pg_settings_max_connections) > 0.8", "5m"),
    "one state": ('pg_stat_activity_count{state="active"} > 80', "1m"),
    "recorded": ("instance:used > 90", "5m"),
    "lag": ("max(pg_replication_lag_seconds or pg_replication_lag) > 30", "5m"),
    "lag in bytes": ("pg_stat_replication_pg_wal_lsn_diff > 2^30", "2m"),
    "mean": ("rate(pg_stat_statements_total_time_seconds[5m]) / rate(pg_stat_statements_calls[5m]) > 0.5", ""),
    "long": ('pg_stat_activity_max_tx_duration{state!~"idle.*"} > 600', "5m"),
    "backup by time": ('time() - pgbackrest_backup_last_timestamp{stanza="main"} > 26 * 3600', "10m"),
    "disk": ('node_filesystem_avail_bytes{mountpoint=~"/|/var.*"} / node_filesystem_size_bytes < 0.1', "30m"),
    "disk, one side picked": (
        'node_filesystem_avail_bytes{mountpoint="/data"} / node_filesystem_size_bytes < 0.1',
        "5m",
    ),
    "disk, the other side picked": (
        '1 - node_filesystem_avail_bytes / node_filesystem_size_bytes{mountpoint="/data"} > 0.9',
        "",
    ),
    "disk soon": ("predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600) < 0", "10m"),
    "ids": ("pg_database_wraparound_age_datfrozenxid_seconds > 1.5e9", "10m"),
    "recorded with a label": ('instance:tagged{tier="db"} > 90', "5m"),
    "but in maintenance": (f"{USED} > 80 unless on() maintenance_mode == 1", "5m"),
    "of the primary": ("pg_stat_replication_pg_wal_lsn_diff > 1e9 and on(instance) pg_replication_is_replica == 0", ""),
    # As exporters' own collections have them.
    "towards autovacuum": ("ccp_transaction_wraparound_percent_towards_emergency_autovac > 110", "1m"),
    "volume": (
        "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.03 "
        "and kubelet_volume_stats_used_bytes > 0 unless on(namespace) kube_persistentvolumeclaim_access_mode == 1",
        "1m",
    ),
    "filling up": (
        'node_filesystem_avail_bytes{fstype!=""} / node_filesystem_size_bytes{fstype!=""} * 100 < 15 '
        'and predict_linear(node_filesystem_avail_bytes{fstype!=""}[1h], 86400) < 0 and node_filesystem_readonly == 0',
        "10m",
    ),
    "listed": ('sum({__name__=~"pg_stat_activity_count|pg_backends"}) > 80', ""),
}
NEVER = {
    # Three of the hundred are kept for superusers.
    "more than the application gets": (f"{USED} > 97", "", "no value that its metrics"),
    "more than all": (
        f"{USED} / max by (instance) (pg_settings_max_connections) > 1.5",
        "",
        "no value that its metrics",
    ),
    "of another server": (f"{USED} > 500", "", "no value that its metrics"),
    "for a month": (f"{USED} > 80", "30d", "its condition never holds for 30 d"),
    "sides that don't match": ("pg_stat_activity_count / pg_settings_max_connections > 0.8", "", "no labels in common"),
    "less than nothing": ("node_filesystem_avail_bytes < 0", "", "no value that its metrics"),
    "beyond the last id": ("pg_database_wraparound_age_datfrozenxid_seconds > 2.2e9", "", "no value that its metrics"),
}
CLOCK = {"in office hours": (f"{USED} > 80 and on() hour() >= 9", "")}
ALWAYS = {
    "always": (f"{USED} >= 0", "", "fires although all is well"),
    "before autovacuum": ("pg_database_wraparound_age_datfrozenxid_seconds > 1.5e8", "", "fires although all is well"),
}
LATE = {
    "milliseconds": ("pg_replication_lag_seconds > 30000", "replication-lag"),
    "a share as percent": ("100 * node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1", "disk"),
    "hours as days": ("time() - pgbackrest_backup_last_timestamp > 26 * 86400", "backup-age"),
    "milliseconds on average": (
        "rate(pg_stat_statements_total_time_seconds[5m]) / rate(pg_stat_statements_calls[5m]) > 500",
        "slow-queries",
    ),
}
OTHER = {
    "nobody connected": (f"{USED} < 1", "5m"),
    "not told": ("absent(pg_stat_activity_count)", "5m"),
    "down": ("pg_up == 0", "1m"),
}


def write_rules(path: Path, *rules: dict[str, Any]) -> None:
    recorded = [
        {"record": "instance:used", "expr": USED},
        {"record": "instance:tagged", "expr": USED, "labels": {"tier": "db"}},
    ]
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [*recorded, *rules]}]}))


def alert(name: str, expr: str, held: str = "", *_: str) -> dict[str, Any]:
    return {"alert": name, "expr": expr, **({"for": held} if held else {})}


def rules_of(folder: Path, **monitoring: Any) -> AlertRules:
    profile = Profile.model_validate({"name": "watched", "monitoring": monitoring})
    return AlertRules.take(Target(profile=profile, folder=folder, now=datetime.now(UTC)))


def test_rules_that_never_fire_are_told_from_rules_that_do(tmp_path: Path):
    program("promtool")
    everything = {**FIRE, **NEVER, **ALWAYS, **OTHER, **CLOCK}
    write_rules(tmp_path / "r.yml", *(alert(name, *told) for name, told in everything.items()))
    rules = rules_of(tmp_path, rule_files=["*.yml"])
    tried = alerts.drill(rules, "promtool", settings=SETTINGS, hours=2, step=30)
    proved = {name.removesuffix(" (r.yml, g)") for t in tried.values() for name in t.proved}
    assert proved == set(FIRE)
    findings = {f for t in tried.values() for f in t.findings}
    for name, (_, _, why) in {**NEVER, **ALWAYS}.items():
        assert [f for f in findings if f.startswith(f"{name} (r.yml, g)") and why in f], (name, findings)
    assert len(findings) == len(NEVER) + len(ALWAYS)
    unproved = [u for t in tried.values() for u in t.unproved]
    assert [u.partition(" (")[0] for u in unproved] == list(CLOCK)
    write_rules(tmp_path / "r.yml", alert("broken", "sum(("))
    unread = alerts.drill(rules_of(tmp_path, rule_files=["*.yml"]), "promtool", settings=SETTINGS).values()
    assert all("these can't be: broken" in t.unproved[0] and not t.findings for t in unread)


def test_rules_that_fire_late_alone_or_for_the_opposite_are_no_proof(tmp_path: Path):
    program("promtool")

    def tried(*rules: dict[str, Any], kinds: Sequence[str]) -> dict[str, alerts.Tried]:
        write_rules(tmp_path / "r.yml", *rules)
        made = rules_of(tmp_path, rule_files=["*.yml"], alerts=list(kinds))
        return alerts.drill(made, "promtool", settings=SETTINGS, hours=1, step=60)

    late = [alert(name, expr) for name, (expr, _) in LATE.items()]
    for name, (_, kind) in LATE.items():
        (said,) = tried(*late, kinds=[kind])[kind].findings
        assert said.startswith(f"{name} (r.yml, g) fires late: not yet at "), said
    weekly = alert("weekly", "ccp_backrest_last_full_backup_time_since_completion_seconds > 604800")
    assert not tried(weekly, kinds=["backup-age"])["backup-age"].findings
    # Beside one in time they tell that it got worse.
    both = tried(*late, alert("in time", "pg_replication_lag_seconds > 60"), kinds=["replication-lag"])
    assert not both["replication-lag"].findings
    # Of sessions that were left in a transaction; of nobody; by the clock.
    idle = 'sum(pg_stat_activity_count{state=~"idle in transaction.*"}) > 5'
    assert tried(alert("left", idle), kinds=["connections"])["connections"].findings == [
        "no rule reads a metric that tells of it"
    ]
    (said,) = tried(alert("none", *OTHER["not told"]), kinds=["connections"])["connections"].findings
    assert "what reads its metrics is for something else: none (r.yml, g)" in said
    by_clock = tried(alert("noon", *CLOCK["in office hours"]), kinds=["connections"])["connections"]
    now = datetime.now(UTC)
    record = DrillRecord(
        id="a",
        kind="alerts",
        target="watched",
        system_identifier=None,
        taken_at=now,
        expires_at=now + timedelta(days=1),
        passed=True,
        evidence={
            "rules": [f"connections {by_clock.sha256}"],
            "unproved": [f"connections: {line}" for line in by_clock.unproved],
        },
    )
    rules = rules_of(tmp_path, rule_files=["*.yml"], alerts=["connections"])
    (answer,) = alert_unproven.ask(DrillRecords(records=(record,), now=now), rules)
    assert isinstance(answer, Unseen)
    assert "asks for the hour" in answer.detail


def test_the_rules_that_ship_are_proved(tmp_path: Path):
    program("promtool")
    path = MONITORING / "prometheus" / "rules" / "postgres.yml"
    (tmp_path / "postgres.yml").write_text(path.read_text())
    rules = rules_of(tmp_path, rule_files=["postgres.yml"])
    tried = alerts.drill(rules, "promtool", settings=SETTINGS, hours=2, step=30)
    assert {k for k, t in tried.items() if t.proved} == set(rules.kinds)
    assert not [f for t in tried.values() for f in t.findings]


@dataclass
class Watch:
    """A database that is watched.

    Args:
        rules: Prometheus' own file of rules.
    """

    database: Database
    prometheus: Prometheus
    alertmanager: str
    rules: Path
    processes: dict[str, subprocess.Popen[bytes]]

    def profile(self, **monitoring: Any) -> Profile:
        own = {"prometheus": self.prometheus.url, "alertmanager": self.alertmanager, **monitoring}
        return Profile.model_validate({"name": "watched", "monitoring": own})

    def ask(self, check: str, **monitoring: Any) -> Outcome:
        return ask(f"operations/{check}", self.database.dsn(), profile=self.profile(**monitoring))

    def reload(self, *rules: dict[str, Any], routed: bool = True, relabel: Sequence[dict[str, Any]] = ()) -> None:
        """New rules in Prometheus, evaluated; with an Alertmanager, or without."""
        write_rules(self.rules, *rules)
        told = yaml.safe_load((self.prometheus.folder / "prometheus.yml").read_text())
        address = self.alertmanager.removeprefix("http://")
        told["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [address]}]}] if routed else []}
        told["alerting"] |= {"alert_relabel_configs": list(relabel)}
        (self.prometheus.folder / "prometheus.yml").write_text(yaml.safe_dump(told))
        assert self.prometheus.process
        self.prometheus.process.send_signal(signal.SIGHUP)
        names = {r["alert"] for r in rules}

        def done() -> bool:
            now = [r for g in self.prometheus.ask("rules")["groups"] for r in g["rules"] if r["type"] == "alerting"]
            active = self.prometheus.ask("alertmanagers")["activeAlertmanagers"]
            alerting = yaml.safe_load(self.prometheus.ask("status/config")["yaml"]).get("alerting") or {}
            return (
                {r["name"] for r in now} == names
                and all(r["health"] != "unknown" for r in now)
                and bool(active) == routed
                and [c["source_labels"] for c in alerting.get("alert_relabel_configs", ())]
                == [c["source_labels"] for c in relabel]
            )

        assert stage.eventually(done, 30)


@contextmanager
def silence(watch: Watch, *matchers: dict[str, Any]) -> Iterator[None]:
    now = datetime.now(UTC)
    ends = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    body = {"matchers": list(matchers), **ends, "createdBy": "a test", "comment": "forgotten"}
    made = urllib.request.Request(
        f"{watch.alertmanager}/api/v2/silences", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(made, timeout=10) as answer:
        name = json.load(answer)["silenceID"]
    yield
    ended = urllib.request.Request(f"{watch.alertmanager}/api/v2/silence/{name}", method="DELETE")
    urllib.request.urlopen(ended, timeout=10).close()


def receive(
    watch: Watch,
    receiver: dict[str, Any],
    route: dict[str, Any] | None = None,
    *beside: dict[str, Any],
    **more: Any,
) -> None:
    """Another receiver of Alertmanager's, at its root or where a route leads to it."""
    route = route or {"receiver": receiver["name"]}
    config = {"route": route, "receivers": [receiver, *beside], **more}
    (watch.prometheus.folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    watch.processes["alertmanager"].send_signal(signal.SIGHUP)

    def done() -> bool:
        told = json.loads(get(f"{watch.alertmanager}/api/v2/status"))
        return bool(yaml.safe_load(told["config"]["original"])["route"]["receiver"] == route["receiver"])

    assert stage.eventually(done, 30)


@pytest.fixture(scope="module")
def watch(embedded_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    folder = tmp_path_factory.mktemp("watch")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    ports = [stage.free_port() for _ in range(3)]
    with ExitStack() as stack:
        made = stack.enter_context(stage.database(embedded_cluster))

        own = {k: str(v) for k, v in conninfo.conninfo_to_dict(made.dsn()).items()}
        address = (
            f"postgresql://{own['user']}:{own['password']}@127.0.0.1:{own['port']}/{own['dbname']}?sslmode=disable"
        )

        def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(arguments, **quiet, **options)
            stack.callback(lambda: (process.kill(), process.wait()))
            return process

        exporter = start(
            program("prometheus-postgres-exporter"),
            f"--web.listen-address=127.0.0.1:{ports[0]}",
            env={"DATA_SOURCE_NAME": address},
        )
        (folder / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
        alertmanager = start(
            program("prometheus-alertmanager"),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'am'}",
            f"--web.listen-address=127.0.0.1:{ports[1]}",
            "--cluster.listen-address=",
        )
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [
                {"job_name": "postgres", "static_configs": [{"targets": [f"127.0.0.1:{ports[0]}"]}]},
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        write_rules(folder / "rules.yml")
        prometheus = Prometheus(folder, ports[2])
        stack.callback(lambda: prometheus.stop(signal.SIGKILL))
        prometheus.start()
        assert stage.eventually(lambda: prometheus.query("pg_up == 1"), 60)
        assert stage.eventually(lambda: stage.answers(f"http://127.0.0.1:{ports[1]}/-/ready"), 30)
        processes = {"exporter": exporter, "alertmanager": alertmanager}
        yield Watch(made, prometheus, f"http://127.0.0.1:{ports[1]}", folder / "rules.yml", processes)


LIVE = {
    "sound": ("sum(pg_stat_activity_count) / sum(pg_settings_max_connections) > 0.8", "5m"),
    "renamed": ("pg_stat_activity_counts > 80", ""),
    "mislabelled": ('pg_stat_activity_max_tx_duration{state="activ"} > 600', "5m"),
    "either name": ("max(pg_stat_database_numbackends_new or pg_stat_database_numbackends) > 50", "1m"),
    "unlike sides": ("pg_stat_database_numbackends / pg_settings_max_connections > 0.8", ""),
    "twice": ("pg_settings_max_connections * on (nothing) group_left pg_stat_activity_count > 5", ""),
}


def test_loaded_rules_are_found_by_meaning_and_the_dead_ones_named(watch: Watch, tmp_path: Path):
    watch.reload(*(alert(name, *told) for name, told in LIVE.items()))
    missing = watch.ask("alert-missing")
    assert found(missing) == {"slow-queries", "replication-lag", "backup-age", "disk", "wraparound"}
    assert isinstance(missing, Examined)
    slow = next(o for o in missing.findings if o.subject == "slow-queries")
    assert 'no series of pg_stat_activity_max_tx_duration{state="activ"}' in str(slow.evidence["cannot_fire"])
    assert found(watch.ask("alert-missing", alerts=["connections"])) == set()
    broken = watch.ask("alert-rule-broken")
    assert found(broken) == {"renamed (g)", "mislabelled (g)", "twice (g)"}
    assert isinstance(broken, Examined)
    told = {o.subject: str(o.evidence["trouble"]) for o in broken.findings}
    assert "no series of pg_stat_activity_counts in the last hour" in told["renamed (g)"]
    assert "found duplicate series" in told["twice (g)"] or "multiple matches" in told["twice (g)"]

    # And tried, with the labels that are there: the drill, from the command line; the next audit believes it.
    (tmp_path / "readiness.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "watched",
                "monitoring": {
                    "prometheus": watch.prometheus.url,
                    "alerts": ["connections", "slow-queries"],
                },
            }
        )
    )

    def drill() -> stage.Done:
        return stage.run(
            *(
                "drill",
                "alerts",
                "-d",
                watch.database.dsn(),
                "--hours",
                "1",
                "-f",
                "json",
                "--evidence",
                tmp_path / "e.db",
            ),
            env=stage.environment(tmp_path),
            cwd=tmp_path,
        )

    done = drill()
    assert done.code == 1, done.said
    assert done.document["proved"] == ["connections: sound (g)", "connections: either name (g)"]
    findings = done.document["findings"]
    assert [f for f in findings if "mislabelled (g) never fires: Prometheus has no series of" in f]
    assert [f for f in findings if "unlike sides (g) never fires: its parts have no labels in common" in f]
    assert [f for f in findings if f.startswith("connections: twice (g): ")]
    assert len(findings) == 3

    def outcome(*kinds: str) -> Outcome:
        store = open_store(tmp_path / "e.db", now=datetime.now(UTC))
        records = DrillRecords(records=tuple(store.drills("watched")), now=datetime.now(UTC))
        store.close()
        profile = watch.profile(alerts=list(kinds))
        return ask("operations/alert-unproven", watch.database.dsn(), profile=profile, drills=records)

    assert found(outcome("connections", "slow-queries")) == {"connections", "slow-queries"}
    watch.reload(
        alert("sound", *LIVE["sound"]), alert("long", 'pg_stat_activity_max_tx_duration{state="active"} > 600')
    )
    assert isinstance(outcome("connections"), Unknown), "its rules changed since"
    assert drill().code == 0
    assert found(outcome("connections", "slow-queries")) == set()
    assert isinstance(watch.ask("alert-unproven"), Unknown)


def test_a_rule_in_a_file_that_prometheus_has_not_loaded(watch: Watch, tmp_path: Path):
    watch.reload(alert("sound", *LIVE["sound"]))
    write_rules(tmp_path / "r.yml", alert("sound", *LIVE["sound"]), alert("disk", *FIRE["disk"]))
    profile = watch.profile(rule_files=["r.yml"], alerts=["connections", "disk"])

    def outcome(check: str) -> Outcome:
        return ask(f"operations/{check}", watch.database.dsn(), profile=profile, folder=tmp_path)

    assert found(outcome("alert-rule-broken")) == {"disk (r.yml, g)"}
    missing = outcome("alert-missing")
    assert isinstance(missing, Examined)
    assert [(o.subject, "has not loaded" in str(o.evidence)) for o in missing.findings] == [("disk", True)]


def test_alerts_that_reach_nobody(watch: Watch):
    watch.reload(routed=False)
    outcome = watch.ask("alerts-go-nowhere")
    assert found(outcome) == {"Prometheus", "Alertmanager"}
    watch.reload(routed=True)
    assert found(watch.ask("alerts-go-nowhere")) == {"Alertmanager"}
    receive(watch, {"name": "people", "webhook_configs": [{"url": "http://127.0.0.1:1/"}]})
    assert found(watch.ask("alerts-go-nowhere")) == set()
    # One trouble's alerts: a route of their own to nobody, a silence that was forgotten; and what only may match.
    of = {"alert": "full", "expr": f"{USED} > 90", "labels": {"severity": "warning", "team": "{{ $labels.job }}"}}
    watch.reload(of)

    def unheard() -> set[str]:
        return found(watch.ask("alerts-go-nowhere", alerts=["connections"]))

    people = {"name": "people", "webhook_configs": [{"url": "http://127.0.0.1:1/"}]}
    for at, (severity, expected) in enumerate((("critical", {"connections"}), ("warning", set()))):
        below = {"matchers": [f"severity = {severity}"], "receiver": "people"}
        receive(watch, people, {"receiver": f"nobody{at}", "routes": [below]}, {"name": f"nobody{at}"})
        assert unheard() == expected, below
    one = {"name": "alertname", "value": "fu.*", "isRegex": True, "isEqual": True}
    other = {"name": "instance", "value": "elsewhere", "isRegex": False, "isEqual": True}
    with silence(watch, one, other):
        assert unheard() == set()
    with silence(watch, one):
        outcome = watch.ask("alerts-go-nowhere", alerts=["connections"])
        assert isinstance(outcome, Examined)
        assert "full (g) is silenced by" in str(outcome.findings[0].evidence)
    assert unheard() == set()
    unasked = watch.ask("alerts-go-nowhere", alertmanager=None)
    assert isinstance(unasked, Unknown)
    assert "names no Alertmanager" in unasked.detail or any("names no Alertmanager" in u.detail for u in unasked.unseen)


def test_alerts_that_are_kept_back(watch: Watch):
    """Dropped before they are sent, inhibited by what always fires, on a route that is muted; and what only may be."""
    full = {"alert": "full", "expr": f"{USED} > 90", "labels": {"severity": "warning", "team": "{{ $labels.job }}"}}
    dog = {"alert": "dog", "expr": "vector(1)", "labels": {"severity": "none"}}
    other = {"alert": "night", "expr": "hour() >= 0", "labels": {"severity": "none"}}
    people = {"name": "people", "webhook_configs": [{"url": "http://127.0.0.1:1/"}]}

    def why() -> str | None:
        outcome = watch.ask("alerts-go-nowhere", alerts=["connections"])
        assert isinstance(outcome, Examined)
        assert {f.subject for f in outcome.findings} <= {"connections"}
        return next((str(f.evidence["reach_nobody"]) for f in outcome.findings), None)

    lower = {"source_labels": ["severity"], "regex": "warn(ing)", "target_label": "severity", "replacement": "$1"}
    drop = {"source_labels": ["severity"], "regex": "ing", "action": "drop"}
    receive(watch, people)
    watch.reload(full, dog, other, relabel=[lower, drop])
    assert "full (g) is dropped by alert_relabel_configs" in (why() or "")
    watch.reload(full, dog, other, relabel=[{**drop, "source_labels": ["team"]}])  # whose it is, is not known
    assert why() is None
    firing = {"dog", "night"}
    assert stage.eventually(
        lambda: {a["labels"]["alertname"] for a in watch.prometheus.ask("alerts")["alerts"]} >= firing
    )
    for name, source, inhibited in (
        ("a", "dog", True),
        ("b", "night", False),
    ):  # at all hours, who looks at it now can't know
        rule = {"source_matchers": [f"alertname = {source}"], "target_matchers": ["severity = warning"]}
        receive(watch, {**people, "name": name}, inhibit_rules=[rule])
        assert (why() is not None) is inhibited, rule
        assert "full (g) is inhibited by dog (g), which always fires" in (why() or "") or not inhibited
    for name, span, expected in (
        (
            "c",
            {"times": [{"start_time": "00:00", "end_time": "24:00"}]},
            "full (g) goes to people (muted at all times: some)",
        ),
        ("d", {"years": ["2001:2010"]}, None),
    ):
        below = {"receiver": "people", "matchers": ["severity = warning"], "mute_time_intervals": ["some"]}
        named = [{"name": "some", "time_intervals": [span]}]
        receive(watch, people, {"receiver": name, "routes": [below]}, {"name": name}, time_intervals=named)
        assert (expected in (why() or "")) if expected else why() is None, span


def test_a_prometheus_that_has_just_loaded_its_configuration_is_asked_again(watch: Watch):
    """It knows no Alertmanager until it has looked for those that it names, some seconds later."""
    watch.reload({"alert": "full", "expr": f"{USED} > 90"})
    assert watch.prometheus.process
    watch.prometheus.process.send_signal(signal.SIGHUP)
    assert stage.eventually(lambda: not watch.prometheus.ask("alertmanagers")["activeAlertmanagers"])
    outcome = watch.ask("alerts-go-nowhere", alerts=["connections"])
    assert isinstance(outcome, Examined)
    assert "Prometheus" not in {f.subject for f in outcome.findings}


DOG = {"dog": {"alertname": "dog", "severity": "none"}}


@pytest.mark.parametrize(
    ("source", "target", "equal", "by"),
    [
        ("alertname = dog", "severity = warning", [], ("dog",)),
        ("alertname = cat", "severity = warning", [], ()),
        ("alertname = dog", "severity = critical", [], ()),
        ("alertname = dog", "team = db", [], ()),  # whose it is, is not known
        ("alertname = dog", "severity = warning", ["severity"], ()),
        ("alertname = dog", "severity = warning", ["team"], ()),
        ("severity =~ none|warning", "severity =~ none|warning", [], ()),  # it would inhibit itself
        ("severity =~ none|warning", "severity = warning", [], ("dog",)),
    ],
)
def test_what_is_inhibited_by_an_alert_that_always_fires(
    source: str, target: str, equal: list[str], by: tuple[str, ...]
):
    rule = {"source_matchers": [source], "target_matchers": [target], "equal": equal}
    assert routing.inhibited([rule], {"alertname": "full", "severity": "warning"}, DOG) == by


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], {"a": "x", "b": ""}),
        ([{"action": "drop"}], None),  # no label is asked for, and the pattern takes everything
        ([{"action": "drop", "source_labels": ["unknown"], "regex": ".*"}], None),
        ([{"action": "drop", "source_labels": ["unknown"], "regex": ".+"}], {"a": "x", "b": ""}),
        ([{"action": "drop", "source_labels": ["a", "b"], "regex": "x;"}], None),
        ([{"action": "drop", "source_labels": ["a"], "regex": "x|("}], {"a": "x", "b": ""}),
        ([{"action": "keep", "source_labels": ["b"], "regex": "y"}], None),
        ([{"action": "keep", "source_labels": ["unknown"], "regex": "y"}], {"a": "x", "b": ""}),
        ([{"action": "dropequal", "source_labels": ["a"], "target_label": "b"}], {"a": "x", "b": ""}),
        ([{"action": "keepequal", "source_labels": ["a"], "target_label": "b"}], None),
        ([{"source_labels": ["a"], "target_label": "c", "replacement": "${1}$$"}], {"a": "x", "b": "", "c": "x$"}),
        ([{"source_labels": ["unknown"], "target_label": "a"}], {"b": ""}),
        ([{"source_labels": ["a"], "target_label": "$1"}], {}),
        ([{"action": "uppercase", "source_labels": ["a"], "target_label": "a"}], {"a": "X", "b": ""}),
        ([{"action": "hashmod", "source_labels": ["a"], "target_label": "a", "modulus": 2}], {"b": ""}),
        ([{"action": "labeldrop", "regex": "a"}], {"a": "", "b": ""}),
        ([{"action": "labelmap", "regex": "(.)"}], {}),
    ],
)
def test_what_is_known_of_labels_that_are_changed(steps: list[dict[str, Any]], expected: dict[str, str] | None):
    assert relabeled(steps, {"a": "x", "b": ""}) == expected


@pytest.mark.parametrize(
    ("spans", "at", "expected"),
    [
        ([{}], "2026-11-26T10:00", "at all times"),
        ([{"weekdays": ["monday:friday"]}, {"weekdays": ["saturday", "sunday"]}], "2026-11-26T10:00", "at all times"),
        ([{"weekdays": ["monday:friday"]}, {"weekdays": ["saturday"]}], "2026-11-26T10:00", "at this moment"),
        ([{"weekdays": "saturday"}], "2026-11-26T10:00", None),
        ([{"days_of_month": ["1:15"]}, {"days_of_month": ["16:-1"]}], "2026-11-26T10:00", "at all times"),
        ([{"days_of_month": ["1:30"]}], "2026-11-26T10:00", "at this moment"),
        ([{"months": ["january:june", "7:12"]}], "2026-11-26T10:00", "at all times"),
        ([{"times": [{"start_time": "00:00", "end_time": "23:59"}]}], "2026-11-26T10:00", "at this moment"),
        ([{"times": [{"start_time": 1320, "end_time": 1440}]}], "2026-11-26T22:30", "at this moment"),
        (
            [{"times": [{"start_time": "22:00", "end_time": "23:00"}], "location": "Asia/Tokyo"}],
            "2026-11-26T13:30",
            "at this moment",
        ),
        (
            [{"times": [{"start_time": "22:00", "end_time": "23:00"}], "location": "Asia/Tokyo"}],
            "2026-11-26T22:30",
            None,
        ),
        ([{"location": "Nowhere/Else"}], "2026-11-26T22:30", None),
        ([{"weekdays": ["someday"]}], "2026-11-26T22:30", None),
    ],
)
def test_when_a_route_is_muted(spans: list[dict[str, Any]], at: str, expected: str | None):
    """And where it is active at these times alone, the other way round."""
    known = mute_times.intervals({"time_intervals": [{"name": "some", "time_intervals": spans}]})
    now = datetime.fromisoformat(f"{at}+00:00")
    said = mute_times.muted({"mute_time_intervals": ["some"]}, known, now)
    assert said == (f"muted {expected}: some" if expected else None)
    active = mute_times.muted({"active_time_intervals": ["some"]}, known, now)
    if expected:
        assert active is None
    elif known:
        assert active == "muted at this moment: outside of some"


@pytest.mark.parametrize(
    ("route", "mute"),
    [
        ({"receiver": "none"}, ("none",)),
        ({"receiver": "none", "routes": [{"receiver": "people", "matchers": ["severity = critical"]}]}, ()),
        ({"receiver": "people", "routes": [{"receiver": "none"}]}, ()),
        ({"receiver": "none", "routes": [{"matchers": ["a = b"]}, {"receiver": "empty"}]}, ("none", "empty")),
    ],
)
def test_who_is_told_stands_in_the_routes(route: dict[str, Any], mute: tuple[str, ...]):
    receivers = [
        {"name": "none"},
        {"name": "empty", "email_configs": []},
        {"name": "people", "email_configs": [{"to": "x"}]},
    ]
    assert _mute({"route": route, "receivers": receivers}) == mute


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([], {"root"}),
        ([{"matchers": ["severity = critical"]}], {"root"}),
        ([{"matchers": ["severity = warning"]}], {"below"}),
        ([{"matchers": ["severity = warning", "team = db"]}], {"below", "root"}),  # whose it is, is not known
        ([{"matchers": ['{severity=~"warn.*|critical",alertname!="other"}']}], {"below"}),
        ([{"matchers": ['severity!~"warn.*"']}], {"root"}),
        ([{"matchers": ['team=~".*"']}], {"below"}),
        ([{"match": {"alertname": "full"}, "continue": True}, {"receiver": "next"}], {"below", "next"}),
        ([{"match_re": {"alertname": "fu"}}], {"root"}),
        (
            [{"matchers": ["severity = warning"], "routes": [{"receiver": "deep", "match": {"team": "db"}}]}],
            {"below", "deep"},
        ),
        ([{"matchers": ["what is this"]}], {"below", "root"}),
        ([{"matchers": ['severity =~ "("']}], {"below", "root"}),
    ],
)
def test_where_an_alert_may_be_led(routes: list[dict[str, Any]], expected: set[str]):
    root = {"receiver": "root", "routes": [{"receiver": "below", **route} for route in routes]}
    assert routing.receivers(root, {"alertname": "full", "severity": "warning"}) == expected


def test_a_silence_of_everything_is_one_that_every_alert_matches():
    def silence(name: str, *matchers: dict[str, Any]) -> dict[str, Any]:
        return {"id": name, "status": {"state": "active"}, "matchers": list(matchers)}

    every = {"name": "alertname", "value": ".*", "isRegex": True, "isEqual": True}
    one = {"name": "instance", "value": "db", "isRegex": False, "isEqual": True}
    assert _blanket(
        [silence("all", every), silence("one", every, one), silence("not", {**every, "isEqual": False})]
    ) == ("all",)


def test_the_very_server_is_scraped_and_fresh(watch: Watch):
    def wrong(**monitoring: Any) -> str:
        outcome = watch.ask("database-not-scraped", **monitoring)
        assert isinstance(outcome, Examined)
        return "".join(str(o.evidence["wrong"]) for o in outcome.findings)

    assert stage.eventually(lambda: wrong() == "", 30), wrong()  # a machine that is busy misses a scrape at times
    assert wrong(labels={"instance": "elsewhere"}) == "no exporter's pg_up in the last hour"
    watch.processes["exporter"].kill()
    assert stage.eventually(lambda: "targets that are down: postgres/127.0.0.1" in wrong(fresh_seconds=0.5), 30)
    assert "s old" in wrong(fresh_seconds=0.5)


def test_what_can_not_be_asked_is_unknown(embedded_database: Database, tmp_path: Path):
    def outcome(check: str, **monitoring: Any) -> Unknown:
        profile = Profile.model_validate({"name": "x", **({"monitoring": monitoring} if monitoring else {})})
        told = ask(f"operations/{check}", embedded_database.dsn(), profile=profile, folder=tmp_path)
        assert isinstance(told, Unknown)
        return told

    for check in ("alert-missing", "alert-rule-broken", "alerts-go-nowhere", "database-not-scraped"):
        assert outcome(check).reason == "not_configured"
    nobody = f"http://127.0.0.1:{stage.free_port()}"
    assert outcome("alert-missing", prometheus=nobody).reason == "unreachable"
    assert "matches none.yml" in outcome("alert-missing", rule_files=["none.yml"]).detail
    (tmp_path / "bad.yml").write_text("groups: [{name: g, rules: [1]}]")
    assert "no file of Prometheus' rules" in outcome("alert-missing", rule_files=["bad.yml"]).detail
    (tmp_path / "new.yml").write_text("groups: [{name: g, rules: [{alert: a, expr: 'sum('}]}]")
    assert isinstance(outcome("alert-rule-broken", rule_files=["new.yml"]), Unknown)
    assert "these can't be: a (new.yml, g)" in str(outcome("alert-missing", rule_files=["new.yml"]).unseen)


def test_durations_are_prometheus_own():
    assert [seconds_of(t) for t in ("", "0s", "90s", "1h30m", "2d", "500ms")] == [0, 0, 90, 5400, 172800, 0.5]
