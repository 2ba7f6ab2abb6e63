"""What the tests of the core share: the command line as a process, servers that misbehave, packs and policies in folders."""

from __future__ import annotations

import atexit
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any, Self

import yaml
from psycopg import errors, sql

from conftest import Database
from readiness.embedded import Cluster

EXECUTABLE = Path(sys.executable).with_name("readiness")

# -- the command line ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def document(self) -> dict[str, Any]:
        assert self.out.startswith("{"), f"no document on stdout, exit code {self.code}: {self.said}"
        found: dict[str, Any] = json.loads(self.out)
        return found


def environment(home: Path, **own: str) -> dict[str, str]:
    """A user's environment with nothing in it that leads to a database or a store."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR", "LD_LIBRARY_PATH")}
    return kept | {"HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "dumb"} | own


_WARM = """
import gc, json, os, sys
import readiness.__main__
from readiness import audit
from readiness.cli import attest, checks, compare, diff, docs, doctor, fleet, history, init, plan, profile, report, role_sql
from readiness.cli import runs, score, serve, snapshot, verify, waive
from readiness.cli.drill import alerts, audit_trail, load, restore, rls, rollback, services
from readiness.reporting import console, markdown

audit.built_in_checks()  # their modules, and their headers, which are kept
gc.freeze()  # a command looks through its own objects alone, and shares the memory of ours

def serve():
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child:
            print(child, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        os.setsid()
        for number, path in enumerate((os.devnull, job["out"], job["err"])):
            os.dup2(os.open(path, os.O_RDWR), number)
        os.chdir(job["cwd"])
        os.environ.clear()
        os.environ.update(job["env"])
        sys.argv = ["readiness", *job["arguments"]]
        return

serve()
if sys.argv[0] == "readiness":
    readiness.__main__.main()
"""


class _Warm:
    """A process that has the command line's modules and the checks loaded, and forks for each command: a second saved each time."""

    def __init__(self) -> None:
        # Unbuffered: `select` sees the pipe alone, and a quick command's number and exit code may come in one piece.
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.lock = threading.Lock()
        atexit.register(self.close)

    def close(self) -> None:
        with suppress(OSError):
            self.process.communicate(timeout=10)

    def run(self, arguments: list[str], env: Mapping[str, str], cwd: Path, seconds: float) -> Done:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.lock, tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            job = {"arguments": arguments, "env": dict(env), "cwd": str(cwd), "out": out.name, "err": err.name}
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            child = int(self.process.stdout.readline())
            hung = not select.select([self.process.stdout], [], [], seconds)[0]
            if hung:
                with suppress(ProcessLookupError):  # it ended at this very moment
                    os.killpg(child, signal.SIGKILL)
            code = int(self.process.stdout.readline())
            said = [Path(file.name).read_bytes().decode("utf-8", "backslashreplace") for file in (out, err)]
        assert not hung, f"{arguments}: no end within {seconds} s: {said}"
        return Done(code, *said)


_warm: list[_Warm] = []


def run(*arguments: str | Path, env: Mapping[str, str], cwd: Path, seconds: float = 60) -> Done:
    """A command in a process of its own, forked from one that has the modules loaded."""
    if not _warm:
        _warm.append(_Warm())
    return _warm[0].run([str(a) for a in arguments], env, cwd, seconds)


def cold(*arguments: str | Path, env: Mapping[str, str], cwd: Path, seconds: float = 60, **options: Any) -> Done:
    """A command as a shell starts it: for what the interpreter's own start decides."""
    piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    done = subprocess.run([EXECUTABLE, *arguments], env=env, cwd=cwd, timeout=seconds, check=False, **piped)
    told = [(raw or b"").decode("utf-8", "backslashreplace") for raw in (done.stdout, done.stderr)]
    return Done(done.returncode, *told)


def wrapped(wrapper: tuple[str, ...], *arguments: str | Path, env: Mapping[str, str], cwd: Path) -> Done:
    """A command started by another program."""
    done = subprocess.run(
        [*wrapper, EXECUTABLE, *arguments], env=env, cwd=cwd, timeout=60, check=False, capture_output=True
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str | Path, env: Mapping[str, str], cwd: Path, **options: Any) -> subprocess.Popen[bytes]:
    """A command that goes on while the test looks."""
    piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([EXECUTABLE, *arguments], env=env, cwd=cwd, **piped)


# -- databases -------------------------------------------------------------------------------------------------


@contextmanager
def database(cluster: Cluster) -> Iterator[Database]:
    """A database that several tests share: making one costs more than most tests."""
    made = Database(cluster, f"t_{uuid.uuid4().hex[:12]}")
    name, role = sql.Identifier(made.name), sql.Identifier(made.bare_role)
    with cluster.connect() as admin:
        admin.execute(sql.SQL("create database {} template template0").format(name))
        admin.execute(sql.SQL("create role {} login password 'bare-role-of-a-test'").format(role))
    try:
        yield made
    finally:
        with cluster.connect() as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(name))
            admin.execute(sql.SQL("drop role {}").format(role))


def reload(cluster: Cluster) -> None:
    """Have the server read its files again, and wait until it has: who connects from then on finds them in force."""
    with cluster.connect() as admin:
        before = admin.execute("select pg_conf_load_time()").fetchone()
        admin.execute("select pg_reload_conf()")
        assert eventually(lambda: admin.execute("select pg_conf_load_time()").fetchone() != before)


# -- packs and policies ----------------------------------------------------------------------------------------


def write_pack(folder: Path, files: Mapping[str, str]) -> Path:
    """A pack of checks as a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return folder


def sql_check(query: str, **header: Any) -> str:
    """The text of an SQL check."""
    fields = {
        "title": "All is well",
        "subject": "setting",
        "universe": "settings",
        "priority": "P1",
        "effort": "S",
        "credit": "ratio",
        "why": "A test asks.",
        "mend": "Mend it.",
    }
    return f"/*---\n{yaml.safe_dump(fields | header, sort_keys=False)}---*/\n{dedent(query).strip()}\n"


def python_check(body: str, *, name: str = "odd", asks: str = "server: Server", before: str = "", **form: str) -> str:
    """The text of a Python check's module."""
    fields = {"subject": '"server"', "universe": '"servers"', "priority": '"P1"', "effort": '"S"', "credit": "RATIO"}
    told = ", ".join(f"{key}={value}" for key, value in (fields | {"mend": '"Mend it."'} | form).items())
    return (
        "from __future__ import annotations\n"
        "from readiness import BINARY, RATIO, NotApplicable, Observation, Ramp, Reason, Unknown, Unobservable, Unseen, check\n"
        "from readiness.model import Count, Examined\n"
        "from readiness.facts.server import Server\n"
        f"{dedent(before)}\n"
        f"@check({told})\n"
        f"def {name}({asks}):\n"
        '    """All is well.\n\n    A test asks.\n    """\n'
        + "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    )


PLAIN = "name: plain"
"""The mission's weights and threshold, and no must-haves."""

GO = """
name: easy
threshold: 0
minimum_coverage: 0
drop: [migration, performance, security, operations]
"""
"""A policy under which whatever is measured in `schema` is GO."""


def write_policy(folder: Path, text: str = PLAIN, *, packs: tuple[str, ...] = ()) -> Path:
    """A policy's file, beside it the packs that it names."""
    path = folder / "policy.yaml"
    path.write_text(dedent(text) + (f"\npacks: [{', '.join(packs)}]\n" if packs else ""), encoding="utf-8")
    return path


# -- servers that misbehave ------------------------------------------------------------------------------------


class Proxy:
    """A TCP proxy before a server: it counts, and it can stop forwarding without closing anything."""

    def __init__(self, port: int, *, refuse_first: int = 0, refusal: bytes = b"") -> None:
        """Listen.

        Args:
            refuse_first: so many sessions get `refusal` as their only answer.
        """
        self.target = ("127.0.0.1", port)
        self.accepted = 0
        self.stalled = False
        self._refuse_first, self._refusal = refuse_first, refusal
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._sockets: list[socket.socket] = [self._listener]
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._thread.join(5)
        for open_one in self._sockets:
            open_one.close()
        self._selector.close()

    def _serve(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.02):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                if source is self._listener:
                    self._accept()
                elif not self.stalled:
                    self._pass_on(source, key.data)

    def _accept(self) -> None:
        here, _ = self._listener.accept()
        self._sockets.append(here)
        self.accepted += 1
        if self.accepted <= self._refuse_first:
            here.recv(4096)
            here.sendall(self._refusal)
            here.close()
            return
        there = socket.create_connection(self.target)
        self._sockets.append(there)
        self._selector.register(here, selectors.EVENT_READ, there)
        self._selector.register(there, selectors.EVENT_READ, here)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            data = source.recv(1 << 16)
            if data:
                sink.sendall(data)
                return
        except OSError:
            pass
        for end in (source, sink):
            with suppress(KeyError, ValueError):
                self._selector.unregister(end)
            end.close()


class HttpServer(ThreadingHTTPServer):
    """One that many may call at once: of the five that socketserver lets wait, the next waits a second for its next try."""

    request_queue_size = 128


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on a free port that treats each session alike; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended = threading.Event()
    kept: list[socket.socket] = []

    def serve() -> None:
        while not ended.is_set():
            try:
                session, _ = listener.accept()
            except TimeoutError:
                continue
            kept.append(session)
            session.settimeout(5)
            with suppress(OSError):
                answer(session)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join(10)
        for session in kept:
            session.close()
        listener.close()


def silent(_session: socket.socket) -> None:
    """Accepts, and says nothing."""


def closing(session: socket.socket) -> None:
    session.close()


def speaks_http(session: socket.socket) -> None:
    session.recv(4096)
    session.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    session.close()


def fatal(sqlstate: str, message: str) -> bytes:
    """What a Postgres server says when it turns a session away."""
    fields = b"".join(
        code + text.encode() + b"\0" for code, text in ((b"S", "FATAL"), (b"C", sqlstate), (b"M", message))
    )
    body = fields + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


def free_port() -> int:
    """A port where nobody listens, and that nobody else is given while we live; a server of ours may have it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    atexit.register(held.close)
    port: int = held.getsockname()[1]
    return port


@contextmanager
def at_work(server: Cluster | Database, name: str = "somebody") -> Iterator[None]:
    """A session of somebody else's, in the midst of a statement."""
    with server.connect(application_name=name) as connection, server.connect() as admin:

        def work() -> None:
            with suppress(errors.QueryCanceled):
                connection.execute("select pg_catalog.pg_sleep(60)")

        worker = threading.Thread(target=work)
        worker.start()
        try:
            seen = "select from pg_catalog.pg_stat_activity where state = 'active' and application_name = %s"
            assert eventually(lambda: admin.execute(seen, (name,)).fetchall())
            yield
        finally:
            connection.cancel_safe()
            worker.join()


def eventually(said: Callable[[], Any], seconds: float = 10) -> Any:
    """What is said, as soon as it is true; the last word otherwise."""
    deadline = time.monotonic() + seconds
    while not (found := said()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def answers(url: str) -> bool:
    """Whether a server there says 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


# -- a run document --------------------------------------------------------------------------------------------


def run_document(target: str = "shop", **own: Any) -> str:
    """A run as it is saved, with something in each of its parts."""
    return json.dumps(_RUN | {"target": _RUN["target"] | {"name": target}} | own)


def _check(check: str, status: str, **own: Any) -> dict[str, Any]:
    part = {
        "id": check,
        "title": f"{check} is well",
        "category": check.partition("/")[0],
        "service": None,
        "priority": "P1",
        "effort": "S",
        "status": status,
        "reason": None,
        "detail": None,
        "unlock": None,
        "credit": 1.0,
        "credit_exact": "1",
        "credit_form": "the healthy share",
        "credit_rule": {"form": "ratio"},
        "gain": 0.0,
        "gain_exact": "0",
        "points": 10.0,
        "points_exact": "10",
        "earned_exact": "10",
        "known_exact": "10",
        "weight": 2.0,
        "weight_exact": "2",
        "examined": 3,
        "healthy": 3,
        "universe": "columns",
        "evidence_kind": "measured",
        "evidence_sha256": "0" * 64,
        "expires": None,
        "duration_ms": 3.1,
        "mend": "Mend it.",
        "pack": "readiness_checks",
        "findings": [],
    }
    return part | own


def _finding(subject: str) -> dict[str, Any]:
    return {
        "subject": subject,
        "subject_kind": "column",
        "evidence": {"type": "text"},
        "remedy": None,
        "waived": False,
        "fingerprint": "f" * 32,
    }


def _waiver(check: str, expires: str) -> dict[str, Any]:
    return {"check": check, "state": "active", "note": "", "expires": expires, "days_left": 6, "entry": {}}


_RUN: dict[str, Any] = {
    "schema": "readiness.run/1",
    "id": "20261125T151947Z-0a0b0c0d",
    "tool": {"name": "readiness", "version": "0.1.0"},
    "target": {
        "name": "shop",
        "title": "The Shop",
        "server_version": "15.8",
        "database": "shop",
        "role": "auditor",
        "system_identifier": "0" * 16,
    },
    "started_at": "2026-11-25T15:19:47.5Z",
    "finished_at": "2026-11-25T15:20:00Z",
    "duration_seconds": 12.5,
    "policy": {"name": "beta", "threshold": 70, "sha256": "1" * 64},
    "checkset_sha256": "2" * 64,
    "verdict": {
        "decision": "NO-GO",
        "exit_code": 1,
        "score": 61.5,
        "ceiling": 84.2,
        "coverage": 77.3,
        "threshold": 70,
        "score_exact": "123/2",
        "ceiling_exact": "421/5",
        "coverage_exact": "773/10",
        "reasons": ["must-have L5 failed"],
        "valid_until": None,
    },
    "categories": [
        {
            "id": "schema",
            "title": "Schema Completeness",
            "weight": 30,
            "score": 66.6,
            "ceiling": 66.6,
            "coverage": 100,
            "weighted": 20,
            "score_exact": "200/3",
            "weighted_exact": "20",
        }
    ],
    "must_haves": [
        {"id": "L5", "title": "P95", "status": "fail", "waived": True, "checks": ["performance/slow-query"]},
        {"id": "L7", "title": "Health", "status": "pass", "waived": False, "checks": ["operations/health"]},
    ],
    "services": [{"id": "auth", "title": "Auth", "readiness": 40.0, "needs_change": True}],
    "checks": [
        _check("schema/json-text", "partial", healthy=1, findings=[_finding("a.b.c"), _finding('a."odd name".d')]),
        _check("schema/fine", "pass"),
        _check(
            "performance/slow-query", "fail", priority="P0", examined=1, healthy=0, findings=[_finding("open_tasks_x")]
        ),
        _check(
            "operations/backup",
            "unknown",
            examined=0,
            healthy=0,
            reason="not_configured",
            detail="not declared",
            credit=None,
        ),
        _check("operations/none", "not_applicable", examined=0, healthy=0, detail="there are none", credit=None),
    ],
    "blockers": [
        {
            "check": "performance/slow-query",
            "title": "fast",
            "priority": "P0",
            "must_haves": ["L5"],
            "gain": 8.0,
            "gain_exact": "8",
            "findings": 1,
        }
    ],
    "plan": [],
    "measurements": [
        {
            "name": "query_p95:open_tasks",
            "figure": "query_p95",
            "subject": "open_tasks",
            "value": 130.5,
            "unit": "ms",
            "samples": 200,
            "target": 100,
            "source": "200 timed calls",
        },
        {
            "name": "service_p95:auth",
            "figure": "service_p95",
            "subject": "auth",
            "value": 0.25,
            "unit": "s",
            "samples": 100,
            "target": 0.3,
            "source": "100 timed requests",
        },
    ],
    "waivers": [_waiver("performance/slow-query", "2026-12-24"), _waiver("performance/slow-query", "2026-12-01")],
    "attestations": [],
    "drills": [],
}
