"""The HTTP server: the standard library's, a thread for each connection.

The TLS handshake is done in that thread, under the same deadline as the request: a client that connects and says
nothing costs one of a bounded number of threads for a few seconds, and keeps nobody else waiting. One request a
connection (HTTP/1.0), read-only methods, no file system, and nothing in a request but names that the configuration knows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.server
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from readiness import __version__
from readiness.export.metrics import Detail, Expositions
from readiness.history import StoreError
from readiness.serving import pages
from readiness.serving.board import Board, Seen, runs_of

CONNECTIONS = 64
DEADLINE_SECONDS = 10.0
HISTORY = 200
HTML, TEXT, JSON, SVG = "text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json", "image/svg+xml"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    body: bytes
    content_type: str
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


def _text(status: HTTPStatus, said: str) -> Answer:
    return Answer(body=f"{said}\n".encode(), content_type=TEXT, status=status)


class Site:
    """What is answered to which path."""

    def __init__(self, board: Board, *, detail: Detail, now: Callable[[], datetime], alive: Callable[[], bool]) -> None:
        self._board = board
        self._expositions = Expositions(detail=detail)
        self._now = now
        self._alive = alive
        self._paths: dict[str, Callable[[Mapping[str, str], str], Answer]] = {
            "/": self._root,
            "/metrics": self._metrics,
            "/probe": self._probe,
            "/history": self._history,
            "/run.json": self._run,
            "/badge.svg": self._badge,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }

    def answer(self, path: str, query: Mapping[str, str], accept: str) -> Answer:
        found = self._paths.get(path)
        if found is None:
            return _text(HTTPStatus.NOT_FOUND, f"there is {', '.join(self._paths)}")
        return found(query, accept)

    def _chosen(self, query: Mapping[str, str]) -> Seen | Answer:
        """The target that a request names; one that is alone needs no name."""
        name = query.get("target")
        if name is None:
            everyone = self._board.all()
            return everyone[0] if len(everyone) == 1 else _text(HTTPStatus.BAD_REQUEST, "say which: ?target=NAME")
        return self._board.get(name) or _text(HTTPStatus.BAD_REQUEST, "no target of this name is configured")

    def _root(self, query: Mapping[str, str], _accept: str) -> Answer:
        if "target" not in query and len(self._board.all()) > 1:
            return Answer(body=pages.overview(self._board.all(), self._now()).encode(), content_type=HTML)
        seen = self._chosen(query)
        if isinstance(seen, Answer):
            return seen
        policy = pages.report_policy(seen)
        return Answer(
            body=pages.report(seen, self._now()).encode("utf-8", "backslashreplace"),
            content_type=HTML,
            headers={"Content-Security-Policy": policy} if policy else {},
        )

    def _metrics(self, _query: Mapping[str, str], accept: str) -> Answer:
        told, kind = self._expositions.of([s.reading for s in self._board.all()], accept)
        return Answer(body=told, content_type=kind)

    def _probe(self, query: Mapping[str, str], accept: str) -> Answer:
        if "target" not in query:
            return _text(HTTPStatus.BAD_REQUEST, "say which: ?target=NAME")
        seen = self._chosen(query)
        if isinstance(seen, Answer):
            return seen
        if seen.success is None:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "its first audit has not ended yet")
        told, kind = self._expositions.of([seen.reading], accept)
        return Answer(body=told, content_type=kind)

    def _history(self, query: Mapping[str, str], _accept: str) -> Answer:
        seen = self._chosen(query)
        if isinstance(seen, Answer):
            return seen
        try:
            runs = runs_of(seen.target, now=self._now(), limit=HISTORY)
        except StoreError:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "the evidence store can't be read")
        return Answer(
            body=pages.history(seen, runs, self._now()).encode("utf-8", "backslashreplace"), content_type=HTML
        )

    def _run(self, query: Mapping[str, str], _accept: str) -> Answer:
        seen = self._chosen(query)
        if isinstance(seen, Answer):
            return seen
        if seen.run is None:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "there is no run yet")
        return Answer(body=seen.run.to_json().encode("utf-8", "backslashreplace"), content_type=JSON)

    def _badge(self, query: Mapping[str, str], _accept: str) -> Answer:
        seen = self._chosen(query)
        if isinstance(seen, Answer):
            return seen
        return Answer(body=pages.badge(seen, self._now()).encode(), content_type=SVG)

    def _healthz(self, _query: Mapping[str, str], _accept: str) -> Answer:
        if not self._alive():
            return _text(HTTPStatus.INTERNAL_SERVER_ERROR, "a schedule has ended")
        return _text(HTTPStatus.OK, "ok")

    def _readyz(self, _query: Mapping[str, str], _accept: str) -> Answer:
        """Ready once every target was tried: what is shown is then all that can be known."""
        waiting = sum(s.success is None for s in self._board.all())
        if waiting:
            return _text(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{waiting} of {len(self._board.all())} targets not audited yet"
            )
        return _text(HTTPStatus.OK, "ok")


OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # an orchestrator has no password, and they tell nothing


class Users:
    """Who may look: `name:password` lines, compared in constant time."""

    def __init__(self, lines: Mapping[str, str]) -> None:
        self._digests = {user: hashlib.sha256(password.encode()).digest() for user, password in lines.items()}
        self._nobody = os.urandom(32)

    @classmethod
    def read(cls, path: Path) -> Users:
        """Read a file of users.

        Raises:
            ValueError: others may read it too, a line has no colon, or there is no user in it.
            OSError: it can't be read.
        """
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
        if mode & 0o077:
            raise ValueError("others may read it; chmod 600 it")
        found = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            user, colon, password = line.partition(":")
            if not colon or not user or not password:
                raise ValueError(f"line {number}: expected name:password")
            found[user] = password
        if not found:
            raise ValueError("there is no user in it")
        return cls(found)

    def admit(self, header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        expected = self._digests.get(user, self._nobody)
        return hmac.compare_digest(hashlib.sha256(password.encode()).digest(), expected) and scheme.lower() == "basic"


class Certificates:
    """TLS from files, taken up again when they are renewed."""

    def __init__(self, certificate: Path, key: Path, *, client_ca: Path | None = None) -> None:
        """Read them.

        Args:
            client_ca: only clients with a certificate of this authority are let in; no other authority counts.

        Raises:
            OSError: a file can't be read, or holds no certificate, or not its key.
        """
        self._files = (certificate, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(certificate, key)
        if client_ca is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        self._stamp = self._stamps()

    def renew(self) -> None:
        """Take up renewed files; where they are no pair (yet), the old ones stay."""
        with suppress(OSError):
            stamp = self._stamps()
            if stamp != self._stamp:
                self.context.load_cert_chain(*self._files)
                self._stamp = stamp

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        return tuple((s.st_mtime_ns, s.st_ino) for s in (path.stat() for path in self._files))


class Server(http.server.ThreadingHTTPServer):
    """Serves one site."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        site: Site,
        *,
        users: Users | None = None,
        certificates: Certificates | None = None,
        told: Callable[[str], None] = lambda _said: None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Bind and listen.

        Raises:
            OSError: the address can't be had.
        """
        self.site = site
        self.users = users
        self._certificates = certificates
        self._told = told
        self._deadline = deadline_seconds
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self.place: tuple[str, int] = (str(self.server_address[0]), int(self.server_address[1]))
        self.loopback = ipaddress.ip_address(self.place[0]).is_loopback

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        with self._lock:
            self._open[request] = time.monotonic() + self._deadline
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        session = request
        try:
            request.settimeout(self._deadline)
            if self._certificates is not None:
                session = self._certificates.context.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                )
                with self._lock:
                    self._open[session] = self._open.pop(request)
                session.do_handshake()
            self.finish_request(session, client_address)
        except (OSError, ValueError):
            pass  # a client that left, came too late, or speaks no TLS: its own affair
        except Exception as error:  # noqa: BLE001  one request's fault must not end the thread unheard
            self._told(f"a request failed: {type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._open.pop(session, None)
                self._open.pop(request, None)
            with suppress(OSError):
                self.shutdown_request(session)
            self._slots.release()

    def service_actions(self) -> None:
        """Twice a second: sockets past their deadline are shut, however slowly they still drip."""
        now = time.monotonic()
        with self._lock:
            late = [s for s, deadline in self._open.items() if deadline < now]
        for s in late:
            with suppress(OSError):
                socket.socket.shutdown(s, socket.SHUT_RDWR)
        if self._certificates is not None:
            self._certificates.renew()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    server_version = f"readiness/{__version__}"
    sys_version = ""
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._say(self._answer())

    def do_HEAD(self) -> None:
        self._say(self._answer())

    def _answer(self) -> Answer:
        parts = urlsplit(self.path)
        if self.server.users is not None and parts.path not in OPEN_PATHS:
            if not self.server.users.admit(self.headers.get("Authorization", "")):
                return Answer(
                    body=b"who are you?\n",
                    content_type=TEXT,
                    status=HTTPStatus.UNAUTHORIZED,
                    headers={"WWW-Authenticate": 'Basic realm="readiness", charset="UTF-8"'},
                )
        elif self.server.loopback and not _names_this_machine(self.headers.get("Host", "")):
            # A web page whose name was made to mean 127.0.0.1 must not read what only this machine may.
            return _text(HTTPStatus.MISDIRECTED_REQUEST, "ask by address, or as localhost")
        query = {name: values[-1] for name, values in parse_qs(parts.query, max_num_fields=8).items()}
        return self.server.site.answer(parts.path, query, self.headers.get("Accept", ""))

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {**_HEADERS, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name in the base class
        """Requests are not logged: scrapes are many, and say nothing."""


def _names_this_machine(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname if host else "localhost"
    if name is None or name == "localhost" or name.endswith(".localhost"):
        return name is not None
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
