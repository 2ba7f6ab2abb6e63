"""Services that count their callers' waits themselves, and roles whose calls pg_stat_statements counted."""

from __future__ import annotations

import http.server
import math
import random
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import stage
from asking import ask, found
from conftest import Database
from readiness.authoring import Unobservable
from readiness.embedded import Workshop
from readiness.facts.monitored import edges_of
from readiness.model import Examined, Outcome, Reason, Unknown, Unseen
from readiness.profile import Profile
from readiness.quantiles import binned

EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Page(http.server.BaseHTTPRequestHandler):
    """A service's /metrics; what it says is set from outside."""

    text = ""

    def do_GET(self) -> None:
        body = type(self).text.encode()
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with serving() as where:
        yield where


@contextmanager
def serving() -> Iterator[str]:
    server = stage.HttpServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def page(waits: list[float], *, route: str = "/api", others: list[float] | None = None) -> str:
    """A histogram in the text exposition format, beside one of another route and a counter."""
    lines = ['# HELP http_seconds What a "request" took.', "# TYPE http_seconds histogram"]
    for name, series in ((route, waits), ("/health", others or [])):
        for edge in (*EDGES, math.inf):
            le = "+Inf" if edge == math.inf else f"{edge}"
            n = sum(w <= edge for w in series)
            lines.append(f'http_seconds_bucket{{route="{name}",says="a \\"}} b",le="{le}"}} {n}')
        lines.append(f'http_seconds_count{{route="{name}"}} {len(series)}')
    return "\n".join([*lines, 'http_requests_total{route="/api"} 1e+06', ""])


def declared(url: str, *, target: float, **histogram: Any) -> Profile:
    service = {"url": url, "histogram": {"metric": "http_seconds", "labels": {"route": "/api"}, **histogram}}
    return Profile.model_validate({"name": "t", "targets": {"service_p95_ms": target}, "services": {"api": service}})


def only(outcome: Outcome) -> Unseen:
    assert isinstance(outcome, Unknown | Examined)
    (one,) = outcome.unseen
    return one


def evidence(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Examined), outcome
    (one,) = outcome.observations
    return dict(one.evidence)


WAITS = [0.004] * 900 + [0.03] * 80 + [0.2] * 20  # P95: 0.03, in the bucket from 25 to 50 ms
CHECK = "performance/slow-service"


def test_a_services_own_histogram_proves_either_or_neither(url: str, embedded_database: Database):
    Page.text = page(WAITS, others=[0.9] * 5000)
    dsn = embedded_database.dsn()
    fine = ask(CHECK, dsn, profile=declared(url, target=50))
    assert found(fine) == set()
    told = evidence(fine)
    assert (told["lower"], told["upper"], told["samples"]) == (25, 50, 1000)
    assert 25 < told["value"] < 50
    assert (
        told["source"]
        == "the service's own http_seconds, since it began: 1,000 requests; within the buckets 25 to 50 ms, interpolated"
    )
    assert found(ask(CHECK, dsn, profile=declared(url, target=25))) == {"api"}
    between = only(ask(CHECK, dsn, profile=declared(url, target=40)))
    assert between.reason is Reason.INSUFFICIENT_SAMPLES
    assert "in the buckets from 25 to 50 ms" in between.detail
    assert between.unlock == "give the histogram an edge at 40 ms, or let it collect more requests"
    Page.text = page([0.004] * 20)  # too few for any upper bound
    assert "to infinity ms" in only(ask(CHECK, dsn, profile=declared(url, target=50))).detail


def test_what_is_no_histogram_is_unknown(url: str, embedded_database: Database):
    dsn = embedded_database.dsn()
    for text, histogram, reason in (
        (page([]), {}, Reason.INSUFFICIENT_SAMPLES),
        (page(WAITS), {"labels": {"route": "/none"}}, Reason.NOT_CONFIGURED),
        (page(WAITS), {"metric": "http_requests_total"}, Reason.NOT_CONFIGURED),
        (page(WAITS), {"path": "/nowhere"}, Reason.UNREACHABLE),
        ("<html>", {}, Reason.NOT_CONFIGURED),
        ("not json", {"prometheus": url}, Reason.UNREACHABLE),
    ):
        Page.text = text
        assert only(ask(CHECK, dsn, profile=declared(url, target=50, **histogram))).reason is reason


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Prometheus is not installed (apt-get install prometheus)"
)
def test_a_real_prometheus(url: str, embedded_database: Database):
    program = shutil.which("prometheus")
    assert program is not None
    Page.text = page([])
    with Workshop("test") as workshop:
        port = workshop.port()
        told = workshop.folder / "prometheus.yml"
        told.write_text(
            "scrape_configs: [{job_name: t, scrape_interval: 200ms, scrape_timeout: 200ms, "
            f"static_configs: [{{targets: ['{url.removeprefix('http://')}']}}]}}]"
        )
        where = f"http://127.0.0.1:{port}"
        workshop.start(
            [
                *(program, f"--config.file={told}", f"--web.listen-address=127.0.0.1:{port}"),
                *(f"--storage.tsdb.path={workshop.folder / 'data'}", "--log.level=error"),
            ],
            cwd=workshop.folder,
        )
        profile = declared(url, target=50, prometheus=where, window="1m")
        dsn = embedded_database.dsn()

        def counted() -> Outcome | None:
            outcome = ask(CHECK, dsn, profile=profile)
            known = isinstance(outcome, Examined) or only(outcome).reason is Reason.INSUFFICIENT_SAMPLES
            return outcome if known else None

        assert stage.eventually(counted, 30)  # it scraped the empty histogram
        Page.text = page(WAITS * 10, others=[0.9] * 5000)
        outcome = stage.eventually(lambda: o if isinstance(o := counted(), Examined) else None, 30)
        assert found(outcome) == set()
        told_ = evidence(outcome)
        assert (told_["lower"], told_["upper"]) == (25, 50)
        assert told_["source"].startswith("Prometheus, http_seconds over 1m: ")
        missed = declared(url, target=25, prometheus=where, window="1m")
        assert found(ask(CHECK, dsn, profile=missed)) == {"api"}


def test_bounds_of_a_histogram_hold_the_truth():
    """2,000 seeded samples of several shapes: the bounds hold the true P95 in at least 95 % of them."""
    chance = random.Random(20261125)
    shapes = (
        lambda: chance.expovariate(1 / 30),
        lambda: chance.gauss(150, 5) if chance.random() < 0.08 else chance.gauss(4, 0.1),
        lambda: chance.random() * 100,
        lambda: chance.paretovariate(1.1),
    )
    edges = (*(e * 1000 for e in EDGES), math.inf)
    for shape in shapes:
        population = sorted(shape() for _ in range(100_000))
        truth = population[94_999]
        missed = 0
        for _ in range(500):
            counts = [0] * len(edges)
            for wait in chance.choices(population, k=100):
                counts[next(at for at, edge in enumerate(edges) if wait <= edge)] += 1
            q = binned(edges, counts)
            missed += not q.lower < truth <= q.upper
        assert missed <= 25, missed


def test_a_histogram_of_many_has_ranks_like_one_of_few():
    edges, counts = (1.0, 2.0, 3.0, math.inf), (900_000, 49_000, 2_000, 49_000)
    q = binned(edges, counts)
    assert (q.lower, q.upper) == (2.0, 3.0)
    assert 2.0 < q.point < 3.0
    assert binned(edges, (18_000, 980, 40, 980)).upper == math.inf
    assert math.isinf(binned(edges, (0, 0, 0, 10)).point)


# -- by role, from pg_stat_statements -----------------------------------------------------------------------------


def test_a_roles_calls_prove_either_or_neither(database: Database):
    role = database.bare_role
    profile = Profile.model_validate({"name": "t", "services": {"api": {"role": role}}})

    def at(target: float) -> Outcome:
        targets = profile.targets.model_copy(update={"query_p95_ms": target})
        return ask("performance/slow-role", database.dsn(), profile=profile.model_copy(update={"targets": targets}))

    database.run("create extension pg_stat_statements")
    with database.connect() as admin, database.connect(user=role, password="bare-role-of-a-test") as client:
        admin.execute("select pg_stat_statements_reset()")
        few = only(at(100))
        assert (few.reason, few.subject) == (Reason.INSUFFICIENT_SAMPLES, "api")
        for _ in range(90):
            client.execute("select pg_sleep(0.003)")
        for _ in range(10):
            client.execute("select pg_sleep(0.06)")
        # The truth by the server's own figures: a percentile of these hundred calls lies within the limits.
        fine = at(10_000)
        assert found(fine) == set()
        told = evidence(fine)
        assert told["calls"] == 100
        assert told["p95_at_least_ms"] < 60 < told["p95_at_most_ms"] <= told["slowest_ms"] + 0.001
        mean, square = admin.execute(
            "select sum(total_exec_time) / sum(calls), sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)) / sum(calls) "
            "from pg_stat_statements as s inner join pg_roles as r on s.userid = r.oid where r.rolname = %s",
            [role],
        ).fetchone() or (0, 0)
        assert told["mean_ms"] == pytest.approx(mean, abs=0.01)
        assert told["deviation_ms"] == pytest.approx(math.sqrt(square - mean**2), abs=0.01)
        assert found(at(1)) == {"api"}
        between = only(at(50))
        assert "by mean and deviation alone" in between.detail
    bare = ask("performance/slow-role", database.bare_dsn(), profile=profile)
    assert isinstance(bare, Unknown)
    assert bare.reason is Reason.NO_PERMISSION


# -- by role, from pg_stat_monitor ---------------------------------------------------------------------------------

# A stand-in by the form of its view and of its edges, as 2.4.0 has them: the extension is in no package here.
MONITOR = """
create table counted (
    of oid, toplevel bool default true, elevel int default 0, username text,
    bucket_start_time timestamptz default now() - interval '150 s', resp_calls text[]
);
create view pg_stat_monitor as
select c.*, coalesce(c.of, d.oid) as dbid from counted as c inner join pg_database as d on d.datname = current_database();
grant select on pg_stat_monitor to public;
create function get_histogram_timings() returns text language sql as
$$select '{{0.000 - 1.000}, (1.000 - 10.000}, (10.000 - 100.000}, (100.000 - ...}}'$$;
"""


@pytest.fixture
def monitored(embedded_database: Database) -> Database:
    path = embedded_database.cluster.workshop.folder / "share"
    folder = path / "extension"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pg_stat_monitor.control").write_text("default_version = '2.4'\nrelocatable = true\n")
    (folder / "pg_stat_monitor--2.4.sql").write_text(MONITOR)
    for place in (path, folder, *folder.iterdir()):
        embedded_database.cluster.give(place)
    with embedded_database.connect() as admin:
        admin.execute(f"set extension_control_path = '$system:{path}'")
        admin.execute('create schema "Odd ""Monitor"')
        admin.execute('create extension pg_stat_monitor schema "Odd ""Monitor"')
        admin.execute("create extension pg_stat_statements")
        admin.execute("select pg_stat_statements_reset()")
    return embedded_database


def test_a_roles_calls_of_the_last_minutes_by_bucket(monitored: Database):
    role = monitored.bare_role
    profile = Profile.model_validate({"name": "t", "services": {"api": {"role": role}}})

    def at(target: float) -> Outcome:
        targets = profile.targets.model_copy(update={"query_p95_ms": target})
        return ask("performance/slow-role", monitored.dsn(), profile=profile.model_copy(update={"targets": targets}))

    def counts(*calls: int, **other: object) -> None:
        named = "".join(f", {name}" for name in other)
        with monitored.connect() as admin:
            admin.execute(
                f'insert into "Odd ""Monitor".counted (username, resp_calls{named}) values (%s, %s{", %s" * len(other)})',
                [role, [str(n) for n in calls], *other.values()],
            )

    assert only(at(100)).reason is Reason.INSUFFICIENT_SAMPLES
    counts(500, 490, 0, 0)
    counts(0, 0, 5000, 0, toplevel=False)
    counts(0, 0, 0, 5000, elevel=21)  # they failed
    counts(0, 0, 0, 5000, of=1)
    fine = at(10)
    assert found(fine) == set()
    told = evidence(fine)
    assert (told["lately_at_least_ms"], told["lately_at_most_ms"], told["lately_calls"]) == (1, 10, 990)
    assert re.match(r"pg_stat_monitor, the last 15\d s", str(told["lately_source"]))
    assert found(at(1)) == {"api"}
    between = only(at(5))
    assert "P95 lies between 1 and 10 ms by pg_stat_monitor" in between.detail
    assert between.evidence["lately_calls"] == 990
    counts(0, 0, 0, 9)
    assert found(at(10)) == set()
    counts(0, 0, 0, 200)
    assert found(at(99)) == {"api"}
    assert found(at(100)) == {"api"}
    assert "between 100 and inf ms" in only(at(101)).detail


def test_a_miss_by_the_long_count_is_not_outweighed_by_the_last_minutes(monitored: Database):
    role = monitored.bare_role
    with monitored.connect(user=role, password="bare-role-of-a-test") as client:
        for _ in range(100):
            client.execute("select pg_sleep(0.02)")
    monitored.run(f"""
        insert into "Odd ""Monitor".counted (username, resp_calls) values ('{role}', '{{1000,0,0,0}}')
    """)
    profile = Profile.model_validate({"name": "t", "services": {"api": {"role": role}}, "targets": {"query_p95_ms": 5}})
    missed = ask("performance/slow-role", monitored.dsn(), profile=profile)
    assert found(missed) == {"api"}
    assert evidence(missed)["lately_at_most_ms"] == 1


def test_buckets_of_another_form_are_not_guessed_at(monitored: Database):
    role = monitored.bare_role
    monitored.run(f"""
        insert into "Odd ""Monitor".counted (username, resp_calls) values ('{role}', '{{100,100,100,100,100}}')
    """)
    profile = Profile.model_validate({"name": "t", "services": {"api": {"role": role}}})
    assert only(ask("performance/slow-role", monitored.dsn(), profile=profile)).reason is Reason.INSUFFICIENT_SAMPLES
    with pytest.raises(Unobservable):
        edges_of("{0 to 1}")
