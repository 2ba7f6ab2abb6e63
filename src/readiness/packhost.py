"""The child that runs other people's checks: reads a request from stdin, writes one JSON value to the given descriptor.

Nothing here is trusted by the parent; see `readiness.foreign`. One starts for each check of each pack, so it imports what those
need and no more: not the profile, which is most of what a command loads.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import importlib.util
import json
import os
import pickle
import resource
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from readiness.authoring import Awaited, Check, Unobservable, python_check
from readiness.model import Category, Examined, NotApplicable, Observation, Unknown, Unseen, plain


def main() -> None:
    channel = int(sys.argv[1])
    request = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        reply: Any = _describe(request) if request["do"] == "describe" else _ask(request)
        encoded = json.dumps(reply)
    except BaseException as error:  # noqa: BLE001  whatever it is, the parent is told
        encoded = json.dumps({"broke": _told(error)})
    raw = encoded.encode("utf-8", "backslashreplace")
    with os.fdopen(channel, "wb") as pipe:
        pipe.write(b"%08x" % len(raw) + raw)


def _told(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  one that can't even say what it is
        return type(error).__name__


def _modules(root: Path) -> list[ModuleType]:
    """The pack's modules, by path: a folder needs no __init__.py, and nothing else becomes importable."""
    package = ModuleType(root.name)
    package.__path__ = [str(root)]
    sys.modules[root.name] = package
    found = []
    for category in Category:
        folder = root / category.value
        if not folder.is_dir():
            continue
        section = ModuleType(f"{root.name}.{category.value}")
        section.__path__ = [str(folder)]
        sys.modules[section.__name__] = section
        for file in sorted(folder.glob("[!_]*.py")):
            name = f"{section.__name__}.{file.stem}"
            spec = importlib.util.spec_from_file_location(name, file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            found.append(module)
    return found


def _checks(root: Path) -> list[Check]:
    return [python_check(module, pack=root.name) for module in _modules(root)]


def _describe(request: dict[str, Any]) -> Any:
    return [
        {
            "info": {**dataclasses.asdict(check.info), "credit": None},
            "credit": (type(check.info.credit).__name__, dataclasses.asdict(check.info.credit)),
            "facts": {name: f"{kind.__module__}:{kind.__qualname__}" for name, kind in check.facts.items()},
            "source": check.source,
        }
        for check in _checks(Path(request["root"]))
    ]


def _ask(request: dict[str, Any]) -> Any:
    check = next(c for c in _checks(Path(request["root"])) if c.info.id == request["check"])
    facts = pickle.loads(base64.b64decode(request["facts"]))  # noqa: S301  from our parent, who trusts us less than we it
    try:
        answer = check.ask(**facts, **request["parameters"])
        assert not isinstance(answer, Awaited), "a Python check answers at once"
    except Unobservable as unseen:
        return {"outcome": "unknown", "reason": unseen.reason, "detail": unseen.detail, "unlock": unseen.unlock}
    match answer:
        case NotApplicable(evidence=evidence):
            return {"outcome": "not_applicable", "detail": evidence}
        case Unknown():
            return {
                "outcome": "unknown",
                "reason": answer.reason,
                "detail": answer.detail,
                "unlock": answer.unlock,
                **_listed([*answer.observations, *answer.unseen]),
            }
        case Observation() | Unseen():
            subjects = [answer]
        case Examined():
            counts = {scope: dataclasses.asdict(count) for scope, count in answer.tally.items()}
            return {"outcome": "examined", "tally": counts, **_listed([*answer.observations, *answer.unseen])}
        case _:
            subjects = list(answer)
    return {"outcome": "subjects", **_listed(subjects)}


def _listed(subjects: list[Observation | Unseen]) -> dict[str, Any]:
    """Subjects as JSON; a moment in them becomes text, evidence what every format can carry."""
    fields = [
        {**{k: v for k, v in dataclasses.asdict(s).items() if k != "expires"}, "evidence": plain(s.evidence)}
        for s in subjects
    ]
    return {
        "subjects": [f for f, s in zip(fields, subjects, strict=True) if isinstance(s, Observation)],
        "unseen": [f for f, s in zip(fields, subjects, strict=True) if isinstance(s, Unseen)],
    }


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
