"""A run's metrics sent to a Pushgateway: for jobs that end before anybody can scrape them.

The group is job `readiness` and the target: a later run replaces the earlier one's whole group, and nothing ever expires
there; the age of a run is `readiness_last_run_timestamp_seconds`. Scrape the gateway with `honor_labels: true`.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import unquote, urlsplit, urlunsplit

from prometheus_client import exposition

from readiness.document import RunDocument
from readiness.export import metrics

JOB = "readiness"
SECONDS = 15.0


class GatewayError(OSError):
    """The gateway didn't take the metrics: one sentence."""


def parse(url: str) -> tuple[str, str | None, str]:
    """A gateway's address without its credentials, the user, and the password.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ValueError("expected http://host:port or https://host:port")
    place = f"[{host}]" if ":" in host else host
    bare = urlunsplit((parts.scheme, f"{place}:{port}" if port else place, parts.path.rstrip("/"), "", ""))
    user = None if parts.username is None else unquote(parts.username)
    return bare, user, unquote(parts.password or "")


def try_gateway(url: str) -> None:
    """See, before any work is done, that somebody answers there.

    Raises:
        GatewayError: nobody does.
    """
    address, _, _ = parse(url)
    try:
        with urllib.request.urlopen(address, timeout=SECONDS):  # noqa: S310  parse() lets http and https in only
            pass
    except urllib.error.HTTPError as answer:
        answer.close()  # somebody is there; whether the push is let in, the push will tell
    except OSError as error:
        raise GatewayError(f"{address}: {_said(error)}") from error


def push(url: str, run: RunDocument) -> None:
    """Replace the target's group by this run's metrics.

    Raises:
        GatewayError: they were not taken.
    """
    address, user, password = parse(url)

    def with_credentials(
        url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        return exposition.basic_auth_handler(url, method, timeout, headers, data, user, password)

    try:
        exposition.push_to_gateway(
            address,
            job=JOB,
            registry=metrics.registry([metrics.reading(run)]),
            grouping_key={"target": run.target.name},
            timeout=SECONDS,
            handler=exposition.default_handler if user is None else with_credentials,
        )
    except OSError as error:
        raise GatewayError(f"{address}: {_said(error)}") from error


def _said(error: OSError) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"answers {error.code} {error.reason}"
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)
