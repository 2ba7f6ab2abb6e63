"""Other people's checks: asked in a child process, with a deadline, a memory limit, and none of our secrets.

Arbitrary code has its author's trust, so a pack runs only where the policy names it. An `os._exit(0)` in it, a crash or
a hang is an answer like any other: unknown. The pack's SQL files are read as data and run by us, under the same guards
as our own; its Python gets the facts that it names (values, never a connection, a DSN or the profile) and gives back
JSON.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import hashlib
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from readiness.authoring import Answer, Check, PackError, Unobservable
from readiness.facts.lanes import Lanes
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import (
    Binary,
    Category,
    CheckInfo,
    Count,
    Credit,
    Examined,
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
from readiness.pack import in_order, sql_checks

DEADLINE_SECONDS = 30.0
MEMORY_BYTES = 1 << 30
MOST_BYTES = 16_000_000  # of an answer

# What would hand over a secret or a session.
_WITHHELD = (Postgres, Lanes, Target)


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
    evidence: dict[str, str | int | float | bool | list[str | int | float | bool | None] | None] = {}


class _Tallied(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    examined: int
    ok: int
    unseen: int = 0


class Reply(BaseModel):
    """What a child may say of one check."""

    model_config = ConfigDict(extra="forbid")
    outcome: Literal["subjects", "examined", "not_applicable", "unknown"]
    subjects: list[_Subject] = []
    unseen: list[_Hidden] = []
    tally: dict[str, _Tallied] = {}
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
    try:
        reply = _child({"do": "describe", "root": str(root), "memory": limits.memory_bytes}, limits.seconds)
        described = TypeAdapter(list[Described]).validate_python(reply)
    except (ValidationError, Unobservable) as error:
        raise PackError(f"pack {name!r}: its checks can't be read: {error}") from error
    sha256 = _sha256_of(root)
    for d in described:
        info = replace(_info(d, name), sha256=sha256)
        yield Check(
            info=info,
            facts={parameter: _fact(path, info.id, name) for parameter, path in d.facts.items()},
            ask=_asker(info.id, root, limits),
            source=d.source,
        )


def _sha256_of(root: Path) -> str:
    """Of every file of the pack: what a helper module does is part of what its checks ask."""
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(root)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


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
    observations = tuple(Observation(**s.model_dump()) for s in reply.subjects)
    unseen = tuple(Unseen(**u.model_dump()) for u in reply.unseen)
    match reply.outcome:
        case "not_applicable":
            return NotApplicable(reply.detail)
        case "unknown":
            return Unknown(
                reason=reply.reason,
                detail=reply.detail,
                unlock=reply.unlock,
                unseen=unseen,
                observations=tuple(o for o in observations if o.ok),
            )
        case "examined":
            counts = {scope: Count(**count.model_dump()) for scope, count in reply.tally.items()}
            return Examined(observations=observations, unseen=unseen, tally=counts)
        case "subjects":
            return [*observations, *unseen]


def _child(request: Mapping[str, Any], seconds: float) -> Any:
    """Run the child and read its one JSON value.

    Raises:
        Unobservable: it gave none: crashed, hung, ran out of memory, left early, or said something else.
    """
    _hide_own_environment()
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(prefix="readiness-pack-") as scratch, os.fdopen(reading, "rb", 0) as channel:
        try:
            child = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "readiness.packhost", str(writing)],
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
        try:
            deadline = time.monotonic() + seconds
            feeder = threading.Thread(target=_feed, args=(child, json.dumps(request).encode()), daemon=True)
            feeder.start()
            raw = _read_framed(channel.fileno(), deadline, child)
        finally:
            _kill(child)
            child.wait()
    if raw is None:
        if time.monotonic() >= deadline:
            raise Unobservable(Reason.TIMEOUT, f"the check gave no answer within {seconds:g} s and was ended")
        how = f"exit code {child.returncode}" if child.returncode >= 0 else signal.Signals(-child.returncode).name
        raise Unobservable(Reason.ERROR, f"the check's process ended without an answer ({how})")
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unobservable(Reason.ERROR, "the check's answer is not JSON") from None
    if isinstance(reply, dict) and set(reply) == {"broke"}:
        raise Unobservable(Reason.ERROR, f"the check broke: {str(reply['broke'])[:500]}")
    return reply


def _feed(child: subprocess.Popen[bytes], request: bytes) -> None:
    with contextlib.suppress(OSError):
        assert child.stdin is not None
        child.stdin.write(request)
        child.stdin.close()


def _read_framed(descriptor: int, deadline: float, child: subprocess.Popen[bytes]) -> bytes | None:
    """What the child says: eight digits (hexadecimal) of length, then so many bytes. None where it ends or lags before.

    The end of the pipe is no sign to wait for: a process that the child left behind may hold it open.
    """
    raw = b""
    wanted = _LENGTH
    while len(raw) < wanted:
        gone, left = child.poll() is not None, deadline - time.monotonic()
        ready, _, _ = select.select([descriptor], [], [], max(0.0, min(left, 0 if gone else _LOOK_SECONDS)))
        if not ready:
            if gone or left <= 0:
                return None
            continue
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return None
        raw += chunk
        if wanted == _LENGTH and len(raw) >= _LENGTH:
            try:
                wanted = _LENGTH + int(raw[:_LENGTH], 16)
            except ValueError:
                return b""
            if wanted > MOST_BYTES:
                raise Unobservable(Reason.ERROR, f"the check's answer is larger than {MOST_BYTES:,} bytes")
    return raw[_LENGTH:wanted]


_LENGTH = 8
_LOOK_SECONDS = 0.5  # how soon a child is missed that went without a word


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _hide_own_environment() -> None:
    """Keep our environment and memory from other processes of the same account (Linux; elsewhere nothing is open).

    What the account may read, its passfile among it, a pack may read too: it runs as that account. docs/packs.md says so.
    """
    if sys.platform == "linux":
        pr_set_dumpable = 4
        ctypes.CDLL(None).prctl(pr_set_dumpable, 0, 0, 0, 0)
