"""What Prometheus makes of an alert's labels before it sends it, as far as they are known beforehand.

A label's value is known, or it isn't, as of one that comes from series; a label that is known to be missing has an empty one.
What hangs on one that isn't known, isn't known either.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Labels = Mapping[str, str]

_EVERYTHING = "(.*)"
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


def relabeled(steps: Sequence[Mapping[str, Any]], labels: Labels) -> Labels | None:
    """The labels that are known behind all steps; None where the alert is sure to be dropped."""
    known = dict(labels)
    for step in steps:
        if _drops(step, known):
            return None
        _change(step, known)
    return known


def _value(step: Mapping[str, Any], known: Labels) -> str | None:
    """Of its source labels together."""
    names = step.get("source_labels") or ()
    if any(name not in known for name in names):
        return None
    return str(step.get("separator", ";")).join(known[name] for name in names)


def _match(step: Mapping[str, Any], text: str) -> re.Match[str] | None:
    return re.fullmatch(str(step.get("regex", _EVERYTHING)), text, re.DOTALL)


def _drops(step: Mapping[str, Any], known: Labels) -> bool:
    action, value = str(step.get("action", "replace")).lower(), _value(step, known)
    target = step.get("target_label")
    try:
        match action:
            case "drop":
                return _match(step, value) is not None if value is not None else _takes_any(step)
            case "keep":
                return value is not None and _match(step, value) is None
            case "dropequal":
                return value is not None and known.get(str(target)) == value
            case "keepequal":
                return value is not None and target in known and known[str(target)] != value
            case _:
                return False
    except re.error:  # of a syntax that is RE2's own
        return False


def _takes_any(step: Mapping[str, Any]) -> bool:
    return all(_match(step, text) for text in ("", "any", "any;other\n"))


def _change(step: Mapping[str, Any], known: dict[str, str]) -> None:
    action, value, target = str(step.get("action", "replace")).lower(), _value(step, known), step.get("target_label")
    try:
        match action:
            case "replace":
                if "$" in str(target):
                    known.clear()  # any of them may be another one now
                elif value is None:
                    known.pop(str(target), None)
                elif (found := _match(step, value)) is not None:
                    known[str(target)] = _expanded(str(step.get("replacement", "$1")), found)
            case "lowercase" | "uppercase":
                known.pop(str(target), None)
                if value is not None:
                    known[str(target)] = value.lower() if action == "lowercase" else value.upper()
            case "hashmod":
                known.pop(str(target), None)
            case "labeldrop" | "labelkeep":
                for name in list(known):
                    if (_match(step, name) is not None) is (action == "labeldrop"):
                        known[name] = ""
            case "labelmap":
                known.clear()
            case _:
                pass
    except (re.error, IndexError):
        known.clear()


def _expanded(text: str, found: re.Match[str]) -> str:
    """As Go's Expand: a group that isn't there is empty."""

    def of(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isdigit():
            return (found[int(name)] or "") if int(name) <= found.re.groups else ""
        return (found[name] or "") if name in found.re.groupindex else ""

    return _REFERENCE.sub(of, text)
