"""How long a service's callers waited, as the service itself counted it: a histogram of Prometheus, in buckets.

It has every request of real users, where a probe has a few of our own; and it has them by bucket only, so that a percentile is
known no better than to the edges of the bucket that it lies in. Asked is the service's own page (text exposition format) or a
Prometheus server (`/api/v1/query`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self
from urllib.parse import urlencode

from readiness.authoring import Unobservable
from readiness.facts.http import get, side_by_side
from readiness.facts.target import Target, declared
from readiness.model import Reason, Unseen
from readiness.profile import Histogram, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Counted waits.

    Args:
        edges: upper ends in milliseconds, ascending, the last one infinity.
        counts: requests in each bucket alone.
        source: where they were counted, and since when.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    source: str


@dataclass(frozen=True, slots=True)
class ServiceHistograms:
    """Of the services that declare one.

    Raises, when taken:
        Unobservable: the profile doesn't say which services there are.
    """

    by_service: Mapping[str, Buckets]
    unseen: tuple[Unseen, ...] = ()

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "services")
        seconds = target.profile.probing.http_timeout_seconds
        asked = {n: partial(_look, n, s, seconds) for n, s in target.profile.services.items() if s.histogram}
        answers = side_by_side(asked)
        return cls(
            by_service={n: a for n, a in answers.items() if isinstance(a, Buckets)},
            unseen=tuple(a for a in answers.values() if isinstance(a, Unseen)),
        )


def _look(name: str, service: Service, seconds: float) -> Buckets | Unseen:
    h = service.histogram
    assert h is not None
    try:
        cumulative, source = _of_prometheus(h, seconds) if h.prometheus else _of_service(service, h, seconds)
        return buckets(cumulative, h, source)
    except Unobservable as refusal:
        return Unseen(subject=name, reason=refusal.reason, detail=refusal.detail, unlock=refusal.unlock)


def _of_prometheus(h: Histogram, seconds: float) -> tuple[dict[float, float], str]:
    assert h.prometheus is not None
    labels = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(h.labels.items()))
    query = f"sum by (le) (increase({h.metric}_bucket{{{labels}}}[{h.window}]))"
    body = _body(f"{h.prometheus.rstrip('/')}/api/v1/query?{urlencode({'query': query})}", seconds, "Prometheus")
    try:
        told = json.loads(body)
        found = {_edge(row["metric"]["le"]): float(row["value"][1]) for row in told["data"]["result"]}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Unobservable(Reason.ERROR, "Prometheus' answer is not of the form that its API has") from error
    return found, f"Prometheus, {h.metric} over {h.window}"


def _of_service(service: Service, h: Histogram, seconds: float) -> tuple[dict[float, float], str]:
    if service.url is None:
        raise Unobservable(Reason.NOT_CONFIGURED, "the service has no url", "declare its url, or histogram.prometheus")
    text = _body(service.url.rstrip("/") + h.path, seconds, h.path).decode("utf-8", "replace")
    found: dict[float, float] = {}
    for line in text.splitlines():
        sample = _SAMPLE.match(line)
        if sample is None or sample["name"] != f"{h.metric}_bucket":
            continue
        labels = {m["name"]: _unescaped(m["value"]) for m in _LABEL.finditer(sample["labels"])}
        if "le" in labels and all(labels.get(name) == value for name, value in h.labels.items()):
            edge = _edge(labels["le"])
            found[edge] = found.get(edge, 0.0) + float(sample["value"])
    return found, f"the service's own {h.metric}, since it began"


# One line of the text exposition format (prometheus.io/docs/instrumenting/exposition_formats).
_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\{(?P<labels>(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\}\s+(?P<value>[0-9.eE+]+)"
)
_LABEL = re.compile(r"(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*\"(?P<value>(?:[^\"\\]|\\.)*)\"")


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)


def _edge(text: str) -> float:
    return math.inf if text.lstrip("+").lower() == "inf" else float(text)


def _body(url: str, seconds: float, what: str) -> bytes:
    reply = get(url, seconds)
    if reply.error is not None:
        raise Unobservable(Reason.UNREACHABLE, f"{what}: {reply.error}")
    if reply.status != 200:
        raise Unobservable(Reason.UNREACHABLE, f"{what}: HTTP {reply.status}")
    return reply.body


def buckets(cumulative: Mapping[float, float], h: Histogram, source: str) -> Buckets:
    """Buckets by themselves, from counts that each hold those before.

    Raises:
        Unobservable: there is no such histogram, or nothing in it.
    """
    if not cumulative or math.inf not in cumulative:
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            f"no series {h.metric}_bucket with these labels there",
            "see histogram.metric and histogram.labels; a native histogram has no buckets to read",
        )
    scale = 1000 if h.unit == "s" else 1
    edges = sorted(cumulative)
    before, counts = 0, []
    for edge in edges:  # increase() extrapolates, so its counts are no whole numbers, and need not quite rise
        reached = max(before, round(cumulative[edge]))
        counts.append(reached - before)
        before = reached
    if not before:
        raise Unobservable(
            Reason.INSUFFICIENT_SAMPLES, f"{source}: no request was counted", "let it collect real traffic"
        )
    return Buckets(edges=tuple(e * scale for e in edges), counts=tuple(counts), source=source)
