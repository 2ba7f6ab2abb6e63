"""Services as their clients see them: is a health endpoint healthy, and how long do answers take.

Plain http.client with a deadline for the whole exchange (per-read timeouts are no bound: a body may drip), no
redirects, no proxy from the environment, and a bound on what is read. A failed request is a wait of infinity: a total
outage fails instead of vanishing from the figures.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from readiness import __version__
from readiness.authoring import Unobservable
from readiness.facts.stopwatch import Stopwatch, Wait
from readiness.facts.target import Target, declared, without_secrets
from readiness.model import Reason
from readiness.profile import Service

MOST_BYTES = 1_000_000
HEALTHY = frozenset({"ok", "up", "pass", "healthy", "green", "available", "true", "serving"})
UNHEALTHY = frozenset(
    {
        "closed",
        "critical",
        "disconnected",
        "down",
        "error",
        "fail",
        "failed",
        "false",
        "offline",
        "out_of_service",
        "red",
    }
    | {"stopped", "timeout", "unavailable", "unhealthy", "unreachable"}
)
STATUS_FIELDS = ("status", "state", "healthy", "health")
NAME_FIELDS = ("service", "name", "app", "application", "serviceId")
VERSION_FIELDS = ("version", "releaseId")
# Where health bodies list what a service hangs on: Spring, MicroProfile, the health+json draft, Terminus, and plain ones.
DEPENDENCY_FIELDS = ("components", "checks", "dependencies", "details", "info", "error", "services")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One exchange.

    Args:
        status: None where none came.
        error: what went wrong, by class (refused, timeout, tls, dns, protocol), where no whole reply came.
        wait: from the first byte sent to the last received; infinity without a reply.
    """

    status: int | None
    body: bytes
    wait: Wait
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProbe:
    """A service's health endpoint, asked twice, a moment apart.

    Args:
        answered: whether any reply came.
        healthy: whether both replies said so, and it was this service that did.
        says: what was wrong, or the status that the body gave.
        body_status: the body's own word.
        named: how the body calls the service; None where it doesn't.
        another: the other declared service that answers here, by the body's own word.
        dependencies: what it hangs on, by the body -> whether that is well; of words that say neither none are kept. None
            where there was no body to read.
    """

    url: str
    answered: bool
    healthy: bool
    says: str
    status: int | None
    milliseconds: float
    body_status: str | None
    named: str | None = None
    another: str | None = None
    version: str | None = None
    dependencies: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True)
class HealthProbes:
    by_service: Mapping[str, HealthProbe | Unobservable]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "services")
        asked = {n: without_secrets(s) for n, s in target.profile.services.items() if s.url and s.health}
        seconds = target.profile.probing.http_timeout_seconds
        found = side_by_side({n: partial(_probe, s, seconds) for n, s in asked.items()})
        called = {called_name(n, s): n for n, s in target.profile.services.items()}
        return cls({n: _known_by(p, called, called_name(n, asked[n])) for n, p in found.items()})


def called_name(name: str, service: Service) -> str:
    """How a service calls itself in its health body, without words like "service" and without signs."""
    return plain_name(service.health.name if service.health and service.health.name else name)


def plain_name(name: str) -> str:
    return re.sub(r"(?i)service|svc|[^a-z0-9]", "", name).lower() or name


def _known_by(probe: HealthProbe | Unobservable, called: Mapping[str, str], own: str) -> HealthProbe | Unobservable:
    """The probe; where another declared service answers there, its health is not this one's.

    Args:
        called: how each declared service calls itself -> its name.
        own: how this one does.
    """
    if isinstance(probe, Unobservable) or probe.named is None or (said := plain_name(probe.named)) == own:
        return probe
    if (other := called.get(said)) is None:
        return probe
    return replace(probe, another=other, healthy=False, says=f"the service {other} answers here")


def _probe(service: Service, seconds: float) -> HealthProbe | Unobservable:
    try:
        return probe(service, seconds)
    except Unobservable as unseen:
        return unseen


def probe(service: Service, seconds: float) -> HealthProbe:
    assert service.url is not None
    assert service.health is not None
    if not service.speaks_http:
        return _without_http(service, seconds)
    url = service.url.rstrip("/") + service.health.path
    first = get(url, seconds)
    if first.error is None:
        time.sleep(0.2)  # a service that flaps between two probes is told
    replies = [first, get(url, seconds)] if first.error is None else [first]
    verdicts = [judge(r, service) for r in replies]
    bad = next((said for ok, said, _ in verdicts if not ok), None)
    body = _object(replies[-1])
    return HealthProbe(
        url=url,
        answered=any(r.status is not None for r in replies),
        healthy=bad is None,
        says=bad or verdicts[-1][1],
        status=replies[-1].status,
        milliseconds=replies[-1].wait.milliseconds,
        body_status=verdicts[-1][2],
        named=_told(body, NAME_FIELDS),
        version=_told(body, VERSION_FIELDS),
        dependencies=None if body is None else dependencies_in(body),
    )


def _without_http(service: Service, seconds: float) -> HealthProbe:
    """Over gRPC the standard health service's word; over TCP that somebody takes the connection."""
    assert service.url is not None
    assert service.health is not None
    parts = urlsplit(service.url)
    started = time.perf_counter()
    try:
        reach = resolve(parts.hostname or "", parts.port or 0, seconds)
        if parts.scheme == "tcp":
            socket.create_connection(reach, timeout=seconds).close()
            healthy, says = True, "it takes connections"
        else:
            word = grpc_health(service.url, service.health.grpc_service, seconds)
            healthy, says = word == "SERVING", f"status is {word}"
    except OSError as error:
        return HealthProbe(
            url=service.url,
            answered=False,
            healthy=False,
            says=failure_class(error),
            status=None,
            milliseconds=math.inf,
            body_status=None,
        )
    return HealthProbe(
        url=service.url,
        answered=True,
        healthy=healthy,
        says=says,
        status=None,
        milliseconds=(time.perf_counter() - started) * 1000,
        body_status=None,
    )


def _object(reply: Reply) -> dict[str, Any] | None:
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _told(body: Mapping[str, Any] | None, fields: tuple[str, ...]) -> str | None:
    """A short plain word of the body's; anything else may hold more than should be quoted."""
    found: Iterable[Any] = (body[f] for f in fields if f in body) if body else ()
    return next((value for value in found if isinstance(value, str) and _A_NAME.fullmatch(value)), None)


_A_NAME = re.compile(r"[\w .:/+@-]{1,80}")


def dependencies_in(body: Mapping[str, Any]) -> dict[str, bool]:
    """What a health body says of what the service hangs on: name -> well or not. Words that say neither are left out."""
    found: dict[str, bool] = {}
    for section in DEPENDENCY_FIELDS:
        for name, value in _entries(body.get(section)):
            if (well := _well(value)) is not None and _A_NAME.fullmatch(name):
                found[name] = found.get(name, True) and well
    return found


def _entries(section: Any) -> list[tuple[str, Any]]:
    match section:
        case dict():
            return [(str(name), value) for name, value in section.items()]
        case list():
            named = (item for item in section if isinstance(item, dict))
            return [(str(item.get("name") or item.get("id") or ""), item) for item in named]
        case _:
            return []


def _well(value: Any) -> bool | None:
    match value:
        case bool():
            return value
        case str():
            word = value.strip().lower()
            return (
                True if word in HEALTHY | {"connected", "ready", "reachable"} else False if word in UNHEALTHY else None
            )
        case dict():
            return next((w for f in STATUS_FIELDS if f in value and (w := _well(value[f])) is not None), None)
        case list():  # the health+json draft: a list of measurements
            words = [w for item in value if (w := _well(item)) is not None]
            return all(words) if words else None
        case _:
            return None


def grpc_health(url: str, service: str, seconds: float) -> str:
    """The word of grpc.health.v1.Health/Check (grpc/health/v1/health.proto): SERVING, NOT_SERVING...

    Raises:
        Unobservable: grpcio is not installed.
        OSError: no answer came.
    """
    try:
        grpc = import_module("grpc")
    except ImportError:
        raise Unobservable(
            Reason.UNSUPPORTED,
            "asking over gRPC needs its library, which is not installed",
            "pip install 'readiness[grpc]'",
        ) from None
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    options = [("grpc.enable_http_proxy", 0)]
    secure = parts.scheme == "grpcs"
    channel = (
        grpc.secure_channel(where, grpc.ssl_channel_credentials(), options)
        if secure
        else grpc.insecure_channel(where, options)
    )
    name = service.encode()
    # The message holds one field, the service's name: its tag (1, length-delimited), its length, its bytes.
    asked = b"\x0a" + bytes([len(name)]) + name if 0 < len(name) < 128 else b""
    try:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        answer: bytes = check(asked, timeout=seconds)
    except grpc.RpcError as error:
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TimeoutError from None
        if code is grpc.StatusCode.NOT_FOUND:
            return "SERVICE_UNKNOWN"
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return "not told: the server has no health service"
        raise ConnectionError from None
    finally:
        channel.close()
    # The answer holds one field, the status: its tag (1, varint) and the number; zero is left out.
    number = answer[1] if len(answer) == 2 and answer[0] == 8 else 0
    return ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")[min(number, 3)]


_A_WORD = re.compile(r"[\w -]{1,40}")


def judge(reply: Reply, service: Service) -> tuple[bool, str, str | None]:
    """Whether a reply is healthy, in words, and the status that its body gave."""
    health = service.health
    assert health is not None
    if reply.error is not None:
        return False, reply.error, None
    if reply.status != health.status:
        return False, f"HTTP {reply.status}, expected {health.status}", None
    if not health.json_body:
        return True, f"HTTP {reply.status}", None
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return False, "the body is not JSON", None
    if not isinstance(body, dict):
        return False, "the body is not a JSON object", None
    field = next((f for f in STATUS_FIELDS if f in body), None)
    if field is None:
        return False, f"the body has no status field ({', '.join(STATUS_FIELDS)})", None
    value = str(body[field]).lower()
    if not _A_WORD.fullmatch(value):
        # Whatever it says, perhaps an error message with more in it than should be quoted.
        return False, f"HTTP {reply.status}, but {field} is no word for healthy", None
    if value not in HEALTHY:
        return False, f"HTTP {reply.status}, but {field} is {value!r}", value
    for path, expected in health.fields.items():
        if not says(body, path, expected):
            return False, f"HTTP {reply.status}, but {path} is not {json.dumps(expected)}", value
    return True, f"{field} is {value!r}", value


def says(body: Any, path: str, expected: Any) -> bool:
    """Whether a body has a value at a path; true is not 1."""
    try:
        found = value_at(body, path)
    except LookupError:
        return False
    return bool(found == expected) and isinstance(found, bool) == isinstance(expected, bool)


def value_at(body: Any, path: str) -> Any:
    """What a body has at a path of names and positions: `checks.0.status`.

    Raises:
        LookupError: it has nothing there.
    """
    for part in path.split("."):
        if isinstance(body, dict):
            body = body[part]
        elif isinstance(body, list) and part.isdecimal():
            body = body[int(part)]
        else:
            raise LookupError(path)
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long each request waited, in milliseconds; a failed one waited forever.

    Args:
        least: what each was at the least, were it not for a CPU of our own; see `Wait`.
    """

    url: str
    milliseconds: tuple[float, ...]
    least: tuple[float, ...]
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ServiceLatencies:
    """Requests to each service that has an address, one after the other; services side by side.

    A service that counts its callers' waits itself (`histogram`) isn't asked.
    """

    by_service: Mapping[str, Waits]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "services")
        probing = target.profile.probing
        asked = {
            n: without_secrets(s)
            for n, s in target.profile.services.items()
            if s.speaks_http and (s.latency_path or s.health) and not s.histogram
        }
        return cls(
            side_by_side(
                {
                    name: partial(
                        time_requests,
                        service,
                        headers={
                            h: v.get_secret_value() for h, v in target.profile.services[name].latency_headers.items()
                        },
                        requests=probing.http_requests,
                        seconds=probing.http_seconds,
                        timeout=probing.http_timeout_seconds,
                        pause=probing.pause_ms / 1000,
                    )
                    for name, service in asked.items()
                }
            )
        )


def _timed_url(service: Service) -> str:
    assert service.url is not None
    path = service.latency_path or (service.health.path if service.health else "/")
    return service.url.rstrip("/") + path


T = TypeVar("T")


def side_by_side(work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """Do independent pieces of work at once. Threads that an interruption leaves behind end with the process.

    Raises:
        Exception: what the first piece that failed raised.
    """
    done: dict[str, T | Exception] = {}

    def run(name: str, piece: Callable[[], T]) -> None:
        try:
            done[name] = piece()
        except Exception as error:  # noqa: BLE001  raised again by who waits
            done[name] = error

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in work.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found: dict[str, T] = {}
    for name in work:
        result = done[name]
        if isinstance(result, Exception):
            raise result
        found[name] = result
    return found


def time_requests(
    service: Service, *, headers: Mapping[str, str], requests: int, seconds: float, timeout: float, pause: float
) -> Waits:
    """Ask until the number or the time is reached, once at least; the first, cold, request is not counted."""
    url = _timed_url(service)
    ends = time.monotonic() + seconds
    exchange("GET", url, timeout, headers=headers)
    waits: list[Wait] = []
    failures: dict[str, int] = {}
    while not waits or (len(waits) < requests and time.monotonic() < ends):
        reply = exchange("GET", url, timeout, headers=headers)
        failure = reply.error or _not_as_declared(reply, service)
        if failure:
            failures[failure] = failures.get(failure, 0) + 1
        waits.append(Wait(math.inf) if failure else reply.wait)
        time.sleep(pause)
    return Waits(
        url=url,
        milliseconds=tuple(w.milliseconds for w in waits),
        least=tuple(w.least for w in waits),
        failures=failures,
    )


def _not_as_declared(reply: Reply, service: Service) -> str | None:
    """What is wrong with a timed request's answer: a quick redirect to a login, or a quick error, is none."""
    status = service.latency_status
    if status is None and service.latency_path is None and service.health:
        status = service.health.status
    if (reply.status != status) if status else not 200 <= (reply.status or 0) < 300:
        return f"HTTP {reply.status}"
    if not service.latency_fields:
        return None
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return "the body is not JSON"
    return next((f"{p} is not as declared" for p, e in service.latency_fields.items() if not says(body, p, e)), None)


def get(url: str, seconds: float) -> Reply:
    """One GET, all of it within the deadline. Sends no credentials, follows no redirect."""
    return exchange("GET", url, seconds)


def exchange(
    method: str,
    url: str,
    seconds: float,
    *,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    most_bytes: int = MOST_BYTES,
) -> Reply:
    """One request and its reply, all of it within the deadline. Follows no redirect.

    Args:
        headers: beside our own; what is secret in them goes to this address alone.
        body: sent as JSON, where it isn't None.
    """
    raw = None if body is None else json.dumps(body).encode()
    sent = {"User-Agent": f"readiness/{__version__}", "Accept-Encoding": "identity", "Connection": "close"}
    sent |= {} if raw is None else {"Content-Type": "application/json"}
    watch = Stopwatch()
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    exchange = _Exchange(seconds)
    connection = http.client.HTTPConnection(host, parts.port or (443 if secure else 80))
    try:
        sock = socket.create_connection(resolve(host, connection.port, seconds), timeout=seconds)
        exchange.watch(sock)
        if secure:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
            exchange.watch(sock)
        connection.sock = sock
        connection.request(
            method,
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            body=raw,
            headers=sent | dict(headers or {}),
        )
        answer = connection.getresponse()
        received = answer.read(most_bytes + 1)
        wait = watch.read()
    except Exception as error:  # noqa: BLE001  every way to fail is a class of failure
        return _failed("no whole answer in time" if exchange.over else failure_class(error))
    finally:
        over = exchange.end()
        connection.close()
    if over:
        return _failed("no whole answer in time")
    if len(received) > most_bytes:
        return _failed(f"the body is larger than {most_bytes:,} bytes")
    return Reply(status=answer.status, body=received, wait=wait)


class _Exchange:
    """A deadline for a whole exchange: when it passes, the socket is shut, which wakes whoever waits on it."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._sock: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket) -> None:
        self._sock = sock
        if self.over:
            self._expire()

    def end(self) -> bool:
        """Whether the deadline passed."""
        self._timer.cancel()
        return self.over

    def _expire(self) -> None:
        self.over = True
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)


def _failed(error: str) -> Reply:
    return Reply(status=None, body=b"", wait=Wait(math.inf), error=error)


def failure_class(error: Exception) -> str:
    """What went wrong, without the address or anything that the other side said."""
    classes: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        (ConnectionRefusedError, "connection refused"),
        (ssl.SSLCertVerificationError, "TLS: the certificate is not trusted"),
        (ssl.SSLError, "TLS: the handshake failed"),
        (socket.gaierror, "the host name can't be resolved"),
        ((TimeoutError, socket.timeout), "no answer in time"),
        (ConnectionError, "the connection was closed"),
        (http.client.HTTPException, "the answer is not HTTP"),
        (PermissionError, "this address is never asked (link-local)"),
        (OSError, "the host can't be reached"),
    )
    return next((said for kind, said in classes if isinstance(error, kind)), "the request failed")


def resolve(host: str, port: int, seconds: float) -> tuple[str, int]:
    """The address to connect to; resolved once, so that what was looked at is what is asked.

    Raises:
        PermissionError: it is link-local, where clouds keep their metadata.
        TimeoutError: the resolver gave no answer in time.
        OSError: there is no such host.
    """
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)

    resolver = threading.Thread(target=look_up, daemon=True)  # getaddrinfo() knows no deadline of its own
    resolver.start()
    resolver.join(seconds)
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    for *_, address in found:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if ip.is_link_local or ip.is_unspecified or str(ip) == "fd00:ec2::254":
            raise PermissionError("link-local address")
    return str(found[0][4][0]), int(found[0][4][1])
