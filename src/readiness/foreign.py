"""Other people's checks: asked in a child process, with a deadline, a memory limit, and none of our secrets.

Arbitrary code has its author's trust, so a pack runs only where the policy names it. An `os._exit(0)` in it, a crash or
a hang is an answer like any other: unknown. The pack's SQL files are read as data and run by us, under the same guards
as our own; its Python gets the facts that it names (values, never a connection, a DSN or the profile) and gives back
JSON.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from readiness.authoring import Answer, Check, Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import (
    Binary,
    Category,
    CheckInfo,
    Credit,
    NotApplicable,
    Observation,
    Ramp,
    Ratio,
    Reason,
    Scalar,
    Tiers,
    Unknown,
    Unseen,
)
from readiness.pack import PackError, in_order, sql_checks

DEADLINE_SECONDS = 30.0
MEMORY_BYTES = 1 << 30
MOST_BYTES = 16_000_000  # of an answer

# What would hand over a secret or a session.
_WITHHELD = (Postgres, Target)


class _Subject(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    subject: str
    ok: bool
    evidence: dict[str, str | int | float | bool | list[str | int | float | bool | None] | None] = {}
    remedy: str | None = None
    kind: str | None = None


class _Hidden(BaseModel):
    model_config = ConfigDict(extra="forbid")
    subject: str
    reason: Reason
    detail: str
    unlock: str | None = None
    kind: str | None = None


class Reply(BaseModel):
    """What a child may say of one check."""

    model_config = ConfigDict(extra="forbid")
    outcome: Literal["subjects", "not_applicable", "unknown"]
    subjects: list[_Subject] = []
    unseen: list[_Hidden] = []
    reason: Reason = Reason.ERROR
    detail: str = ""
    unlock: str | None = None


class Described(BaseModel):
    """One check as the child describes it."""

    model_config = ConfigDict(extra="forbid")
    info: dict[str, Any]
    credit: tuple[Literal["Binary", "Ratio", "Ramp", "Tiers"], dict[str, Any]]
    facts: dict[str, str]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    seconds: float = DEADLINE_SECONDS
    memory_bytes: int = MEMORY_BYTES


def load(name: str, folder: Path, *, limits: Limits | None = None) -> list[Check]:
    """The checks of a pack that a policy names: an installed package, or a folder from the policy's own.

    Raises:
        PackError: there is none of this name, or it doesn't describe itself.
    """
    limits = limits or Limits()
    root = _root(name, folder)
    checks = [*sql_checks(root, pack=name), *_python_checks(name, root, limits)]
    if not checks:
        raise PackError(f"pack {name!r}: no check in it; checks lie in folders named {', '.join(Category)}")
    return in_order(checks)


def _root(name: str, folder: Path) -> Path:
    """The pack's folder, found without running anything of it."""
    if "/" in name or name.startswith("."):
        root = (folder / name).resolve()
        if root.is_dir():
            return root
        raise PackError(f"pack {name!r}: there is no folder {root}")
    if "." in name:
        raise PackError(f"pack {name!r}: give the top-level package, or a folder (./{name})")
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise PackError(f"pack {name!r}: no such package is installed; install it, or give a folder (./{name})")
    return Path(next(iter(spec.submodule_search_locations)))


def _python_checks(name: str, root: Path, limits: Limits) -> Iterator[Check]:
    if not any((root / c).is_dir() and any((root / c).glob("[!_]*.py")) for c in Category):
        return
    reply = _child({"do": "describe", "root": str(root), "memory": limits.memory_bytes}, limits.seconds)
    try:
        described = TypeAdapter(list[Described]).validate_python(reply)
    except (ValidationError, Unobservable) as error:
        raise PackError(f"pack {name!r}: its checks can't be read: {error}") from error
    for d in described:
        info = _info(d, name)
        yield Check(
            info=info,
            facts={parameter: _fact(path, info.id, name) for parameter, path in d.facts.items()},
            ask=_asker(info.id, root, limits),
            source=d.source,
        )


def _info(described: Described, pack: str) -> CheckInfo:
    form, fields = described.credit
    try:
        credit = TypeAdapter(_FORMS[form]).validate_python(fields)
        info: CheckInfo = TypeAdapter(CheckInfo).validate_python({**described.info, "credit": credit, "pack": pack})
    except ValidationError as error:
        raise PackError(f"pack {pack!r}: a check describes itself wrongly: {error.errors()[0]['msg']}") from error
    return info


_FORMS: Mapping[str, type[Credit]] = {"Binary": Binary, "Ratio": Ratio, "Ramp": Ramp, "Tiers": Tiers}


def _fact(path: str, check: str, pack: str) -> type[Any]:
    module, _, name = path.partition(":")
    if not module.startswith("readiness.facts."):
        raise PackError(f"pack {pack!r}: {check} asks for {path}, which is no fact of readiness.facts")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PackError(f"pack {pack!r}: {check} asks for {path}, which there is not") from error
    if not isinstance(kind, type) or kind in _WITHHELD:
        raise PackError(
            f"pack {pack!r}: {check} asks for {name}, which holds a secret; other people's checks don't get it"
        )
    return kind


def _asker(check: str, root: Path, limits: Limits) -> Any:
    def ask(**given: Any) -> Answer:
        facts = {name: value for name, value in given.items() if not isinstance(value, str | int | float | bool)}
        parameters: dict[str, Scalar] = {name: value for name, value in given.items() if name not in facts}
        reply = _child(
            {
                "do": "ask",
                "root": str(root),
                "check": check,
                "memory": limits.memory_bytes,
                "facts": base64.b64encode(pickle.dumps(facts)).decode(),
                "parameters": parameters,
            },
            limits.seconds,
        )
        try:
            return _answer(Reply.model_validate(reply))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Unobservable(Reason.ERROR, f"the check's answer is not sound: {where}: {first['msg']}") from None

    return ask


def _answer(reply: Reply) -> Answer:
    match reply.outcome:
        case "not_applicable":
            return NotApplicable(reply.detail)
        case "unknown":
            return Unknown(reason=reply.reason, detail=reply.detail, unlock=reply.unlock)
        case "subjects":
            return [
                *(Observation(**s.model_dump()) for s in reply.subjects),
                *(Unseen(**u.model_dump()) for u in reply.unseen),
            ]


def _child(request: Mapping[str, Any], seconds: float) -> Any:
    """Run the child and read its one JSON value.

    Raises:
        Unobservable: it gave none: crashed, hung, ran out of memory, left early, or said something else.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(prefix="readiness-pack-") as scratch:
        try:
            child = subprocess.Popen(
                [sys.executable, "-I", "-m", "readiness.packhost", str(writing)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writing,),
                cwd=scratch,
                env={"PATH": os.defpath, "HOME": scratch, "LC_ALL": "C.UTF-8", "TMPDIR": scratch},
                start_new_session=True,
            )
        finally:
            os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            timer = threading.Timer(seconds, _kill, (child,))
            timer.start()
            try:
                with contextlib.suppress(BrokenPipeError):
                    assert child.stdin is not None
                    child.stdin.write(json.dumps(request).encode())
                    child.stdin.close()
                raw = pipe.read(MOST_BYTES + 1)
            finally:
                in_time = timer.is_alive()
                timer.cancel()
                _kill(child)
                child.wait()
    if not in_time:
        raise Unobservable(Reason.TIMEOUT, f"the check gave no answer within {seconds:g} s and was ended")
    if len(raw) > MOST_BYTES:
        raise Unobservable(Reason.ERROR, f"the check's answer is larger than {MOST_BYTES:,} bytes")
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError):
        how = f"exit code {child.returncode}" if child.returncode >= 0 else signal.Signals(-child.returncode).name
        raise Unobservable(Reason.ERROR, f"the check's process ended without an answer ({how})") from None
    if isinstance(reply, dict) and set(reply) == {"broke"}:
        raise Unobservable(Reason.ERROR, f"the check broke: {str(reply['broke'])[:500]}")
    return reply


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
