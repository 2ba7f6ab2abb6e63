"""`readiness serve`: what it answers, whom it lets in, when it audits, and that it stays truthful when things end."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser, expect

import stage
import test_report
from conftest import Database
from readiness import document, embedded
from readiness.document import RunDocument
from readiness.embedded import Cluster
from readiness.export.metrics import Detail
from readiness.fleet import Attempt, Target
from readiness.serving import pages, web
from readiness.serving.board import Board
from readiness.serving.schedule import Schedule
from readiness.serving.web import Certificates, Server, Site, Users
from test_metrics import samples, value

REFUSED = (urllib.error.URLError, ConnectionError, ssl.SSLError)
NOW = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)


def target(name: str = "shop", *, every: float = 3600, evidence: Path = Path("/nowhere/e.db")) -> Target:
    return Target(
        name=name,
        folder=Path("/nowhere"),
        profile=None,
        policy="beta",
        evidence=evidence,
        every=every,
        title="The Shop",
    )


def run(name: str = "shop", **own: Any) -> RunDocument:
    return document.parse(stage.run_document(name, **own))


def good(found: RunDocument) -> Attempt:
    return Attempt(run=found, code=0)


BAD = Attempt(run=None, code=4, said="nothing could be audited: connection refused")

# -- the schedule ----------------------------------------------------------------------------------------------


class Clock:
    """A schedule's clock, and what it showed last: with a single worker, when the attempt that goes on was started."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self) -> datetime:
        now = datetime.now(UTC)
        self.last = now.timestamp()
        return now


class Times:
    """An `attempt` that notes when it was called, and never together with itself.

    Args:
        clock: the schedule's, whose word counts: until we are called, a busy machine may let time pass.
    """

    def __init__(
        self, outcome: Callable[[Target], Attempt], *, seconds: float = 0.02, clock: Clock | None = None
    ) -> None:
        self.outcome, self.seconds, self.clock = outcome, seconds, clock
        self.started: dict[str, list[float]] = {}
        self.active: dict[str, int] = {}
        self.overlaps: list[str] = []
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, target: Target, stopping: threading.Event) -> Attempt:
        with self._lock:
            self.started.setdefault(target.name, []).append(self.clock.last if self.clock else time.monotonic())
            self.active[target.name] = self.active.get(target.name, 0) + 1
            if self.active[target.name] > 1:
                self.overlaps.append(target.name)
            self.most = max(self.most, sum(self.active.values()))
        stopping.wait(self.seconds)
        with self._lock:
            self.active[target.name] -= 1
        return self.outcome(target)


@contextmanager
def scheduled(
    targets: Sequence[Target], times: Times, *, parallel: int = 2, **own: Any
) -> Iterator[tuple[Board, list[str]]]:
    board, told = Board(targets), []
    schedule = Schedule(targets, board, parallel=parallel, told=told.append, attempt=times, **own)
    schedule.start()
    try:
        yield board, told
    finally:
        schedule.stop()


def test_no_two_audits_of_one_target_and_no_more_at_once_than_allowed():
    targets = [target(f"t{n}", every=0.05) for n in range(8)]
    times = Times(lambda t: good(run(t.name)), seconds=0.12)  # longer than the interval
    with scheduled(targets, times, parallel=3):
        assert stage.eventually(lambda: sum(map(len, times.started.values())) >= 24, 20)
    assert times.overlaps == []
    assert times.most == 3
    assert set(times.started) == {t.name for t in targets}, "nobody is starved"


@pytest.mark.alone
def test_targets_that_began_together_drift_apart_and_keep_their_interval():
    chances, clock = iter([0.0, 1.0, 0.5] * 50), Clock()
    times = Times(lambda t: good(run(t.name)), seconds=0.0, clock=clock)
    with scheduled([target(every=0.4)], times, parallel=1, now=clock, chance=lambda: next(chances)):
        assert stage.eventually(lambda: len(times.started.get("shop", [])) >= 4, 10)
    gaps = [b - a for a, b in zip(times.started["shop"], times.started["shop"][1:4], strict=False)]
    for gap, expected in zip(gaps, (0.36, 0.44, 0.40), strict=True):
        assert expected - 0.005 <= gap < expected + 0.2


def test_a_failure_is_not_repeated_sooner_and_keeps_the_run_that_was_there():
    outcomes, clock = iter([good(run()), BAD, BAD, good(run())]), Clock()
    times = Times(lambda _t: next(outcomes, BAD), clock=clock)
    with scheduled([target(every=0.4)], times, parallel=1, now=clock) as (board, told):
        assert stage.eventually(lambda: len(told) >= 2, 10)
        seen = board.get("shop")
        assert seen
        assert seen.success is False
        assert seen.run == run()
        assert seen.said == BAD.said
        assert stage.eventually(lambda: len(told) >= 3, 10)
    assert told[:3] == [f"shop: no whole audit: {BAD.said}"] * 2 + ["shop: audited again"]
    gaps = [b - a for a, b in zip(times.started["shop"], times.started["shop"][1:4], strict=False)]
    assert min(gaps) >= 0.35


def test_who_waits_longest_comes_first():
    """One that is always due again must not keep the others waiting."""
    targets = [target("greedy", every=0.01), *(target(f"t{n}", every=5) for n in range(4))]
    times = Times(lambda t: good(run(t.name)), seconds=0.05)
    with scheduled(targets, times, parallel=1):
        assert stage.eventually(lambda: len(times.started) == 5, 2)


def test_an_audit_that_breaks_does_not_end_the_schedule():
    def breaks(_target: Target) -> Attempt:
        raise RuntimeError("odd")

    times = Times(breaks)
    with scheduled([target(every=0.05)], times) as (_board, told):
        assert stage.eventually(lambda: len(told) >= 3, 10)
    assert set(told) == {"shop: no whole audit: RuntimeError: odd"}


def test_a_restart_waits_for_what_is_still_fresh():
    times = Times(lambda t: good(run(t.name)))
    board = Board([target()])
    board.end("shop", good(run()), now=NOW)
    schedule = Schedule([target()], board, parallel=1, told=lambda _s: None, attempt=times, now=lambda: NOW)
    schedule.start()
    time.sleep(0.2)
    seen = board.get("shop")
    schedule.stop()
    assert times.started == {}
    assert seen
    assert seen.next_at == run().started_at + timedelta(hours=1)


def test_what_was_cut_off_never_takes_the_place_of_a_whole_run():
    board = Board([target()])
    partial = run(partial=True, id="cut")
    board.end("shop", Attempt(run=partial, code=143), now=NOW)
    (seen,) = board.all()
    assert seen.run
    assert (seen.run.id, seen.success) == ("cut", False)
    board.end("shop", good(run()), now=NOW)
    board.end("shop", Attempt(run=partial, code=143), now=NOW)
    (seen,) = board.all()
    assert seen.run
    assert (seen.run.id, seen.success) == (run().id, False)


# -- what is answered ------------------------------------------------------------------------------------------


@dataclass
class Got:
    status: int
    body: str
    headers: dict[str, str]


def get(url: str, *, method: str = "GET", context: ssl.SSLContext | None = None, **headers: str) -> Got:
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=15, context=context) as answer:
            return Got(answer.status, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Got(error.code, error.read().decode(), dict(error.headers))


@contextmanager
def served(
    board: Board, *, now: datetime = NOW, alive: bool = True, detail: Detail = Detail.FULL, **own: Any
) -> Iterator[str]:
    site = Site(board, detail=detail, now=lambda: now, alive=lambda: alive)
    server = Server(("127.0.0.1", 0), site, **own)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{'https' if own.get('certificates') else 'http'}://127.0.0.1:{server.place[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def two() -> Board:
    board = Board([target("shop"), target("billing")])
    board.end("shop", good(run()), now=NOW)
    return board


def test_metrics_are_of_all_and_a_probe_of_one(two: Board):
    with served(two) as url:
        everyone = samples(get(f"{url}/metrics").body)
        assert value(everyone, "readiness_score", target="shop") == 61.5
        assert value(everyone, "readiness_run_interval_seconds", target="billing") == 3600
        assert get(f"{url}/probe?target=billing").status == 503, "nothing is known of it: no empty success"
        two.end("billing", BAD, now=NOW)
        assert samples(get(f"{url}/probe?target=billing").body) == {
            ("readiness_run_success", frozenset({("target", "billing")})): 0,
            ("readiness_run_interval_seconds", frozenset({("target", "billing")})): 3600,
        }
        shop = get(f"{url}/probe?target=shop")
        assert {dict(labels)["target"] for _, labels in samples(shop.body)} == {"shop"}
        assert shop.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        openmetrics = get(f"{url}/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert openmetrics.body.endswith("# EOF\n")


@pytest.mark.parametrize(
    "query",
    ["", "?target=", "?target=other", "?target=postgresql://evil.example/x", "?target=../shop", "?target=host%3Devil"],
)
def test_a_probe_takes_names_of_the_configuration_only(two: Board, query: str):
    with served(two) as url:
        got = get(f"{url}/probe{query}")
    assert got.status == 400
    assert "evil" not in got.body


def test_what_fails_keeps_its_values_and_says_so(two: Board):
    two.end("shop", BAD, now=NOW)
    with served(two) as url:
        found = samples(get(f"{url}/metrics").body)
        assert value(found, "readiness_run_success", target="shop") == 0
        assert value(found, "readiness_score", target="shop") == 61.5
        assert value(found, "readiness_last_run_timestamp_seconds", target="shop") == run().finished_at.timestamp()
        assert (
            "FAILING: the last attempt gave no whole audit (nothing could be audited: connection refused)"
            in get(f"{url}/?target=shop").body
        )
        assert "stale" in get(f"{url}/badge.svg?target=shop").body
        assert "FAILING" in get(url).body


def test_age_is_visible(two: Board):
    (seen, _) = two.all()
    assert pages.standing(seen, NOW) == "Current: audited 10 min ago."
    late = NOW + timedelta(hours=3)
    assert pages.standing(seen, late) == "STALE: this is 3 h old, and a newer audit is overdue."
    with served(two, now=late) as url:
        assert "STALE: this is 3 h old" in get(f"{url}/?target=shop").body
        badge = get(f"{url}/badge.svg?target=shop")
    assert "NO-GO 61.5, stale" in badge.body
    assert badge.headers["Content-Type"] == "image/svg+xml"
    ET.fromstring(badge.body)
    with served(two) as url:
        assert "stale" not in get(f"{url}/badge.svg?target=shop").body


def test_the_report_is_the_front_page_of_a_target_that_is_alone():
    board = Board([target()])
    with served(board) as url:
        assert "Waiting" in get(url).body
        assert get(f"{url}/run.json").status == 503
        assert get(f"{url}/readyz").status == 503
        board.end("shop", good(run()), now=NOW)
        assert get(f"{url}/readyz").status == get(f"{url}/healthz").status == 200
        page = get(url)
        assert page.status == 200
        assert "NO-GO" in page.body
        assert "performance/slow-query" in page.body
        assert document.parse(get(f"{url}/run.json").body) == run()
        badge = get(f"{url}/badge.svg")
        assert "NO-GO" in badge.body
        assert "stale" not in badge.body


browser = test_report.browser  # a fixture


def test_the_served_report_filters_and_shows_how_fresh_it_is(two: Board, browser: Browser):
    told: list[str] = []
    with served(two, now=NOW + timedelta(hours=3)) as url:
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.on("console", lambda message: told.append(message.text))
        page.goto(f"{url}/?target=shop")
        line = page.get_by_role("status").first
        expect(line).to_contain_text("STALE: this is 3 h old")
        said, head = line.bounding_box(), page.locator("header.top h1").bounding_box()
        assert said is not None
        assert head is not None
        assert 10 < said["x"] <= head["x"], "it stands within the page, above the verdict"
        assert said["y"] < head["y"]
        shown = page.locator("details.check:visible")
        assert shown.count() > 1
        page.get_by_role("searchbox").fill("performance/slow-query")
        expect(shown).to_have_count(1)
        page.close()
    assert told == [], "the server's policy admits the page's own script and style"


def test_a_hostile_title_stays_text(tmp_path: Path):
    odd = '"><script>alert(1)</script>'
    board = Board([target(evidence=tmp_path / "e.db"), target("b")])
    found = run()
    board.end(
        "shop", good(found.model_copy(update={"target": found.target.model_copy(update={"title": odd})})), now=NOW
    )
    board.end("shop", Attempt(run=None, code=4, said=odd), now=NOW)
    with served(board) as url:
        for path in ("/", "/?target=shop", "/history?target=shop", "/badge.svg?target=shop"):
            got = get(url + path)
            assert got.status == 200
            assert "<script>alert" not in got.body
            assert got.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_only_reading_is_possible(two: Board):
    with served(two) as url:
        assert get(f"{url}/metrics", method="POST").status == 501
        assert get(f"{url}/etc/passwd").status == get(f"{url}/..%2f..%2fetc/passwd").status == 404
        head = get(f"{url}/metrics", method="HEAD")
        assert (head.status, head.body) == (200, "")
        assert int(head.headers["Content-Length"]) > 1000
    with served(two, alive=False) as url:
        assert get(f"{url}/healthz").status == 500


def test_a_page_elsewhere_cannot_borrow_the_browser(two: Board):
    """DNS rebinding: a name of the attacker's that leads to 127.0.0.1."""
    with served(two) as url:
        for host, status in (("evil.example", 421), ("evil.example:80", 421), ("localhost:1", 200), ("[::1]:9", 200)):
            assert get(f"{url}/metrics", Host=host).status == status, host


def test_summary_leaves_single_checks_out(two: Board):
    with served(two, detail=Detail.SUMMARY) as url:
        told = get(f"{url}/metrics").body
    assert "readiness_check_" not in told
    assert "readiness_checks{" in told


def test_a_thousand_scrapes_start_no_audit():
    board = Board([target()])
    times = Times(lambda t: good(run(t.name)))
    schedule = Schedule([target()], board, parallel=1, told=lambda _s: None, attempt=times)
    schedule.start()
    assert stage.eventually(lambda: board.all()[0].success)
    with served(board) as url:
        for _ in range(100):
            assert get(f"{url}/metrics").status == get(f"{url}/probe?target=shop").status == 200
    schedule.stop()
    assert len(times.started["shop"]) == 1


# -- who is let in ---------------------------------------------------------------------------------------------


def users_file(folder: Path, text: str = "# who may look\nprom:the-password:with-colon\n", mode: int = 0o600) -> Path:
    path = folder / "users"
    path.write_text(text)
    path.chmod(mode)
    return path


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_basic_auth(two: Board, tmp_path: Path):
    with served(two, users=Users.read(users_file(tmp_path))) as url:
        for path in (
            "/",
            "/metrics",
            "/probe?target=shop",
            "/history?target=shop",
            "/run.json?target=shop",
            "/badge.svg",
            "/x",
        ):
            refused = get(url + path)
            assert (refused.status, refused.body) == (401, "who are you?\n")
            assert refused.headers["WWW-Authenticate"].startswith("Basic realm=")
        for wrong in (
            basic("prom", "the-password"),
            basic("other", "the-password:with-colon"),
            basic("", ""),
            "Basic !!!",
            "Basic",
            "Bearer " + basic("prom", "the-password:with-colon").split()[1],
        ):
            assert get(f"{url}/metrics", Authorization=wrong).status == 401, wrong
        assert get(f"{url}/metrics", Authorization=basic("prom", "the-password:with-colon")).status == 200
        assert get(f"{url}/healthz").status == 200, "an orchestrator has no password"


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("a:b\n", 0o644, "others may read it; chmod 600 it"),
        ("a:b\nprom\n", 0o600, "line 2: expected name:password"),
        ("a:\n", 0o600, "line 1: expected name:password"),
        ("# none\n", 0o600, "there is no user in it"),
    ],
)
def test_a_users_file_that_lets_in_the_wrong_ones_is_refused(tmp_path: Path, text: str, mode: int, said: str):
    with pytest.raises(ValueError, match=said):
        Users.read(users_file(tmp_path, text, mode))


def make_certificate(folder: Path, name: str, *, issuer: str | None = None) -> tuple[Path, Path]:
    """A self-signed certificate, or one of an issuer that was made before."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    signed = ("-CA", folder / f"{issuer}.crt", "-CAkey", folder / f"{issuer}.key") if issuer else ()
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate, *signed),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def trusting(certificate: Path, *client: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate)
    if client:
        context.load_cert_chain(*client)
    return context


@pytest.mark.alone
def test_tls_and_silent_clients_keep_nobody_waiting(two: Board, tmp_path: Path):
    certificate, key = make_certificate(tmp_path, "server")
    with served(two, certificates=Certificates(certificate, key), deadline_seconds=1.5) as url:
        port = int(url.rpartition(":")[2])
        context = trusting(certificate)
        assert get(f"{url}/metrics", context=context).status == 200
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
        started = time.monotonic()
        assert get(f"{url}/metrics", context=context).status == 200
        assert time.monotonic() - started < 1
        silent += [socket.create_connection(("127.0.0.1", port)) for _ in range(web.CONNECTIONS)]
        with pytest.raises(REFUSED):
            get(f"{url}/metrics", context=context)  # full: refused at once, for as long as a deadline at most
        assert stage.eventually(lambda: _ok(url, context), 5), "and then it recovers"
        for s in silent:
            s.close()


def _ok(url: str, context: ssl.SSLContext) -> bool:
    try:
        return get(f"{url}/metrics", context=context).status == 200
    except OSError:
        return False


@pytest.mark.alone
@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_drips_is_cut_off(two: Board, tmp_path: Path, tls: bool):
    own: dict[str, Any] = {}
    if tls:
        own["certificates"] = Certificates(*make_certificate(tmp_path, "server"))
    drops = iter((b"\x16\x03\x01\x02\x00" + b"\x01" * 500) if tls else b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * 90)
    with served(two, deadline_seconds=1, **own) as url:
        client = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
        started, ended = time.monotonic(), False
        while not ended and time.monotonic() - started < 10:
            try:
                client.sendall(bytes([next(drops)]))
                client.settimeout(0.05)
                ended = client.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        took = time.monotonic() - started
        client.close()
    assert ended
    assert took < 4


def test_client_certificates_of_one_authority_only(two: Board, tmp_path: Path):
    server = make_certificate(tmp_path, "server")
    make_certificate(tmp_path, "ours")
    mine = make_certificate(tmp_path, "mine", issuer="ours")
    stranger = make_certificate(tmp_path, "stranger")
    certificates = Certificates(*server, client_ca=tmp_path / "ours.crt")
    with served(two, certificates=certificates) as url:
        assert get(f"{url}/metrics", context=trusting(server[0], *mine)).status == 200
        for context in (trusting(server[0]), trusting(server[0], *stranger)):
            with pytest.raises(REFUSED):
                get(f"{url}/metrics", context=context)


def test_a_renewed_certificate_is_taken_up(two: Board, tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    certificate, key = make_certificate(first, "server")
    with served(two, certificates=Certificates(certificate, key)) as url:
        assert get(f"{url}/metrics", context=trusting(certificate)).status == 200
        renewed, renewed_key = make_certificate(second, "server")
        shutil.copy(renewed, certificate)  # not yet a pair: the old one stays
        time.sleep(0.3)
        shutil.copy(renewed_key, key)
        assert stage.eventually(lambda: _ok(url, trusting(renewed)), 5)


# -- the command -----------------------------------------------------------------------------------------------


@dataclass
class Serving:
    process: subprocess.Popen[bytes]
    url: str

    def metrics(self, path: str = "/metrics") -> dict[Any, float]:
        return samples(get(self.url + path).body)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err.decode()


@contextmanager
def serving(folder: Path, *arguments: str | Path, **env: str) -> Iterator[Serving]:
    process = stage.start(
        "serve", "--listen", "127.0.0.1:0", *arguments, env=stage.environment(folder) | env, cwd=folder
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        found = re.search(r"serving on (https?://\S+)/$", line)
        assert found, line + process.stderr.read().decode()
        yield Serving(process, found[1])
    finally:
        process.kill()
        process.communicate()


SLOW = stage.sql_check("select 'a' as subject, true as ok from pg_catalog.pg_sleep(27)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stage.write_pack(tmp_path / "mine", {"schema/zz_slow.sql": SLOW})
    (tmp_path / "plain.yaml").write_text(stage.PLAIN + "\n")
    (tmp_path / "slow.yaml").write_text(stage.PLAIN + "\npacks: [./mine]\n")
    (tmp_path / "readiness.yaml").write_text("name: shop\ntitle: The Shop\n")
    return tmp_path


def test_it_audits_serves_restarts_and_ends(folder: Path, embedded_database: Database):
    env = {"READINESS_DATABASE": embedded_database.bare_dsn()}
    with serving(folder, "--policy", "plain.yaml", "--every", "3s", **env) as up:
        assert stage.eventually(lambda: get(f"{up.url}/readyz").status == 200, 30)
        first = up.metrics()
        assert value(first, "readiness_run_success", target="shop") == 1
        when = value(first, "readiness_last_run_timestamp_seconds", target="shop")
        assert stage.eventually(
            lambda: value(up.metrics(), "readiness_last_run_timestamp_seconds", target="shop") > when, 30
        )
        page = get(up.url)
        assert page.status == 200
        assert "Current: audited" in page.body
        told = json.loads(get(f"{up.url}/run.json").body)
        assert told["target"]["database"] == embedded_database.name
        kept = re.findall(r"<tr><td><time", get(f"{up.url}/history").body)
        assert len(kept) >= 2
        assert up.end() == (0, "")
    with serving(folder, "--policy", "plain.yaml", "--every", "1h", READINESS_DATABASE="host=/nowhere") as up:
        again = up.metrics()
        assert value(again, "readiness_last_run_timestamp_seconds", target="shop") >= when, "a restart forgets nothing"
        assert get(f"{up.url}/readyz").status == 200
        assert up.end(signal.SIGINT) == (0, "")


@pytest.mark.alone
def test_sigterm_during_an_audit_ends_it_and_leaves_nothing(folder: Path, embedded_database: Database):
    def sleeping() -> int:
        with embedded_database.connect() as admin:
            row = admin.execute(
                "select count(*) from pg_stat_activity where application_name like 'readiness/%' and datname = current_database()"
            ).fetchone()
        assert row
        return int(row[0])

    env = {"READINESS_DATABASE": embedded_database.bare_dsn()}
    with serving(folder, "--policy", "slow.yaml", **env) as up:
        assert stage.eventually(sleeping, 30)
        assert get(f"{up.url}/healthz").status == 200
        assert value(up.metrics(), "readiness_run_interval_seconds", target="shop") == 3600
        started = time.monotonic()
        assert up.end() == (0, "")
        assert time.monotonic() - started < 12
    assert stage.eventually(lambda: not sleeping())
    assert not [p for p in Path("/proc").glob("[0-9]*/environ") if _reads(p, str(folder).encode())]


def _reads(path: Path, wanted: bytes) -> bool:
    try:
        return b"HOME=" + wanted in path.read_bytes()
    except OSError:
        return False


@pytest.fixture
def mortal() -> Iterator[Cluster]:
    """A server of its own, to be killed."""
    with embedded.cluster(fast=True, purpose="test") as made:
        yield made


def test_kill_9_of_the_target_is_seen_and_told(folder: Path, mortal: Cluster):
    (folder / "targets.yaml").write_text(
        "every: 2s\ntargets:\n"
        "  mortal: {policy: plain.yaml, dsn: '${MORTAL}'}\n"
        "  absent: {policy: plain.yaml, dsn: 'host=127.0.0.1 port=1 dbname=x'}\n"
    )
    with serving(folder, "--targets", "targets.yaml", MORTAL=mortal.dsn()) as up:
        assert stage.eventually(lambda: get(f"{up.url}/readyz").status == 200, 30)
        before = up.metrics()
        assert value(before, "readiness_run_success", target="mortal") == 1
        assert value(before, "readiness_run_success", target="absent") == 0
        assert ("readiness_score", frozenset({("target", "absent")})) not in before, "no value was made up"
        assert mortal.process
        os.killpg(mortal.process.pid, signal.SIGKILL)
        assert stage.eventually(lambda: value(up.metrics(), "readiness_run_success", target="mortal") == 0, 30)
        after = up.metrics()
        stamp = value(after, "readiness_last_run_timestamp_seconds", target="mortal")
        assert stage.eventually(lambda: time.time() - stamp > 1)
        assert value(up.metrics(), "readiness_last_run_timestamp_seconds", target="mortal") == stamp, "its age grows"
        assert "FAILING" in get(f"{up.url}/?target=mortal").body
        code, err = up.end()
    assert code == 0
    assert re.search(r"readiness: mortal: no whole audit: nothing could be audited: ", err)


def test_a_start_that_cannot_work_says_so(folder: Path):
    env = stage.environment(folder)
    (folder / "targets.yaml").write_text("targets:\n  shop: {policy: plain.yaml}\n")
    taken = socket.create_server(("127.0.0.1", 0))
    for arguments, said in [
        (
            ("--listen", f"127.0.0.1:{taken.getsockname()[1]}"),
            r"--listen 127.0.0.1:\d+: can't be had: Address already in use",
        ),
        (("--listen", "here"), "--listen here: expected ADDRESS:PORT"),
        (("--every", "often"), r"--every often: expected a duration: 90s, 15m, 6h or 1d"),
        (("--users", "gone"), "--users gone: can't be read: No such file or directory"),
        (("--tls-key", "x"), "--tls-certificate and --tls-key belong together"),
        (("--tls-key", "plain.yaml", "--tls-certificate", "plain.yaml"), "--tls-certificate plain.yaml: .+"),
        (("--targets", "targets.yaml", "--profile", "x"), "--targets: its file names profiles, .+"),
        (("--policy", "gone"), "policy 'gone': neither a file .+"),
    ]:
        policy = () if "--targets" in arguments or "--policy" in arguments else ("--policy", "plain.yaml")
        done = stage.run("serve", *arguments, *policy, env=env, cwd=folder)
        assert done.code == 2, (arguments, done)
        assert re.fullmatch(f"readiness: {said}\n", done.err), done.err
    taken.close()


def test_beyond_this_machine_it_warns_who_can_read(folder: Path):
    process = stage.start(
        "serve", "--listen", "0.0.0.0:0", "--policy", "plain.yaml", env=stage.environment(folder), cwd=folder
    )
    assert process.stderr is not None
    first = process.stderr.readline().decode()
    process.terminate()
    process.communicate(timeout=30)
    assert re.fullmatch(
        r"readiness: whoever reaches 0\.0\.0\.0:\d+ can read the reports; "
        r"add --users and --tls-certificate and --tls-key\n",
        first,
    )
    assert process.returncode == 0
