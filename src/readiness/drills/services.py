"""The services drill: the profile's probes, sent request by request, each answer held against what is expected.

They write, on the platform that is named, as any client does: in a tenant of their own as far as the probes see to that
(`{run}` is a word that no other run has), and their clean-up is sent however the rest went. What a killed run leaves behind
bears its `{run}`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from readiness.facts.http import Reply, exchange, says, value_at
from readiness.profile import Probe, Step

_PLACE = re.compile(r"\{([a-z][a-z0-9_-]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How one probe went.

    Args:
        steps: how many went as declared.
        failure: the step and what was wrong there; None where all went well, the clean-up too.
        milliseconds: of the slowest answer that came; 0 without one.
    """

    steps: int
    failure: str | None
    milliseconds: float


def new_run() -> str:
    """A word that no other run has; fit for a name, an address, a path."""
    return f"probe{secrets.token_hex(6)}"


def send(probe: Probe, urls: Mapping[str, str], *, run: str, seconds: float) -> Tried:
    """Send a probe's steps until one fails, then its clean-up.

    Args:
        urls: of the services that it asks, by name.
        run: what `{run}` stands for.
        seconds: for each request.
    """
    known: dict[str, Any] = {"run": run} | {n: secret.get_secret_value() for n, secret in probe.variables.items()}
    failure: str | None = None
    done, slowest = 0, 0.0
    for step in probe.steps:
        reply, wrong = _take(step, urls[step.service or probe.service], known, seconds)
        if reply.error is None:
            slowest = max(slowest, reply.wait.milliseconds)
        if wrong is not None:
            failure = f"{step.request}: {wrong}"
            break
        done += 1
    for step in probe.cleanup:
        if not _names(step) <= set(known):
            continue  # what it would clean up was never made
        _, wrong = _take(step, urls[step.service or probe.service], known, seconds)
        if wrong is not None and failure is None:
            failure = f"clean-up: {step.request}: {wrong}"
    return Tried(steps=done, failure=failure, milliseconds=slowest)


def _names(step: Step) -> set[str]:
    return set(_PLACE.findall(json.dumps([step.request, step.query, step.headers, step.body])))


def _take(step: Step, url: str, known: dict[str, Any], seconds: float) -> tuple[Reply, str | None]:
    """One step: its answer, and what was wrong with it; what it captures is known from then on."""
    method, path = step.request.split(" ", 1)
    where = url.rstrip("/") + _PLACE.sub(lambda m: quote(str(known[m.group(1)]), safe=""), path)
    if step.query:
        where += ("&" if "?" in where else "?") + urlencode(_filled(step.query, known))
    reply = exchange(method, where, seconds, headers=_filled(step.headers, known), body=_filled(step.body, known))
    if reply.error is not None:
        return reply, reply.error
    if reply.status != step.status:
        return reply, f"HTTP {reply.status}, expected {step.status}"
    if not (step.fields or step.present or step.capture):
        return reply, None
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return reply, "the body is not JSON"
    for at, expected in step.fields.items():
        if not says(body, at, _filled(expected, known)):
            return reply, f"{at} is not as declared"
    captured: dict[str, Any] = {}
    for name, at in [*((None, at) for at in step.present), *step.capture.items()]:
        try:
            value = value_at(body, at)
        except LookupError:
            return reply, f"there is no {at}"
        if value is None or (name is not None and not isinstance(value, str | int | float)):
            return reply, f"{at} is {'nothing' if value is None else 'no single value'}"
        if name is not None:
            captured[name] = value
    known.update(captured)
    return reply, None


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    """With what is known put in; a text that is nothing but one name keeps the value's own type."""
    match value:
        case str():
            whole = _PLACE.fullmatch(value)
            return known[whole.group(1)] if whole else _PLACE.sub(lambda m: str(known[m.group(1)]), value)
        case dict():
            return {key: _filled(item, known) for key, item in value.items()}
        case list() | tuple():
            return [_filled(item, known) for item in value]
        case _:
            return value
