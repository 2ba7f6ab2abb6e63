"""Timed queries and requests, and what pg_stat_statements counted."""

from __future__ import annotations

import http.server
import json
import math
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asking import NOW, ask, checks, found
from conftest import Database
from readiness.facts import http as module
from readiness.facts.histograms import ServiceHistograms
from readiness.facts.http import Reply, ServiceLatencies, get, side_by_side
from readiness.facts.latency import QueryLatencies, Timed
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.statements import StatementStatistics
from readiness.facts.stopwatch import Wait
from readiness.facts.target import Target
from readiness.model import Examined, Reason, Unknown, Unseen
from readiness.profile import Profile, secrets_of
from stage import HttpServer

QUICK = {"query_samples": 75, "query_seconds": 20, "pause_ms": 0, "http_requests": 75, "http_timeout_seconds": 1}


def profile(**sections) -> Profile:
    return Profile.model_validate({"name": "t", "probing": QUICK, **sections})


@pytest.mark.alone
def test_slow_query(database: Database):
    database.run("create table t (id int primary key); insert into t select generate_series(1, 100)")
    declared = profile(
        queries={
            "quick": {"sql": "select * from public.t where id = $1", "values_sql": "select id from public.t"},
            "slow": {"sql": "select pg_sleep(0.03)", "target_ms": 20},
            "listed": {"sql": "select * from public.t where id = $1", "values": [[1], [2]]},
        }
    )
    outcome = ask("performance/slow-query", database.dsn(), profile=declared)
    assert found(outcome) == {"slow"}
    assert isinstance(outcome, Examined)
    (slow,) = outcome.findings
    assert slow.evidence["samples"] == 75
    assert slow.evidence["lower"] > 20
    assert {o.subject for o in outcome.observations if o.ok} == {"quick", "listed"}


def test_too_few_samples_are_unknown_with_the_number_that_would_do(database: Database):
    declared = profile(queries={"q": {"sql": "select 1"}}, probing={**QUICK, "query_samples": 10})
    outcome = ask("performance/slow-query", database.dsn(), profile=declared)
    assert isinstance(outcome, Unknown)
    assert (outcome.reason, outcome.unlock) == (Reason.INSUFFICIENT_SAMPLES, "set probing.query_samples to 72")


@pytest.mark.alone
def test_a_slow_query_takes_no_time_from_quick_ones(embedded_database: Database):
    declared = profile(
        queries={"slow": {"sql": "select pg_sleep(0.5)", "target_ms": 900}, "quick": {"sql": "select 1"}},
        probing={**QUICK, "query_seconds": 1.5},
    )
    outcome = ask("performance/slow-query", embedded_database.dsn(), profile=declared)
    assert isinstance(outcome, Unknown)
    assert [(u.subject, u.unlock) for u in outcome.unseen] == [("slow", "raise probing.query_seconds")]
    assert [(o.subject, o.ok, o.evidence["samples"]) for o in outcome.observations] == [("quick", True, 75)]


def test_where_the_time_was_over_the_time_is_what_to_raise(embedded_database: Database):
    declared = profile(
        queries={"slow": {"sql": "select pg_sleep(0.03)", "target_ms": 400}}, probing={**QUICK, "query_seconds": 0.5}
    )
    outcome = ask("performance/slow-query", embedded_database.dsn(), profile=declared)
    assert isinstance(outcome, Unknown)
    assert re.fullmatch(r"set probing.query_seconds to \d+", outcome.unlock or ""), outcome.unlock


def test_a_query_that_finds_no_table_hears_where_to_say_it(embedded_database: Database):
    embedded_database.run("create table t (id int)")
    queries = {"q": {"sql": "select * from t"}}
    for check in ("performance/slow-query", "performance/sequential-scan"):
        outcome = ask(check, embedded_database.dsn(), profile=profile(queries=queries))
        assert isinstance(outcome, Unknown)
        assert "database: {search_path: [public]}" in (outcome.unlock or "")
    told = profile(queries=queries, database={"search_path": ["public"]})
    assert isinstance(ask("performance/slow-query", embedded_database.dsn(), profile=told), Examined)


def test_a_query_that_cannot_run_is_named_with_the_grant(database: Database):
    database.run("create table t (id int)")
    declared = profile(queries={"q": {"sql": "select * from public.t"}, "fine": {"sql": "select 1"}})
    outcome = ask("performance/slow-query", database.bare_dsn(), profile=declared)
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NO_PERMISSION
    assert outcome.unlock == f"grant select on public.t to {database.bare_role};"


def test_a_query_that_writes_or_is_two_is_refused(database: Database):
    database.run("create table t (id int)")
    for sql in ("insert into public.t values (1)", "commit; insert into public.t values (1)", "select 1; select 2"):
        outcome = ask("performance/slow-query", database.dsn(), profile=profile(queries={"q": {"sql": sql}}))
        assert isinstance(outcome, Unknown), sql
    with database.connect() as connection:
        assert connection.execute("select count(*) from t").fetchone() == (0,)


@pytest.mark.alone
def test_calls_that_run_out_of_time_are_waits_without_end(database: Database):
    declared = profile(
        queries={"q": {"sql": "select pg_sleep(9)"}},
        probing={**QUICK, "statement_seconds": 0.05, "query_samples": 75},
    )
    outcome = ask("performance/slow-query", database.dsn(), profile=declared)
    assert found(outcome) == {"q"}
    assert isinstance(outcome, Examined)
    assert outcome.findings[0].evidence["value"] == "infinity"


def test_what_the_auditor_itself_waited_for_fails_nobody():
    def judge(least: float):
        waits = (500.0,) * 100
        timed = Timed(name="q", target_ms=100, milliseconds=waits, least=(least,) * 100)
        (answer,) = checks()["performance/slow-query"].ask(QueryLatencies(by_name={"q": timed}, unseen=()))
        return answer

    assert not judge(400.0).ok
    held_back = judge(90.0)  # and no pass either: the server may have been at work meanwhile
    assert isinstance(held_back, Unseen)
    assert "waited for a CPU of its own" in held_back.unlock


def test_what_the_auditor_itself_waited_for_fails_no_service(monkeypatch: pytest.MonkeyPatch):
    said = Profile.model_validate(
        {
            "name": "t",
            "services": {"shop": {"url": "http://shop", "latency_path": "/"}},
            "targets": {"service_p95_ms": 100},
            "probing": {"http_requests": 100, "pause_ms": 0},
        }
    )

    def judge(ours: float):
        reply = Reply(status=200, body=b"", wait=Wait(500.0, ours))
        monkeypatch.setattr(module, "exchange", lambda *_, **__: reply)
        target = Target(profile=said, folder=Path(), now=NOW)
        histograms = ServiceHistograms(by_service={}, unseen=())
        (answer,) = checks()["performance/slow-service"].ask(ServiceLatencies.take(target), histograms, target)
        return answer

    assert not judge(100.0).ok
    held_back = judge(410.0)
    assert isinstance(held_back, Unseen)
    assert "waited for a CPU of its own" in held_back.unlock


def test_a_wait_knows_how_long_it_had_no_cpu():
    """Two processes that never rest on one CPU: half of the time, this one waits. Where the system doesn't tell, none of it."""
    tells = Path("/proc/thread-self/schedstat").exists()
    script = """
import os, threading, time
from readiness.facts.stopwatch import Stopwatch
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
watch = Stopwatch()
time.sleep(0.3)
asleep = watch.read()
if not (other := os.fork()):
    while True: pass
watch = Stopwatch()
ends = time.monotonic() + 1
while time.monotonic() < ends: pass
os.kill(other, 9)
busy = watch.read()
print(asleep.milliseconds, asleep.ours, busy.milliseconds, busy.ours)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout
    slept, idle, took, waited = map(float, said.split())
    assert slept >= 300
    assert idle <= slept / 2
    assert took >= 1000
    assert took / 5 < waited <= took if tells else waited == 0


def test_slow_query_judges_bounds_not_points():
    def judge(*waits: float):
        latencies = QueryLatencies(by_name={"q": Timed(name="q", target_ms=100, milliseconds=waits)}, unseen=())
        (answer,) = checks()["performance/slow-query"].ask(latencies)
        return answer

    assert judge(*[1.0] * 100).ok
    assert not judge(*[1.0] * 80, *[500.0] * 20).ok
    assert isinstance(judge(*[1.0] * 95, *[500.0] * 5), Unseen)
    assert not judge(*[math.inf] * 75).ok


@pytest.mark.alone
def test_slow_statement(database: Database):
    database.run("create extension pg_stat_statements")
    with database.connect() as connection:
        connection.execute("select pg_stat_statements_reset()")
        for _ in range(25):
            connection.execute("select 1 as quick")
            connection.execute("select pg_sleep(0.012)")
    declared = profile(targets={"query_p95_ms": 10})
    outcome = ask("performance/slow-statement", database.dsn(), profile=declared, parameters={"hours": 0.0})
    assert isinstance(outcome, Examined)
    (slow,) = outcome.findings
    assert "pg_sleep" in str(slow.evidence["statement"])
    assert slow.evidence["calls"] == 25
    too_young = ask("performance/slow-statement", database.dsn(), profile=declared)
    assert isinstance(too_young, Unknown)
    assert too_young.reason is Reason.INSUFFICIENT_SAMPLES
    bare = ask("performance/slow-statement", database.bare_dsn(), profile=declared)
    assert isinstance(bare, Unknown)
    assert bare.reason is Reason.NO_PERMISSION


def test_our_own_statements_are_not_among_those_that_production_ran(database: Database):
    database.run("create extension pg_stat_statements")
    postgres = Postgres(database.dsn())
    for _ in range(3):
        postgres.rows("select 42 as ours", marker="test")
    statistics = StatementStatistics.take(postgres, Server.take(postgres))
    postgres.close()
    assert not any("ours" in (s.text or "") for s in statistics.statements)


# -- HTTP ------------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        route = self.path.strip("/")
        if route == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
            return
        if route == "drip-headers":
            for _ in range(100):
                self.wfile.write(b"H")
                self.wfile.flush()
                time.sleep(0.1)
            return
        if route == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while True:
                self.wfile.write(b"x" * 65536)
        if route == "slow":
            time.sleep(0.05)
        status, body = {
            "ok": (200, {"status": "ok"}),
            "slow": (200, {"status": "ok"}),
            "down": (200, {"status": "DOWN"}),
            "none": (200, {"hello": "there"}),
            "list": (200, [1]),
            "error": (503, {"status": "ok"}),
            "html": (200, None),
            "redirect": (302, {"status": "ok"}),
            "closed": (401, {}),
            "guarded": (
                200 if self.headers["Authorization"] == "Bearer k3y-of-a-test" else 401,
                {"items": [{"id": 7}]},
            ),
        }[route]
        raw = b"<html>" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        if status == 302:
            self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@contextmanager
def serving() -> Iterator[str]:
    server = HttpServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_unhealthy_service(embedded_database: Database):
    with serving() as url:
        paths = ("ok", "down", "none", "list", "error", "html", "redirect")
        declared = profile(
            services={p: {"url": url, "health": {"path": f"/{p}"}} for p in paths}
            | {
                "gone": {"url": "http://127.0.0.1:1"},
                "plain": {"url": url, "health": {"path": "/html", "json_body": False}},
            }
            | {"metadata": {"url": "http://169.254.169.254"}, "endpoint-less": {"url": url, "health": None}}
        )
        outcome = ask("operations/unhealthy-service", embedded_database.dsn(), profile=declared)
    assert found(outcome) == {*paths, "gone", "metadata"} - {"ok"}
    assert isinstance(outcome, Examined)
    says = {o.subject: o.evidence["says"] for o in outcome.findings}
    assert says["down"] == "HTTP 200, but status is 'down'"
    assert says["gone"] == "connection refused"
    assert says["redirect"] == "HTTP 302, expected 200"
    assert "never asked" in str(says["metadata"])


def test_a_health_endpoint_that_wants_credentials_is_not_known_to_be_ill(embedded_database: Database):
    with serving() as url:
        declared = profile(services={p: {"url": url, "health": {"path": f"/{p}"}} for p in ("ok", "closed")})
        outcome = ask("operations/unhealthy-service", embedded_database.dsn(), profile=declared)
    assert isinstance(outcome, Unknown)
    assert (outcome.reason, [u.subject for u in outcome.unseen]) == (Reason.NO_PERMISSION, ["closed"])


@pytest.mark.alone
def test_slow_service(embedded_database: Database):
    with serving() as url:
        declared = profile(
            services={
                "fine": {"url": url, "latency_path": "/ok"},
                "late": {"url": url, "latency_path": "/slow"},
                "gone": {"url": "http://127.0.0.1:1"},
            },
            targets={"service_p95_ms": 40},
        )
        outcome = ask("performance/slow-service", embedded_database.dsn(), profile=declared)
    assert found(outcome) == {"late", "gone"}
    assert isinstance(outcome, Examined)
    assert {o.subject: o.evidence["value"] for o in outcome.findings}["gone"] == "infinity"


def test_what_is_timed_may_want_credentials_and_must_answer_as_declared(embedded_database: Database):
    with serving() as url:
        key = {"Authorization": "Bearer k3y-of-a-test"}

        def declare(path: str, **more):
            return {"url": url, "health": None, "latency_path": f"/{path}"} | {
                f"latency_{k}": v for k, v in more.items()
            }

        declared = profile(
            services={
                "stranger": declare("guarded"),
                "known": declare("guarded", headers=key, fields={"items.0.id": 7}),
                "other-body": declare("guarded", headers=key, fields={"items.0.id": 8}),
                "page": declare("html", fields={"status": "ok"}),
                "moved": declare("redirect"),
                "meant": declare("redirect", status=302),
            },
            targets={"service_p95_ms": 10_000},
        )
        outcome = ask("performance/slow-service", embedded_database.dsn(), profile=declared)
    assert found(outcome) == {"other-body", "page", "moved"}
    assert isinstance(outcome, Examined)
    assert {o.subject for o in outcome.observations if o.ok} == {"known", "meant"}
    (stranger,) = outcome.unseen
    assert (stranger.subject, stranger.reason) == ("stranger", Reason.NO_PERMISSION)
    assert "latency_headers" in (stranger.unlock or "")
    assert "k3y-of-a-test" not in str(outcome)
    assert {"k3y-of-a-test", "Bearer k3y-of-a-test"} <= set(secrets_of(declared))


@pytest.mark.alone
@pytest.mark.parametrize("path", ["drip", "drip-headers", "endless"])
def test_no_reply_takes_longer_or_holds_more_than_it_may(path: str):
    with serving() as url:
        started = time.monotonic()
        reply = get(f"{url}/{path}", 0.6)
        assert time.monotonic() - started < 1.6
    assert reply.error in ("no whole answer in time", "the body is larger than 1,000,000 bytes")
    assert math.isinf(reply.wait.milliseconds)


def test_side_by_side_raises_what_a_piece_raised():
    with pytest.raises(ZeroDivisionError):
        side_by_side({"a": lambda: 1, "b": lambda: 1 / 0})
