"""Dashboards, alert rules and the whole chain: a real Prometheus scrapes `serve` and postgres_exporter, and every panel has data."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg import conninfo

import stage
from conftest import DEBIAN
from readiness import document, embedded, history
from readiness.embedded import Cluster, Runtime
from readiness.history import RunRecord
from test_metrics import get, program, promtool_check
from test_serving import basic, make_certificate, trusting, users_file
from test_serving import get as ask

ROOT = Path(__file__).parent.parent
MONITORING = ROOT / "config" / "readiness_config" / "monitoring"
RULES = sorted((MONITORING / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((Path(__file__).parent / "monitoring").glob("*_test.yml"))
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in DASHBOARDS}


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- rules -----------------------------------------------------------------------------------------------------


def test_promtool_takes_the_rules_and_their_tests_pass():
    promtool("check", "rules", *RULES)
    promtool("check", "config", MONITORING / "prometheus" / "prometheus.yml")
    told = promtool("test", "rules", *RULE_TESTS)
    assert told.count("SUCCESS") == len(RULE_TESTS) == len(RULES)


@pytest.mark.parametrize("path", RULES, ids=lambda p: p.stem)
def test_every_alert_is_seen_to_fire_and_to_stay_silent(path: Path):
    rules = [r for group in yaml.safe_load(path.read_text())["groups"] for r in group["rules"]]
    tested = yaml.safe_load((Path(__file__).parent / "monitoring" / f"{path.stem}_test.yml").read_text())
    cases = [case for t in tested["tests"] for case in t["alert_rule_test"]]
    for rule in rules:
        name = rule["alert"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]
        assert [c for c in cases if c["alertname"] == name and c["exp_alerts"]], f"{name} is never seen to fire"
        assert [c for c in cases if c["alertname"] == name and not c["exp_alerts"]], (
            f"{name} is never seen to be silent"
        )


# -- dashboards ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name: str):
    board = BOARDS[name]
    assert "__inputs" not in board, "provisioning never resolves them"
    assert board["uid"] == f"readiness-{name}"
    assert board["schemaVersion"] >= 39
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["DS_PROMETHEUS"]["type"] == "datasource"
    panels = board["panels"]
    assert len({p["id"] for p in panels}) == len({p["title"] for p in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for p in panels:
        at = p["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, p["title"]
        taken |= cells
        assert p["description"]
        for part in (p, *p["targets"], *(v for v in variables.values() if v["type"] == "query")):
            assert part["datasource"] == {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
        assert len({t["refId"] for t in p["targets"]}) == len(p["targets"])
        for t in p["targets"]:
            used = set(re.findall(r"\$(\w+)", t["expr"])) - {"__rate_interval"}
            assert used <= set(variables), t["expr"]
            assert "rate(" not in t["expr"] or "$__rate_interval" in t["expr"]
            assert t["instant"] is not t["range"]
        for column in next(
            (t["options"]["renameByName"] for t in p.get("transformations", []) if t["id"] == "organize"), {}
        ):
            letter = re.fullmatch(r"Value #([A-Z])", column)
            assert letter is None or letter[1] in {t["refId"] for t in p["targets"]}, "a column of no query"


def test_what_ships_is_provisioned_where_compose_puts_it():
    compose = yaml.safe_load((MONITORING / "compose.yaml").read_text())
    grafana = compose["services"]["grafana"]
    mounts = dict(v.split(":")[:2] for v in grafana["volumes"])
    provider = yaml.safe_load((MONITORING / "grafana/provisioning/dashboards/readiness.yaml").read_text())["providers"][
        0
    ]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    source = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ][0]
    assert source["url"] == "http://prometheus:9090"
    scraped = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    hosts = {t.partition(":")[0] for job in scraped for c in job["static_configs"] for t in c["targets"]}
    assert hosts == {"readiness", "postgres-exporter"} <= set(compose["services"])
    for service in compose["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        for volume in service.get("volumes", []):
            here = volume.partition(":")[0]
            assert (MONITORING / here).exists() if here.startswith(".") else here in compose["volumes"]


def test_everything_is_written_for_who_has_the_package_alone(tmp_path: Path):
    env = stage.environment(tmp_path)
    done = stage.run("serve", "--write-monitoring", "m", env=env, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    shipped = {p.relative_to(MONITORING): p.read_bytes() for p in MONITORING.rglob("*") if p.is_file()}
    written = {p.relative_to(tmp_path / "m"): p.read_bytes() for p in (tmp_path / "m").rglob("*") if p.is_file()}
    assert written == shipped
    assert len(done.out.splitlines()) == len(shipped) >= 9
    promtool("check", "config", tmp_path / "m" / "prometheus" / "prometheus.yml")
    assert stage.run("serve", "--write-monitoring", "m", env=env, cwd=tmp_path).code == 0, "again is no harm"
    (tmp_path / "m" / "compose.yaml").write_text("mine")
    done = stage.run("serve", "--write-monitoring", "m", env=env, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err == "readiness: --write-monitoring m: compose.yaml is there and differs; name another folder\n"
    assert (tmp_path / "m" / "compose.yaml").read_text() == "mine"


# -- the chain -------------------------------------------------------------------------------------------------


@dataclass
class Prometheus:
    """A real one, on a folder of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={self.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert stage.eventually(lambda: stage.answers(f"{self.url}/-/ready"), 30)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(30)

    def ask(self, path: str, **parameters: str) -> Any:
        told = json.loads(get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        assert told["status"] == "success", told
        return told["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=expr)["result"]
        return found


def keep(store: Path, target: str, **own: Any) -> None:
    """A run in the evidence store that ended just now."""
    now = datetime.now(UTC)
    stamps = {"started_at": now.isoformat(), "finished_at": now.isoformat()}
    run = document.parse(stage.run_document(target, id=f"kept-{target}", **stamps, **own))
    kept = history.open_store(store, now=now)
    kept.save_run(
        RunRecord(
            id=run.id,
            target=target,
            system_identifier=None,
            started_at=run.started_at,
            finished_at=run.finished_at,
            decision=run.verdict.decision.value,
            score=run.verdict.score_exact,
            ceiling=run.verdict.ceiling_exact,
            coverage=run.verdict.coverage_exact,
            policy_sha256=run.policy.sha256,
            checkset_sha256=run.checkset_sha256,
            partial=False,
            document=run.model_dump(mode="json", by_alias=True),
        ),
        [],
    )
    kept.close()


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


@dataclass
class Chain:
    prometheus: Prometheus
    serve: subprocess.Popen[bytes]
    serve_url: str
    certificate: Path


@pytest.fixture(scope="module")
def database_server() -> Iterator[Cluster]:
    """Debian's PostgreSQL, archiving, with a standby."""
    settings = {"archive_mode": "on", "archive_command": "true", "max_connections": 40}
    with embedded.cluster(Runtime(DEBIAN), settings=settings, fast=True, purpose="test") as made:
        with made.connect() as admin:
            admin.execute("create table t as select 1 as x")
            admin.execute("select pg_switch_wal()")
        data = made.workshop.folder / "standby"
        made.tool("pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-X", "stream")
        standby = replace(made, data=data, port=made.workshop.port(), process=None)
        standby.configure({"port": standby.port})
        standby.start()
        yield made
        standby.stop()


@pytest.fixture(scope="module")
def chain(database_server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """PostgreSQL with a standby, postgres_exporter, `serve` with TLS and a password, Prometheus."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "plain.yaml").write_text(stage.PLAIN + "\n")
    (folder / "targets.yaml").write_text(
        "every: 1d\ntargets:\n"
        "  live: {policy: plain.yaml, dsn: '${LIVE}', evidence: e.db}\n"
        "  shop: {policy: plain.yaml, dsn: 'host=/nowhere', evidence: e.db}\n"
        "  billing: {policy: plain.yaml, dsn: 'host=/nowhere', evidence: e.db}\n"
    )
    verdict = json.loads(stage.run_document())["verdict"]
    until = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    keep(
        folder / "e.db",
        "shop",
        must_haves=[
            {"id": "L5", "title": "P95", "status": "fail", "waived": False, "checks": []},
            {"id": "L6", "title": "Data", "status": "fail", "waived": True, "checks": []},
        ],
    )
    keep(folder / "e.db", "billing", verdict=verdict | {"decision": "GO", "score": 91.0, "valid_until": until})
    certificate, key = make_certificate(folder, "server")
    users_file(folder)
    (folder / "password").write_text("the-password:with-colon")
    exporter = stage.free_port()
    found = {k: str(v) for k, v in conninfo.conninfo_to_dict(database_server.dsn("postgres")).items()}
    address = f"postgresql://{found['user']}:{found['password']}@127.0.0.1:{found['port']}/postgres?sslmode=disable"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        stack.callback(lambda: [end(p) for p in reversed(started)])
        started.append(
            subprocess.Popen(
                [program("prometheus-postgres-exporter"), f"--web.listen-address=127.0.0.1:{exporter}"],
                env={"DATA_SOURCE_NAME": address},
                **quiet,
            )
        )
        serve = stage.start(
            *("serve", "--targets", "targets.yaml", "--listen", "127.0.0.1:0", "--users", "users"),
            *("--tls-certificate", certificate, "--tls-key", key),
            env=stage.environment(folder, LIVE=database_server.dsn("postgres")),
            cwd=folder,
        )
        started.append(serve)
        assert serve.stderr is not None
        line = serve.stderr.readline().decode()
        url = re.search(r"https://\S+:(\d+)", line)
        assert url, line
        place = f"localhost:{url[1]}"
        secure = {
            "scheme": "https",
            "tls_config": {"ca_file": str(certificate)},
            "basic_auth": {"username": "prom", "password_file": str(folder / "password")},
        }
        probe = [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": place},
        ]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in RULES],
            "scrape_configs": [
                {"job_name": "readiness", **secure, "static_configs": [{"targets": [place]}]},
                {
                    "job_name": "readiness-probe",
                    "metrics_path": "/probe",
                    **secure,
                    "static_configs": [{"targets": ["shop", "live", "nobody"]}],
                    "relabel_configs": probe,
                },
                {"job_name": "no-password", **secure | {"basic_auth": {}}, "static_configs": [{"targets": [place]}]},
                {"job_name": "postgres", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]},
            ],
        }
        del config["scrape_configs"][2]["basic_auth"]  # type: ignore[attr-defined]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        promtool("check", "config", folder / "prometheus.yml")
        prometheus = Prometheus(folder, stage.free_port())
        stack.callback(lambda: prometheus.stop(signal.SIGKILL))
        prometheus.start()
        assert stage.eventually(lambda: prometheus.query('readiness_run_success{target="live"} == 1'), 60)
        assert stage.eventually(lambda: prometheus.query("count_over_time(pg_up[1m]) > 5"), 60)
        yield Chain(prometheus, serve, f"https://127.0.0.1:{url[1]}", certificate)


def test_prometheus_scrapes_it_and_names_what_is_wrong(chain: Chain):
    def targets() -> dict[str, dict[str, Any]]:
        """By job, the probe's by what it probes too."""
        active = chain.prometheus.ask("targets")["activeTargets"]
        probed = "readiness-probe"
        jobs = [(t["labels"]["job"], t["labels"]["instance"], t) for t in active]
        return {f"{job} {instance}" if job == probed else job: t for job, instance, t in jobs}

    def health() -> dict[str, str]:
        return {name: t["health"] for name, t in targets().items()}

    wanted = {
        "readiness": "up",
        "no-password": "down",
        "postgres": "up",
        "readiness-probe shop": "up",
        "readiness-probe live": "up",
        "readiness-probe nobody": "down",
    }
    assert stage.eventually(lambda: health() == wanted, 30), health()  # a machine that is busy misses a scrape at times
    assert "400" in targets()["readiness-probe nobody"]["lastError"]
    (live,) = chain.prometheus.query('readiness_coverage_ratio{job="readiness",target="live"}')
    assert 0 < float(live["value"][1]) <= 1
    (score,) = chain.prometheus.query('readiness_score{job="readiness",target="shop"}')
    assert float(score["value"][1]) == 61.5
    told = ask(
        f"{chain.serve_url}/metrics",
        context=trusting(chain.certificate),
        Authorization=basic("prom", "the-password:with-colon"),
    )
    promtool_check(told.body)


def substituted(expr: str, **values: str) -> str:
    for name, value in ({"__rate_interval": "20s", "job": ".+", "instance": ".+"} | values).items():
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr
    return expr


EXPRESSIONS = [
    (name, p["title"], t["expr"]) for name, board in BOARDS.items() for p in board["panels"] for t in p["targets"]
]


def brought(chain: Chain, expressions: list[str]) -> list[list[dict[str, Any]]]:
    """What expressions bring; nothing where none does, as just after a scrape that a busy machine missed."""
    found = [chain.prometheus.query(expression) for expression in expressions]
    return found if any(found) else []


@pytest.mark.parametrize(("board", "title", "expr"), EXPRESSIONS)
def test_every_expression_of_every_panel_has_data(chain: Chain, board: str, title: str, expr: str):
    choices = ["shop", "billing"] if board == "target" else [".+"]
    found = stage.eventually(lambda: brought(chain, [substituted(expr, target=target) for target in choices]), 30)
    assert found, f"{title}: {expr}"
    assert all("NaN" not in r["value"][1] for results in found for r in results), f"{title}: {found}"


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_has_values(chain: Chain, name: str):
    for v in BOARDS[name]["templating"]["list"]:
        if v["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", v["query"]["query"])
            assert found
            told = chain.prometheus.ask(f"label/{found[2]}/values", **{"match[]": substituted(found[1])})
            assert told, v["name"]


def test_columns_of_tables_are_labels_that_their_queries_bring(chain: Chain):
    for board in BOARDS.values():
        for p in board["panels"]:
            columns = next(
                (t["options"]["renameByName"] for t in p.get("transformations", []) if t["id"] == "organize"), {}
            )
            for column in columns:
                if column.startswith("Value"):
                    continue
                expressions = [substituted(t["expr"], target="shop") for t in p["targets"]]
                assert stage.eventually(
                    lambda e=expressions, c=column: any(c in r["metric"] for found in brought(chain, e) for r in found),
                    30,
                ), (p["title"], column)


def test_the_rules_are_evaluated_and_the_alerts_are_the_right_ones(chain: Chain):
    def rules() -> list[dict[str, Any]]:
        return [r for g in chain.prometheus.ask("rules")["groups"] for r in g["rules"]]

    assert stage.eventually(lambda: all(r["health"] == "ok" for r in rules()), 30), [
        (r["name"], r.get("lastError")) for r in rules()
    ]

    def active() -> set[tuple[str, str | None]]:
        alerts = chain.prometheus.ask("alerts")["alerts"]
        return {(a["labels"]["alertname"], a["labels"].get("target")) for a in alerts}

    def right(told: set[tuple[str, str | None]]) -> bool:
        of_shop = {(name, "shop") for name in ("ReadinessNoGo", "ReadinessBelowThreshold", "ReadinessMustHaveFailing")}
        of_billing = {"ReadinessNoGo", "ReadinessBelowThreshold", "ReadinessGoExpiring"}
        of_nobody = {"ReadinessStale", "ReadinessAuditFailing", "PostgresDown", "ReadinessAbsent"}
        return of_shop <= told and not any(
            name in of_nobody or (name in of_billing and target == "billing") for name, target in told
        )

    # Until then, for a machine that is busy misses a scrape at times, and what was not scraped is down for a moment.
    assert stage.eventually(lambda: right(active()), 30), active()


def test_kill_9_of_prometheus_loses_nothing_that_was_scraped(chain: Chain):
    """The last of this file: it restarts the Prometheus of the others."""
    everybody = {"live", "shop", "billing"}

    def scraped(at: float) -> set[str]:
        told = chain.prometheus.ask("query", query='readiness_score{job="readiness"}', time=str(at))["result"]
        return {r["metric"]["target"] for r in told}

    def moment() -> float | None:
        """A moment of which all is known: a machine that is busy misses a scrape at times."""
        at = time.time() - 2
        return at if scraped(at) == everybody else None

    seen = stage.eventually(moment, 30)
    assert seen
    mark = time.time()
    chain.prometheus.stop(signal.SIGKILL)
    chain.prometheus.start()
    assert chain.serve.poll() is None
    assert stage.eventually(lambda: chain.prometheus.query(f"timestamp(readiness_score) > {mark + 1}"), 30)
    assert scraped(seen) == everybody
