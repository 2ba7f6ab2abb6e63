"""Metrics: what a run document says, in the words and units of Prometheus, and never more series than are declared."""

from __future__ import annotations

import base64
import math
import os
import re
import shutil
import stat
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import stage
from readiness import document
from readiness.document import RunDocument
from readiness.export import metrics
from readiness.export.metrics import Detail, Reading
from readiness.reporting.formats import render
from readiness.scoring import Decision

DOCS = Path(__file__).parent.parent / "docs" / "metrics.md"
FINISHED = 1_795_620_000  # 2026-11-25T15:20:00Z
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in parse_text(text):
        for s in family.samples:
            key = (s.name, frozenset(s.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = s.value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def names(found: Samples) -> set[str]:
    return {name for name, _ in found}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"Debian's {name} is not installed")
    return found


def promtool_check(text: str) -> None:
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def run() -> RunDocument:
    return document.parse(stage.run_document())


# -- what they say ---------------------------------------------------------------------------------------------


def test_the_metrics_say_what_the_document_says(run: RunDocument):
    found = samples(render(run, "prometheus"))
    shop = {"target": "shop"}
    assert value(found, "readiness_score", **shop) == 61.5
    assert value(found, "readiness_score_ceiling", **shop) == 84.2
    assert value(found, "readiness_coverage_ratio", **shop) == pytest.approx(0.773)
    assert value(found, "readiness_threshold", **shop) == 70
    assert {d: value(found, "readiness_decision", decision=d, **shop) for d in ("GO", "NO-GO", "HOLD")} == {
        "GO": 0,
        "NO-GO": 1,
        "HOLD": 0,
    }
    assert value(found, "readiness_category_score", category="schema", **shop) == 66.6
    assert value(found, "readiness_service_readiness_ratio", service="auth", **shop) == 0.4
    assert value(found, "readiness_blockers", **shop) == 1
    assert value(found, "readiness_run_success", **shop) == 1
    assert value(found, "readiness_run_duration_seconds", **shop) == 12.5
    assert value(found, "readiness_last_run_timestamp_seconds", **shop) == FINISHED
    assert value(found, "readiness_build_info", version="0.1.0", **shop) == 1
    assert value(found, "readiness_query_p95_seconds", query="open_tasks", **shop) == pytest.approx(0.1305)
    assert value(found, "readiness_query_p95_target_seconds", query="open_tasks", **shop) == pytest.approx(0.1)
    assert value(found, "readiness_service_p95_seconds", service="auth", **shop) == pytest.approx(0.25)
    states = {
        s: value(found, "readiness_check_status", check="schema/json-text", status=s, **shop)
        for s in ("pass", "partial", "fail", "unknown", "not_applicable")
    }
    assert states == {"pass": 0, "partial": 1, "fail": 0, "unknown": 0, "not_applicable": 0}
    assert value(found, "readiness_check_findings", check="schema/json-text", **shop) == 2
    assert value(found, "readiness_must_have", criterion="L5", status="fail", **shop) == 1
    assert value(found, "readiness_must_have", criterion="L5", status="pass", **shop) == 0
    assert value(found, "readiness_must_have_waived", criterion="L5", **shop) == 1
    assert value(found, "readiness_checks", status="unknown", **shop) == 1


def test_silence_is_not_a_finding_count(run: RunDocument):
    found = samples(render(run, "prometheus"))
    assert value(found, "readiness_check_status", check="operations/backup", status="unknown", target="shop") == 1
    assert not [
        labels
        for name, labels in found
        if name == "readiness_check_findings" and ("check", "operations/backup") in labels
    ]


def test_a_wait_without_end_stays_one(run: RunDocument):
    """JSON has no infinity; a saved run must not turn a total outage into a gap."""
    endless = run.model_copy(
        update={"measurements": [m.model_copy(update={"value": math.inf}) for m in run.measurements]}
    )
    for told in (endless, document.parse(endless.to_json())):
        found = samples(render(told, "prometheus"))
        assert value(found, "readiness_query_p95_seconds", query="open_tasks", target="shop") == math.inf


def test_of_several_waivers_the_first_to_end_counts(run: RunDocument):
    found = samples(render(run, "prometheus"))
    name = "readiness_waiver_expiry_timestamp_seconds"
    assert [v for (n, _), v in found.items() if n == name] == [1_796_083_200]  # 2026-12-01T00:00:00Z, of two


def test_only_a_go_is_valid_until(run: RunDocument):
    assert "readiness_valid_until_timestamp_seconds" not in names(samples(render(run, "prometheus")))
    until = run.model_copy(
        update={"verdict": run.verdict.model_copy(update={"decision": Decision.GO, "valid_until": run.finished_at})}
    )
    found = samples(render(document.parse(until.to_json()), "prometheus"))
    assert value(found, "readiness_valid_until_timestamp_seconds", target="shop") == FINISHED
    assert value(found, "readiness_decision", decision="GO", target="shop") == 1


def test_a_run_that_was_cut_off_is_no_success(run: RunDocument):
    found = samples(render(run.model_copy(update={"partial": True}), "prometheus"))
    assert value(found, "readiness_run_success", target="shop") == 0


def test_a_target_without_a_run_shows_no_values():
    told = metrics.text([Reading(target="new", run=None, success=False, interval_seconds=60)])
    assert names(samples(told)) == {"readiness_run_success", "readiness_run_interval_seconds"}
    assert names(samples(metrics.text([Reading(target="new", run=None, success=None)]))) == set()


# -- the format ------------------------------------------------------------------------------------------------


def test_promtool_finds_nothing_to_say(run: RunDocument):
    promtool_check(render(run, "prometheus"))
    promtool_check(metrics.text([Reading(target="new", run=None, success=False, interval_seconds=60)]))


def test_openmetrics_says_the_same(run: RunDocument):
    told = render(run, "openmetrics")
    assert told.endswith("# EOF\n")
    found = {
        (s.name, frozenset(s.labels.items())): s.value for family in parse_openmetrics(told) for s in family.samples
    }
    assert found == samples(render(run, "prometheus"))


def test_what_is_put_together_says_what_is_made_at_once(run: RunDocument):
    """Also of several targets, after a change, and when a name looks like a header."""
    odd = [s.model_copy(update={"id": "\n# HELP x\n# EOF\n"}) for s in run.services]
    one = Reading(target="a", run=run.model_copy(update={"services": odd}), success=True, interval_seconds=60)
    two = Reading(target="b", run=None, success=False)
    expositions = metrics.Expositions()
    for second in (two, two, Reading(target="b", run=run, success=False), Reading(target="b", run=run, success=True)):
        text, kind = expositions.of([one, second], "text/plain;version=0.0.4")
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        assert samples(text.decode()) == samples(metrics.text([one, second]))
        assert text.count(b"# TYPE readiness_run_success ") == 1
        told, kind = expositions.of([one, second], "application/openmetrics-text;version=1.0.0;q=0.9,*/*;q=0.1")
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        assert told.endswith(b"\n# EOF\n")
        assert told.count(b"\n# EOF") == 1
        found = {
            (s.name, frozenset(s.labels.items())): s.value for f in parse_openmetrics(told.decode()) for s in f.samples
        }
        assert found == samples(text.decode())


def test_a_hostile_name_stays_a_label(run: RunDocument):
    odd = 'a"b\\c\nreadiness_score{target="shop"} 100'
    services = [s.model_copy(update={"id": odd}) for s in run.services]
    found = samples(render(run.model_copy(update={"services": services}), "prometheus"))
    assert value(found, "readiness_service_readiness_ratio", service=odd, target="shop") == 0.4
    assert value(found, "readiness_score", target="shop") == 61.5


def test_no_subject_is_a_label_and_the_number_of_series_is_what_the_docs_say(run: RunDocument):
    found = samples(render(run, "prometheus"))
    labels = {v for _, pairs in found for _, v in pairs}
    subjects = {f.subject for c in run.checks for f in c.findings}
    assert subjects
    assert not [(s, v) for s in subjects for v in labels if s in v]
    queries = sum(m.figure == "query_p95" for m in run.measurements)
    services = sum(m.figure == "service_p95" for m in run.measurements)
    bound = (
        19
        + len(run.categories)
        + 6 * len(run.checks)
        + 4 * len(run.must_haves)
        + len(run.services)
        + len({w.check for w in run.waivers})
        + 2 * (queries + services)
    )
    assert len(found) <= bound
    assert len(samples(metrics.text([metrics.reading(run)], detail=Detail.SUMMARY))) <= bound - 6 * len(run.checks)
    assert (
        "19 + categories + 6 x checks + 4 x must-haves + services + waived checks + 2 x (timed queries + timed services)"
        in (re.sub(r"\s+", " ", DOCS.read_text()))
    )


def test_every_metric_is_documented_and_nothing_else(run: RunDocument):
    go = run.model_copy(
        update={"verdict": run.verdict.model_copy(update={"decision": Decision.GO, "valid_until": run.finished_at})}
    )
    told = {f.name for f in metrics.Readings([Reading(target="a", run=go, success=True, interval_seconds=1)]).collect()}
    documented = set(re.findall(r"^\| `(readiness_[a-z0-9_]+)", DOCS.read_text(), re.MULTILINE))
    assert told == documented


# -- where they go ---------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(stage.run_document())
    return path


def test_a_textfile_is_whole_at_every_moment_and_others_may_read_it(saved: Path, tmp_path: Path):
    folder = tmp_path / "textfile"
    folder.mkdir()
    out, torn, ended = folder / "readiness-shop.prom", [], threading.Event()

    def look() -> None:
        while not ended.is_set():
            for path in folder.glob("*.prom"):
                text = path.read_text()
                if not text.startswith("# HELP") or not text.endswith("\n") or "readiness_check_findings{" not in text:
                    torn.append(text)

    watcher = threading.Thread(target=look)
    watcher.start()
    env = stage.environment(tmp_path)
    try:
        for _ in range(5):
            done = stage.run("report", saved, "-o", out, env=env, cwd=tmp_path)
            assert (done.code, done.said) == (0, "")
    finally:
        ended.set()
        watcher.join()
    assert not torn
    assert [p.name for p in folder.iterdir()] == [out.name]
    os.umask(mask := os.umask(0))
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~mask
    out.chmod(0o640)
    stage.run("report", saved, "-o", out, env=env, cwd=tmp_path)
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    promtool_check(out.read_text())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Pushgateway."""
    port = stage.free_port()
    process = subprocess.Popen(
        [program("prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}"],
        cwd=tmp_path_factory.mktemp("gateway"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert stage.eventually(lambda: stage.answers(f"http://127.0.0.1:{port}/-/ready"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        told: str = answer.read().decode()
        return told


def test_a_pushgateway_holds_the_last_run_of_each_target(saved: Path, gateway: str, tmp_path: Path):
    env = stage.environment(tmp_path)
    done = stage.run("report", saved, "--pushgateway", gateway, env=env, cwd=tmp_path)
    assert (done.code, done.said) == (0, "")
    other = tmp_path / "other.json"
    other.write_text(saved.read_text().replace('"open_tasks"', '"other_query"').replace("query_p95:open_tasks", "q"))
    assert stage.run("report", other, "--pushgateway", gateway + "/", env=env, cwd=tmp_path).code == 0
    told = get(f"{gateway}/metrics")
    pushed = {k: v for k, v in samples(told).items() if k[0].startswith("readiness_")}
    queries = [dict(pairs)["query"] for name, pairs in pushed if name == "readiness_query_p95_seconds"]
    assert queries == ["other_query"], "the later run replaces the whole group"
    labels = {"job": "readiness", "target": "shop", "instance": ""}
    assert value(pushed, "readiness_score", **labels) == 61.5


def test_a_pushgateway_that_is_not_there_is_told_before_any_work(tmp_path: Path, saved: Path):
    env = stage.environment(tmp_path)
    nobody = f"http://user:gateway-secret@127.0.0.1:{stage.free_port()}"
    for arguments in (("report", saved), ("score", "--policy", "absent.yaml")):
        done = stage.run(*arguments, "--pushgateway", nobody, env=env, cwd=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert re.fullmatch(r"readiness: --pushgateway: http://127.0.0.1:\d+: Connection refused\n", done.err)
    done = stage.run("report", saved, "--pushgateway", "ftp://x", env=env, cwd=tmp_path)
    assert (done.code, done.err) == (2, "readiness: --pushgateway: expected http://host:port or https://host:port\n")


class _Gate(BaseHTTPRequestHandler):
    """Answers GET, takes PUT from the one that knows the password, and refuses the others."""

    seen: list[str]

    def do_GET(self) -> None:
        self._say(200)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        given = self.headers.get("Authorization", "")
        self.seen.append(given)
        self._say(200 if given == "Basic " + base64.b64encode(b"me:gateway-secret").decode() else 401)

    def _say(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_a_push_that_is_refused_is_a_lost_report(saved: Path, tmp_path: Path):
    handler = type("Gate", (_Gate,), {"seen": []})
    env = stage.environment(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}"
        good = stage.run("report", saved, "--pushgateway", f"http://me:gateway-secret@{place}", env=env, cwd=tmp_path)
        bad = stage.run("report", saved, "--pushgateway", f"http://me:gateway-wrong@{place}", env=env, cwd=tmp_path)
        server.shutdown()
    assert (good.code, good.said) == (0, "")
    assert (bad.code, bad.out) == (4, "")
    assert bad.err == f"readiness: the metrics were lost: http://{place}: answers 401 Unauthorized\n"
