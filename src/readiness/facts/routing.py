"""Where Alertmanager would lead an alert, by its configuration and what is known of the alert's labels beforehand.

Known are its name and the labels that its rule gives it; what comes from series, or is made of a template, may have any value.
So a matcher holds, doesn't, or may; and nothing is concluded of what may be.

https://prometheus.io/docs/alerting/latest/configuration/#route
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]

_MATCHER = re.compile(r'\s*"?([A-Za-z_:][\w:.]*)"?\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^,{}]*)\s*(?:,|$)')


def told(config: Mapping[str, Any]) -> frozenset[str]:
    """The receivers that tell somebody: they have an integration."""
    return frozenset(
        r["name"] for r in config.get("receivers") or () if any(k.endswith("_configs") and v for k, v in r.items())
    )


@dataclass(frozen=True, slots=True)
class End:
    """A route that an alert may come to rest at."""

    receiver: str
    route: Mapping[str, Any]


def ends(route: Mapping[str, Any], labels: Labels, inherited: str = "") -> list[End]:
    """Where an alert may come to: the first route below that takes it, others behind `continue`, else the route itself."""
    own = route.get("receiver") or inherited
    found: list[End] = []
    taken = False
    for below in route.get("routes") or ():
        takes = _takes(below, labels)
        if takes is False:
            continue
        found += ends(below, labels, own)
        taken = taken or takes is True
        if takes and not below.get("continue"):
            break
    return found if taken else [*found, End(own, route)]


def receivers(route: Mapping[str, Any], labels: Labels) -> frozenset[str]:
    return frozenset(end.receiver for end in ends(route, labels))


def inhibited(rules: Sequence[Mapping[str, Any]], labels: Labels, constant: Mapping[str, Labels]) -> tuple[str, ...]:
    """Those of the alerts that always fire which are sure to inhibit one with these labels.

    Args:
        constant: the subject of an alert that always fires -> its labels.
    """
    return tuple(
        subject
        for subject, source in constant.items()
        if any(
            _side(rule, "source", source) is True
            and _side(rule, "target", labels) is True
            and all(name in labels and labels[name] == source.get(name) for name in rule.get("equal") or ())
            # What matches both sides isn't inhibited by what does so, too: itself, first of all.
            and (_side(rule, "source", labels) is False or _side(rule, "target", source) is False)
            for rule in rules
        )
    )


def silenced(silences: Sequence[Mapping[str, Any]], labels: Labels) -> tuple[str, ...]:
    """The ids of active silences that are sure to match."""
    return tuple(
        str(s.get("id"))[:40]
        for s in silences
        if (s.get("status") or {}).get("state", "active") == "active"
        and s.get("matchers")
        and _all(
            _holds(m["name"], _SIGNS[bool(m.get("isEqual", True)), bool(m.get("isRegex"))], m["value"], labels)
            for m in s["matchers"]
        )
    )


_SIGNS = {(True, False): "=", (True, True): "=~", (False, False): "!=", (False, True): "!~"}


def _takes(route: Mapping[str, Any], labels: Labels) -> bool | None:
    return _meets(route.get("match"), route.get("match_re"), route.get("matchers"), labels)


def _side(rule: Mapping[str, Any], side: str, labels: Labels) -> bool | None:
    return _meets(rule.get(f"{side}_match"), rule.get(f"{side}_match_re"), rule.get(f"{side}_matchers"), labels)


def _meets(equal: Any, patterns: Any, matchers: Any, labels: Labels) -> bool | None:
    holding = [_holds(name, "=", str(value), labels) for name, value in (equal or {}).items()]
    holding += [_holds(name, "=~", str(value), labels) for name, value in (patterns or {}).items()]
    for text in matchers or ():
        holding += _of_text(str(text), labels)
    return _all(holding)


def _of_text(text: str, labels: Labels) -> list[bool | None]:
    """One or several matchers: `severity = critical`, `{a="b",c=~"d"}`."""
    inside = text.strip().removeprefix("{").removesuffix("}")
    found: list[bool | None] = []
    at = 0
    while at < len(inside):
        read = _MATCHER.match(inside, at)
        if read is None or read.end() == at:
            return [None]
        name, sign, value = read.groups()
        value = value.strip()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1]) if sign in ("=", "!=") else value[1:-1].replace("\\\\", "\\")
        found.append(_holds(name, sign, value, labels))
        at = read.end()
    return found


def _holds(name: str, sign: str, value: str, labels: Labels) -> bool | None:
    equal, by_pattern = not sign.startswith("!"), sign.endswith("~")
    try:
        if by_pattern and re.fullmatch(value, "") and re.fullmatch(value, "\0any\0", re.DOTALL):
            return equal  # which any value meets
        if name not in labels:
            return None
        meets = re.fullmatch(value, labels[name]) is not None if by_pattern else labels[name] == value
    except re.error:
        return None
    return meets is equal


def _all(holding: Iterable[bool | None]) -> bool | None:
    found = list(holding)
    return False if False in found else None if None in found else True
