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
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from readiness import __version__
from readiness.facts.target import Target
from readiness.profile import Service

MOST_BYTES = 1_000_000
HEALTHY = frozenset({"ok", "up", "pass", "healthy", "green", "available", "true"})
STATUS_FIELDS = ("status", "state", "healthy", "health")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One exchange.

    Args:
        status: None where none came.
        error: what went wrong, by class (refused, timeout, tls, dns, protocol), where no whole reply came.
        milliseconds: from the first byte sent to the last received; infinity without a reply.
    """

    status: int | None
    body: bytes
    milliseconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProbe:
    """A service's health endpoint, asked twice, a moment apart.

    Args:
        answered: whether any HTTP reply came.
        healthy: whether both replies said so.
        says: what was wrong, or the status that the body gave.
    """

    url: str
    answered: bool
    healthy: bool
    says: str
    status: int | None
    milliseconds: float
    body_status: str | None


@dataclass(frozen=True, slots=True)
class HealthProbes:
    by_service: Mapping[str, HealthProbe]

    @classmethod
    def take(cls, target: Target) -> Self:
        asked = {n: s for n, s in target.profile.services.items() if s.url and s.health}
        if not asked:
            return cls({})
        seconds = target.profile.probing.http_timeout_seconds
        with ThreadPoolExecutor(max_workers=min(8, len(asked))) as pool:
            probes = pool.map(lambda service: probe(service, seconds), asked.values())
        return cls(dict(zip(asked, probes, strict=True)))


def probe(service: Service, seconds: float) -> HealthProbe:
    assert service.url is not None
    assert service.health is not None
    url = service.url.rstrip("/") + service.health.path
    first = get(url, seconds)
    if first.error is None:
        time.sleep(0.2)  # a service that flaps between two probes is told
    replies = [first, get(url, seconds)] if first.error is None else [first]
    verdicts = [judge(r, service) for r in replies]
    bad = next((said for ok, said, _ in verdicts if not ok), None)
    return HealthProbe(
        url=url,
        answered=any(r.status is not None for r in replies),
        healthy=bad is None,
        says=bad or verdicts[-1][1],
        status=replies[-1].status,
        milliseconds=replies[-1].milliseconds,
        body_status=verdicts[-1][2],
    )


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
    value = str(body[field]).lower()[:40]
    if value not in HEALTHY:
        return False, f"HTTP {reply.status}, but {field} is {value!r}", value
    return True, f"{field} is {value!r}", value


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long each request waited, in milliseconds; a failed one waited forever."""

    url: str
    milliseconds: tuple[float, ...]
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ServiceLatencies:
    """Requests to each service that has an address, one after the other; services side by side."""

    by_service: Mapping[str, Waits]

    @classmethod
    def take(cls, target: Target) -> Self:
        probing = target.profile.probing
        asked = {n: s for n, s in target.profile.services.items() if s.url and (s.latency_path or s.health)}
        if not asked:
            return cls({})

        def time_service(service: Service) -> Waits:
            assert service.url is not None
            path = service.latency_path or (service.health.path if service.health else "/")
            return time_requests(
                service.url.rstrip("/") + path,
                requests=probing.http_requests,
                seconds=probing.http_seconds,
                timeout=probing.http_timeout_seconds,
                pause=probing.pause_ms / 1000,
            )

        with ThreadPoolExecutor(max_workers=min(8, len(asked))) as pool:
            waits = pool.map(time_service, asked.values())
        return cls(dict(zip(asked, waits, strict=True)))


def time_requests(url: str, *, requests: int, seconds: float, timeout: float, pause: float) -> Waits:
    """Ask until the number or the time is reached; the first, cold, request is not counted."""
    ends = time.monotonic() + seconds
    get(url, timeout)
    waits: list[float] = []
    failures: dict[str, int] = {}
    while len(waits) < requests and time.monotonic() < ends:
        reply = get(url, timeout)
        failure = reply.error or (f"HTTP {reply.status}" if reply.status is None or reply.status >= 400 else None)
        if failure:
            failures[failure] = failures.get(failure, 0) + 1
        waits.append(math.inf if failure else reply.milliseconds)
        time.sleep(pause)
    return Waits(url=url, milliseconds=tuple(waits), failures=failures)


def get(url: str, seconds: float) -> Reply:
    """One GET, all of it within the deadline. Sends no credentials, follows no redirect."""
    started = time.perf_counter()
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    connection: http.client.HTTPConnection | None = None
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        sock = connection.sock if connection else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # wakes the reader, whatever it waits for

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    try:
        refuse_unsafe(host)
        connection = (
            http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=ssl.create_default_context())
            if secure
            else http.client.HTTPConnection(host, parts.port, timeout=seconds)
        )
        timer.start()
        connection.request(
            "GET",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers={"User-Agent": f"readiness/{__version__}", "Accept-Encoding": "identity", "Connection": "close"},
        )
        answer = connection.getresponse()
        body = answer.read(MOST_BYTES + 1)
        if expired.is_set():
            return _failed("no whole answer in time")
        if len(body) > MOST_BYTES:
            return _failed(f"the body is larger than {MOST_BYTES:,} bytes")
        return Reply(status=answer.status, body=body, milliseconds=(time.perf_counter() - started) * 1000)
    except Exception as error:  # noqa: BLE001  every way to fail is a class of failure
        return _failed("no whole answer in time" if expired.is_set() else failure_class(error))
    finally:
        timer.cancel()
        if connection is not None:
            connection.close()


def _failed(error: str) -> Reply:
    return Reply(status=None, body=b"", milliseconds=math.inf, error=error)


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


def refuse_unsafe(host: str) -> None:
    """Never ask a link-local address: cloud metadata lives there.

    Raises:
        PermissionError: the host is, or resolves to, one.
    """
    for *_, address in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP):
        ip: Any = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if ip.is_link_local or ip.is_unspecified or str(ip) == "fd00:ec2::254":
            raise PermissionError("link-local address")
