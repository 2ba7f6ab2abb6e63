"""Services past their status code: who answers, what they hang on, what stands behind; TLS, TCP, gRPC; the declared probes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
from psycopg import sql

import stage
from asking import NOW, ask, found
from conftest import Database
from readiness import profile as profiles
from readiness.demo import database as demo_database
from readiness.drills import services as drill
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.facts.http import dependencies_in
from readiness.facts.probes import digest
from readiness.model import Examined, NotApplicable, Outcome, Reason, Unknown
from readiness.profile import Profile
from readiness.yamldoc import ConfigError

NOWHERE = "host=127.0.0.1 port=1"
HEALTHY, ANOTHER = "operations/unhealthy-service", "operations/service-answers-as-another"
HANGS_ON, BEHIND = "operations/unhealthy-dependency", "operations/healthy-without-database"
PLAIN, CERTIFICATE = "security/plaintext-endpoint", "security/endpoint-certificate-expiring"
REACHES, PROBES = "security/service-reaches-others", "operations/functional-probe-failing"

Answered = Callable[[str, str, Any], tuple[int, Any]]


@contextmanager
def serving(answer: Answered, context: SSLContext | None = None) -> Iterator[str]:
    """An HTTP service: (method, path with query, JSON body) -> status, JSON body."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answer(self.command, self.path, json.loads(raw) if raw else None)
            told = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_DELETE = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = stage.HttpServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def saying(body: Any) -> Answered:
    return lambda _method, _path, _body: (200, body)


def services(**declared: Mapping[str, Any]) -> Profile:
    return Profile.model_validate_json(json.dumps({"name": "p", "services": declared}))


def of(outcome: Outcome, subject: str) -> Mapping[str, Any]:
    assert isinstance(outcome, Examined), outcome
    return next(o.evidence for o in outcome.observations if o.subject == subject)


# -- health ----------------------------------------------------------------------------------------------------

BODIES = {
    "spring": ({"status": "UP", "components": {"db": {"status": "UP"}, "mq": {"status": "DOWN"}}}, {"mq"}),
    "microprofile": (
        {"status": "UP", "checks": [{"name": "db", "status": "UP"}, {"name": "s3", "status": "DOWN"}]},
        {"s3"},
    ),
    "health+json": ({"status": "pass", "checks": {"pg:time": [{"status": "pass"}, {"status": "fail"}]}}, {"pg:time"}),
    "terminus": ({"status": "ok", "info": {"db": {"status": "up"}}, "error": {"redis": {"status": "down"}}}, {"redis"}),
    "plain": ({"status": "ok", "dependencies": {"postgres": "connected", "redis": "disconnected"}}, {"redis"}),
    "booleans": ({"status": "ok", "services": {"a": True, "b": False}}, {"b"}),
}


@pytest.mark.parametrize("form", BODIES)
def test_what_it_hangs_on_in_each_form(form: str):
    body, down = BODIES[form]
    told = dependencies_in(body)
    assert {name for name, well in told.items() if not well} == down
    assert len(told) > len(down) or form == "health+json"


@pytest.mark.parametrize("section", [None, 7, "x", [1, "x", []], {"version": "1.2", "db": {"latency": 3}, "q": []}])
def test_what_says_neither_is_left_out(section: Any):
    assert dependencies_in({"status": "ok", "checks": section}) == {}


def test_a_dependency_that_is_down_behind_a_healthy_status():
    with serving(saying(BODIES["spring"][0])) as bad, serving(saying({"status": "ok"})) as none:
        declared = services(a={"url": bad}, b={"url": none}, gone={"url": f"http://127.0.0.1:{stage.free_port()}"})
        outcome = ask(HANGS_ON, NOWHERE, profile=declared)
        assert found(outcome) == {"a"}
        assert of(outcome, "a")["down"] == "mq"
        assert of(outcome, "a")["calls_itself_healthy"] is True
        assert isinstance(outcome, Examined)
        assert [u.subject for u in outcome.unseen] == ["gone"]
        assert isinstance(ask(HANGS_ON, NOWHERE, profile=services(b={"url": none})), NotApplicable)


def test_what_else_the_body_must_say():
    body = {"status": "ok", "database": {"connected": True, "pool": 1}, "checks": [{"n": 0}], "version": "3.1"}
    with serving(saying(body)) as url:
        for fields, healthy in (
            ({"database.connected": True, "checks.0.n": 0}, True),
            ({"database.connected": 1}, False),  # true is not 1
            ({"database.pool": True}, False),
            ({"checks.1.n": 0}, False),
            ({"database.gone": None}, False),
        ):
            outcome = ask(HEALTHY, NOWHERE, profile=services(a={"url": url, "health": {"fields": fields}}))
            assert (found(outcome) == set()) is healthy, fields
            assert of(outcome, "a")["version"] == "3.1"


def test_a_neighbour_that_answers():
    with (
        serving(saying({"status": "ok", "service": "project-service"})) as project,
        serving(saying({"status": "ok", "name": "Roadmaps"})) as own,
        serving(saying({"status": "ok"})) as silent,
    ):
        both = services(project={"url": project}, learning={"url": project.replace("127.0.0.1", "localhost")})
        assert found(ask(ANOTHER, NOWHERE, profile=both)) == {"learning"}
        assert found(ask("operations/port-conflict", NOWHERE, profile=both)) == {"project", "learning"}
        assert found(ask(HEALTHY, NOWHERE, profile=both)) == {"learning"}, "the neighbour is healthy, it isn't up"
        named = services(learning={"url": own})
        assert found(ask(ANOTHER, NOWHERE, profile=named)) == set(), "a name of its own, which nobody else bears"
        assert found(ask(HEALTHY, NOWHERE, profile=named)) == set()
        for name, wrong in (("roadmaps", set()), ("learning", {"learning"})):
            declared = services(learning={"url": own, "health": {"name": name}})
            assert found(ask(ANOTHER, NOWHERE, profile=declared)) == wrong
        nameless = ask(ANOTHER, NOWHERE, profile=services(a={"url": silent}))
        assert isinstance(nameless, Unknown)
        assert nameless.unlock == 'let it say `"service": "a"`'


def test_tcp():
    with stage.server(stage.silent) as port:
        gone = stage.free_port()
        declared = services(a={"url": f"tcp://127.0.0.1:{port}"}, b={"url": f"tcp://127.0.0.1:{gone}"})
        outcome = ask(HEALTHY, NOWHERE, profile=declared)
        assert found(outcome) == {"b"}
        assert of(outcome, "b")["says"] == "connection refused"
        assert isinstance(ask("performance/slow-service", NOWHERE, profile=declared), NotApplicable)


@pytest.mark.parametrize("url", ["tcp://host", "grpc://host", "ftp://host:1", "tcp://:1"])
def test_addresses_that_lead_nowhere(url: str):
    with pytest.raises(ValueError, match="expected http://host:port"):
        services(a={"url": url})


def test_grpc(monkeypatch: pytest.MonkeyPatch):
    words = {b"": b"\x08\x01", b"\x0a\x03sub": b"\x08\x02"}

    def check(asked: bytes, context: grpc.ServicerContext) -> bytes:
        if asked not in words:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return words[asked]

    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    url = f"grpc://127.0.0.1:{port}"
    try:
        declared = services(
            a={"url": url},
            b={"url": url, "health": {"grpc_service": "sub"}},
            c={"url": url, "health": {"grpc_service": "gone"}},
            d={"url": f"grpc://127.0.0.1:{stage.free_port()}"},
        )
        outcome = ask(HEALTHY, NOWHERE, profile=declared)
        assert found(outcome) == {"b", "c", "d"}
        assert [of(outcome, s)["says"] for s in "abc"] == [
            "status is SERVING",
            "status is NOT_SERVING",
            "status is SERVICE_UNKNOWN",
        ]
    finally:
        server.stop(None)
    monkeypatch.setitem(sys.modules, "grpc", None)
    without = ask(HEALTHY, NOWHERE, profile=services(a={"url": url}))
    assert isinstance(without, Unknown)
    assert without.unlock == "pip install 'readiness[grpc]'"


# -- behind it -------------------------------------------------------------------------------------------------


def test_healthy_with_nothing_behind_it(embedded_database: Database):
    """Four services that call themselves healthy: one holds a session, one opens one for each request, two have none."""
    names = ["holds", "asks", "empty", "gone"]
    roles = {n: f"{embedded_database.name}_{n}" for n in names[:3]} | {"gone": "no_such_role"}
    embedded_database.run("create extension pg_stat_statements")
    for role in list(roles.values())[:3]:
        embedded_database.run(f"create role {role} login password 'x'")
        embedded_database.made_roles.append(role)

    def asks(_method: str, _path: str, _body: Any) -> tuple[int, Any]:
        with embedded_database.connect(user=roles["asks"], password="x") as session:
            session.execute("select 1")
        return 200, {"status": "ok"}

    with (
        serving(saying({"status": "ok"})) as idle,
        serving(asks) as busy,
        serving(lambda *_: (503, {"status": "down"})) as down,
        embedded_database.connect(user=roles["holds"], password="x"),
    ):
        declared = services(**{n: {"url": busy if n == "asks" else idle, "role": roles[n]} for n in names})
        outcome = ask(BEHIND, embedded_database.dsn(), profile=declared)
        assert found(outcome) == {"empty", "gone"}
        assert of(outcome, "asks")["statements_meanwhile"] >= 1
        assert of(outcome, "holds")["sessions"] == 1
        honest = services(empty={"url": down, "role": roles["empty"]})
        assert found(ask(BEHIND, embedded_database.dsn(), profile=honest)) == set(), "it says so itself"
        bare = ask(BEHIND, embedded_database.bare_dsn(), profile=services(e={"url": idle, "role": roles["empty"]}))
        assert isinstance(bare, Unknown)
        assert bare.reason is Reason.INSUFFICIENT_SAMPLES
        shared = services(a={"url": idle, "role": roles["empty"]}, b={"url": idle, "role": roles["empty"]})
        assert isinstance(ask(BEHIND, embedded_database.dsn(), profile=shared), Unknown)


def test_service_reaches_others(database: Database):
    role = f"{database.name}_svc"
    database.run(f"create role {role} login; create role {role}_group; grant {role}_group to {role}")
    database.made_roles += [role, f"{role}_group"]
    database.run(
        'create schema auth; create schema shop; create table auth.users (id int); create table shop."Odd T" (id int);'
        "create table public.waiting (id int); create table public.nobodys (id int);"
        f"grant usage on schema auth, shop to {role}; grant select, insert on auth.users, public.nobodys to {role};"
        f'grant select on shop."Odd T" to {role}'
    )
    declared = services(
        auth={"role": role, "schemas": ["auth"]},
        shop={"role": None, "schemas": ["shop"], "tables": ["public.waiting"]},
        gone={"role": "no_such_role", "schemas": ["gone"]},
    )
    assert found(ask(REACHES, database.dsn(), profile=declared)) == set(), "to read is no finding, nor what nobody owns"
    database.run(f'grant delete on shop."Odd T" to {role}; grant truncate on public.waiting to {role}')
    outcome = ask(REACHES, database.dsn(), profile=declared)
    assert found(outcome) == {"auth"} == found(ask(REACHES, database.bare_dsn(), profile=declared))
    assert of(outcome, "auth")["tables"] == ["public.waiting", 'shop."Odd T"']
    assert isinstance(outcome, Examined)
    database.run(outcome.findings[0].remedy or "")
    assert found(ask(REACHES, database.dsn(), profile=declared)) == set()
    database.run(f'grant update on shop."Odd T" to {role}_group')
    through = ask(REACHES, database.dsn(), profile=declared)
    assert found(through) == {"auth"}
    assert isinstance(through, Examined)
    assert through.findings[0].remedy is None, "what comes through a group can't be taken from the role"


# -- TLS -------------------------------------------------------------------------------------------------------


def certificate(folder: Path, days: int) -> SSLContext:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=elsewhere"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt"),
        ],
        check=True,
        capture_output=True,
    )
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


def test_addresses_in_the_clear():
    declared = Profile.model_validate(
        {
            "name": "p",
            "services": {
                "here": {"url": "http://127.0.0.1:1"},
                "there": {"url": "http://10.255.255.1:80"},
                "raw": {"url": "tcp://db.invalid:1"},
                "named": {"url": "http://localhost:1"},
            },
            "stores": {
                "cache": {"kind": "redis", "url": "redis://:pw@10.255.255.1:6379"},
                "s": {"kind": "s3", "url": "http://[::1]:9"},
                "aws": {"kind": "s3", "region": "nowhere-1"},
            },
        }
    )
    outcome = ask(PLAIN, NOWHERE, profile=declared)
    assert found(outcome) == {"there", "raw", "cache"}
    assert of(outcome, "cache")["url"] == "redis://10.255.255.1:6379"
    assert isinstance(ask(PLAIN, NOWHERE, profile=Profile(name="p")), Unknown)
    for check in (PLAIN, CERTIFICATE):
        assert isinstance(ask(check, NOWHERE, profile=services(a={"url": "tcp://h:1"})), Examined | NotApplicable)


def test_certificates_of_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with serving(saying({"status": "ok"}), certificate(tmp_path, 60)) as url:
        declared = services(a={"url": url}, gone={"url": f"https://127.0.0.1:{stage.free_port()}"})
        refused = ask(CERTIFICATE, NOWHERE, profile=declared)
        assert found(refused) == {"a"}
        assert "self-signed" in str(of(refused, "a")["refused"])
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt"))
        trusted = ask(CERTIFICATE, NOWHERE, profile=services(a={"url": url}))
        assert found(trusted) == set()
        assert 58 < of(trusted, "a")["days_left"] <= 60
        assert found(ask(CERTIFICATE, NOWHERE, profile=services(a={"url": url}), parameters={"days": 90})) == {"a"}
        assert found(ask(HEALTHY, NOWHERE, profile=services(a={"url": url}))) == set()
        other = services(a={"url": url.replace("127.0.0.1", "localhost")})
        assert "mismatch" in str(of(ask(CERTIFICATE, NOWHERE, profile=other), "a")["refused"])


# -- the declared probes ---------------------------------------------------------------------------------------

SHOP: dict[str, Any] = {
    "service": "shop",
    "variables": {"key": "of-a-test"},
    "steps": [
        {
            "request": "POST /items?by={run}",
            "body": {"name": "{run}", "price": 3},
            "status": 201,
            "capture": {"item": "id"},
        },
        {"request": "GET /items/{item}", "fields": {"id": "{item}", "name": "{run}"}, "present": ["price"]},
        {"request": "GET /items", "query": {"key": "{key}"}, "fields": {"items.0.name": "{run}"}},
    ],
    "cleanup": [{"request": "DELETE /items/{item}", "status": 204}],
}


class Shop:
    """A service with a memory, and ways to be broken."""

    def __init__(self) -> None:
        self.items: dict[int, dict[str, Any]] = {}
        self.broken = ""
        self.asked: list[str] = []

    def __call__(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        parts = urlsplit(path)
        if parts.path == "/health":
            return 200, {"status": "ok"}
        if method == "POST":
            if self.broken == "post":
                return 500, {"error": "relation does not exist"}
            number = len(self.items) + 7
            self.items[number] = {"id": number, **body}
            return 201, {"id": number}
        if parts.path == "/items":
            assert parse_qs(parts.query)["key"] == ["of-a-test"]
            return 200, {"items": [*self.items.values()]}
        number = int(parts.path.rpartition("/")[2])
        if method == "DELETE":
            return (500, {}) if self.broken == "delete" else (204, self.items.pop(number) and b"")
        return 200, self.items[number] | ({"name": "another"} if self.broken == "get" else {})


def shop_profile(url: str, **probe: Any) -> Profile:
    return Profile.model_validate_json(
        json.dumps({"name": "p", "services": {"shop": {"url": url}}, "probes": {"crud": SHOP | probe}})
    )


def test_a_probe_goes_its_way_and_cleans_up():
    shop = Shop()
    with serving(shop) as url:
        probe = shop_profile(url).probes["crud"]
        tried = drill.send(probe, {"shop": url}, run="probe1", seconds=5)
        assert (tried.steps, tried.failure) == (3, None)
        assert shop.asked[0] == "POST /items?by=probe1"
        assert shop.items == {}, "cleaned up"
        for broken, failure, steps, sent in (
            ("post", "POST /items?by={run}: HTTP 500, expected 201", 0, 1),
            ("get", "GET /items/{item}: name is not as declared", 1, 3),
            ("delete", "clean-up: DELETE /items/{item}: HTTP 500, expected 204", 3, 4),
        ):
            shop.broken, shop.asked, shop.items = broken, [], {}
            tried = drill.send(probe, {"shop": url}, run="probe2", seconds=5)
            assert (tried.failure, tried.steps, len(shop.asked)) == (failure, steps, sent)
    assert (
        drill.send(probe, {"shop": url}, run="probe3", seconds=1).failure == "POST /items?by={run}: connection refused"
    )


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ({"steps": [{"request": "GET /{gone}"}]}, "{gone} is neither a variable nor captured"),
        ({"steps": [{"request": "FETCH /"}]}, "should match pattern"),
        ({"steps": []}, "at least 1 item"),
        ({"cleanup": [{"request": "GET /", "service": "other"}]}, "no service with an http address is named 'other'"),
        ({"service": "other"}, "no service with an http address is named 'other'"),
    ],
)
def test_probes_that_make_no_sense(probe: dict[str, Any], said: str):
    with pytest.raises((ValueError, ConfigError), match=said):
        shop_profile("http://h", **probe)


def record(profile: Profile, failure: str | None = None, **own: Any) -> DrillRecords:
    sent = [f"{n} {digest(p, profile)} 3" for n, p in profile.probes.items()]
    failures = [f"{n}: {failure}" for n in profile.probes if failure]
    one = {
        "id": "services-1",
        "kind": "services",
        "target": "p",
        "system_identifier": None,
        "taken_at": NOW - timedelta(days=1),
        "expires_at": NOW + timedelta(days=30),
        "passed": failure is None,
        "evidence": {"sent": sent, "failures": failures},
    }
    return DrillRecords(records=(DrillRecord(**(one | own)),), now=NOW)


def test_what_the_drill_proved_counts_until_it_ends_or_is_declared_anew():
    profile = shop_profile("http://h")
    assert found(ask(PROBES, NOWHERE, profile=profile, drills=record(profile))) == set()
    failed = ask(PROBES, NOWHERE, profile=profile, drills=record(profile, "GET /: HTTP 500, expected 200"))
    assert found(failed) == {"shop"}
    assert of(failed, "shop")["failures"] == ["crud: GET /: HTTP 500, expected 200"]
    for drills, reason in (
        (None, Reason.NO_ATTESTATION),
        (record(profile, expires_at=NOW), Reason.STALE),
        (record(shop_profile("http://elsewhere")), Reason.STALE),
        (record(profile, evidence={}), Reason.STALE),
    ):
        outcome = ask(PROBES, NOWHERE, profile=profile, drills=drills)
        assert isinstance(outcome, Unknown)
        assert (outcome.reason, outcome.unlock) == (reason, "readiness drill services --yes")
    undeclared = ask(PROBES, NOWHERE, profile=services())
    assert isinstance(undeclared, Unknown)
    assert undeclared.reason is Reason.NOT_CONFIGURED


def test_the_command(tmp_path: Path):
    shop = Shop()
    with serving(shop) as url:
        told = {"name": "p", "services": {"shop": {"url": url}}, "probes": {"crud": SHOP}}
        (tmp_path / "readiness.yaml").write_text(json.dumps(told))
        env = stage.environment(tmp_path)
        database = ("--database", NOWHERE)
        listed = stage.run("drill", "services", *database, env=env, cwd=tmp_path)
        assert listed.code == 2
        assert "nothing was sent" in listed.err
        assert f"DELETE {url}/items/{{item}}" in listed.out
        assert not shop.asked
        done = stage.run("drill", "services", "--yes", *database, env=env, cwd=tmp_path)
        assert (done.code, "3 steps as declared" in done.out, "kept as services-" in done.out) == (0, True, True)
        shop.broken = "get"
        failed = stage.run("drill", "services", "--yes", "-f", "json", *database, env=env, cwd=tmp_path)
        assert failed.code == 1
        assert failed.document["failures"] == ["crud: GET /items/{item}: name is not as declared"]
        assert "of-a-test" not in done.said + failed.said + listed.said
        scored = stage.run("score", "--only", PROBES, "-f", "json", *database, env=env, cwd=tmp_path)
        (check,) = [c for c in scored.document["checks"] if c["id"] == PROBES]
        assert check["status"] == "fail", check["detail"]
        (tmp_path / "readiness.yaml").write_text("name: p\n")
        none = stage.run("drill", "services", "--yes", env=env, cwd=tmp_path)
        assert (none.code, "declares no probes" in none.err) == (2, True)


@pytest.mark.parametrize(
    ("state", "failures"),
    [
        ("after", {}),
        (
            "before",
            {
                # Who signs up is in the first table of users, and is looked for in the second one.
                "auth-endpoints": "POST /login: HTTP 401, expected 200",
                # Nothing cascades, so that a project that has a task can't be deleted.
                "project-crud": "DELETE /project: HTTP 503, expected 200",
            },
        ),
    ],
)
def test_the_sample_platforms_probes(state: str, failures: dict[str, str], embedded_database: Database, tmp_path: Path):
    """Its services as processes, on the schema alone: its rows are no part of this."""
    if state == "before":
        embedded_database.run((demo_database.SQL / "before.sql").read_text())
    else:
        with embedded_database.connect() as admin:
            demo_database.migrate(admin, demo_database.read_migrations(demo_database.SQL / "migrations"))
    shipped = profiles.load_shipped("devmentor", {}).profile
    with ExitStack() as stack:
        urls = {}
        for name in ("auth", "project"):
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            urls[name] = f"http://127.0.0.1:{listening.getsockname()[1]}"
            process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "readiness.demo.service", "--service", name, "--state", state),
                    *("--fd", str(listening.fileno()), "--parent", str(os.getpid()), "--folder", str(tmp_path)),
                ],
                pass_fds=[listening.fileno()],
                env=dict(os.environ) | {"DATABASE_URL": embedded_database.dsn()},
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        found = {
            name: drill.send(probe, urls, run=f"probe{number}", seconds=20)
            for number, (name, probe) in enumerate(shipped.probes.items())
        }
        assert {name: tried.failure for name, tried in found.items() if tried.failure} == failures
    with embedded_database.connect() as admin:
        table = "public.users" if state == "before" else "auth.users"
        left = admin.execute(f"select count(*) from {table} where username ~ '^probe'".encode()).fetchone()
        for (role,) in admin.execute("select rolname from pg_roles where rolname ~ '_service$|^devmentor'").fetchall():
            admin.execute(sql.SQL("drop owned by {0} cascade; drop role {0}").format(sql.Identifier(role)))
    assert left == ((1,) if failures else (0,)), "before, whose project can't be deleted can't leave either"


# -- what it keeps in memory -----------------------------------------------------------------------------------

MEMORY = "operations/memory-store-in-source"
KEPT = {
    "a.js": ("const sessions = new Map();\napp.post('/login', (q) => {\n  sessions.set(q.id, q);\n});", 3),
    "b.ts": ("export const all: Item[] = [];\n\nexport function add(i: Item) { all.push(i); }", 3),
    "c.ts": (
        "class Store {\n  private items = new Map<string, X>();\n  put(k: string) { this.items.set(k, 1); }\n}",
        3,
    ),
    "d.mjs": ("let byId = {};\nfunction put(x) {\n byId[x.id] = x;\n}", 3),
    "e.js": ("class S { items = new Set(); add(x) {\n this.items.add(x); } }", 2),
    "f.py": ("answers: dict[str, str] = {}\n\ndef answer(q):\n    answers[q] = ask(q)\n", 4),
    "g.py": (
        "from collections import defaultdict\nseen = defaultdict(list)\ndef see(k, v):\n    seen[k].append(v)\n    seen.update({})\n",
        5,
    ),
}
NOT_KEPT = {
    "filled as it loads": (
        "a.js",
        "const m = new Map();\nfor (const x of all) m.set(x, 1);\nfunction f(x) { return m.get(x); }",
    ),
    "a constant": ("b.ts", "const routes = { a: 1 };\nexport function f(k) { return routes[k]; }"),
    "of one request": (
        "c.js",
        "function f(rows) { const m = new Map(); rows.forEach((r) => m.set(r.id, r)); return m; }",
    ),
    "another's": ("d.js", "import { redis } from './r';\nasync function f(k) { await redis.set(k, 1); }"),
    "of one call": (
        "e.py",
        "def f(rows):\n    found = {}\n    for r in rows:\n        found[r.id] = r\n    return found\n",
    ),
    "a constant of Python": ("f.py", "KINDS = {'a': 1}\ndef f(k):\n    x = KINDS[k]\n    return x\n"),
}


def in_memory(folder: Path, name: str, code: str, **own: Any) -> Outcome:
    (folder / "src").mkdir()
    (folder / "src" / name).write_text(code)
    service = {"sources": ["src"], "keeps_memory": False} | own
    return ask(MEMORY, NOWHERE, profile=services(a=service), folder=folder)


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_in_memory_is_told_with_its_place(name: str, tmp_path: Path):
    code, line = KEPT[name]
    outcome = in_memory(tmp_path, name, code)
    assert found(outcome) == {"a"}
    assert (of(outcome, "a")["file"], of(outcome, "a")["line"]) == (f"src/{name}", line)


@pytest.mark.parametrize("what", NOT_KEPT)
def test_what_is_not_kept_is_no_finding(what: str, tmp_path: Path):
    assert found(in_memory(tmp_path, *NOT_KEPT[what])) == set()


def test_memory_of_other_languages_or_undeclared_is_unknown(tmp_path: Path):
    outcome = in_memory(tmp_path, "a.go", 'package main\nvar m = map[string]int{}\nfunc f() { m["a"] = 1 }')
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.UNSUPPORTED
    silent = ask(MEMORY, NOWHERE, profile=services(a={"sources": ["src"]}), folder=tmp_path)
    assert isinstance(silent, Unknown)
    assert "keeps_memory: false" in (silent.unlock or "")
    meant = ask(MEMORY, NOWHERE, profile=services(a={"sources": ["src"], "keeps_memory": True}), folder=tmp_path)
    assert found(meant) == set()


def test_the_sample_gateways_dictionary():
    shipped = profiles.load_shipped("devmentor", {}).profile
    sources = Path(demo_database.__file__).parent / "sources"
    assert found(ask(MEMORY, NOWHERE, profile=shipped, folder=sources / "before")) == {"ai-gateway"}
    assert found(ask(MEMORY, NOWHERE, profile=shipped, folder=sources / "after")) == set()
