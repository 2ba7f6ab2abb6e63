"""The addresses of services and stores: in the clear or by TLS, and the certificate that they show. No credential is sent."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from readiness.authoring import Unobservable
from readiness.facts.http import failure_class, resolve, side_by_side
from readiness.facts.target import Target, bare_url
from readiness.model import Reason
from readiness.profile import S3Store

_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}
_BY_TLS = frozenset({"https", "rediss", "grpcs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address.

    Args:
        loopback: what goes there leaves the machine never.
        certificate: None where there is no TLS.
    """

    url: str
    kind: str
    loopback: bool
    certificate: Certificate | Unobservable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a client that verifies sees.

    Args:
        refused: why such a client would go away: not trusted, another name, ended.
        days_left: until it ends; None where it is refused.
        version: TLSv1.3...
    """

    refused: str | None
    days_left: float | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Name -> the address of each declared service and store that has one.

    Raises, when taken:
        Unobservable: the profile says nothing of services and stores.
    """

    by_name: Mapping[str, Endpoint]

    @classmethod
    def take(cls, target: Target) -> Self:
        told = target.profile.model_fields_set & {"services", "stores"}
        if not told:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't say which services and stores there are",
                "declare `services:` and `stores:` in the profile (`{}` where there are none)",
            )
        profile = target.profile
        urls = {name: ("service", bare_url(s.url)) for name, s in profile.services.items()}
        for name, store in profile.stores.items():
            own = f"https://s3.{store.region}.amazonaws.com" if isinstance(store, S3Store) and store.region else None
            urls[name] = ("store", bare_url(store.url) or own)
        seconds = profile.probing.http_timeout_seconds
        return cls(side_by_side({n: partial(_look, kind, u, seconds) for n, (kind, u) in urls.items() if u}))


def _look(kind: str, url: str, seconds: float) -> Endpoint:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    if parts.scheme not in _BY_TLS:
        return Endpoint(url=url, kind=kind, loopback=_loopback(host), certificate=None)
    return Endpoint(url=url, kind=kind, loopback=_loopback(host), certificate=_certificate(host, port, seconds))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _certificate(host: str, port: int, seconds: float) -> Certificate | Unobservable:
    context = ssl.create_default_context()  # SSL_CERT_FILE names an authority of one's own
    try:
        with (
            socket.create_connection(resolve(host, port, seconds), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            told = secured.getpeercert() or {}
            ends = ssl.cert_time_to_seconds(str(told["notAfter"]))
            return Certificate(refused=None, days_left=(ends - time.time()) / 86400, version=secured.version())
    except ssl.SSLCertVerificationError as error:
        return Certificate(refused=error.verify_message, days_left=None, version=None)
    except (OSError, KeyError) as error:
        return Unobservable(Reason.UNREACHABLE, failure_class(error))
