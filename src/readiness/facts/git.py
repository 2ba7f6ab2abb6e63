"""What git knows of a folder: asked so that nothing of a hostile repository runs, and nothing is fetched or written.

Commands that filter contents (status, diff) are not used: a repository's own configuration names the filters' programs.
What a file holds now is hashed here, and compared with the commit's tree.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.migrations import MigrationFolder
from readiness.facts.target import Target
from readiness.model import Reason

GIT_SECONDS = 10
MOST_BYTES = 4_000_000  # of one blob

# What a repository's configuration could name to be run, switched off.
_HARMLESS = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false"),
    *("-c", "safe.bareRepository=explicit", "-c", "protocol.allow=never"),
    *("-c", "core.quotePath=false", "-c", "core.pager=cat", "--no-pager"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A file as one commit left it.

    Args:
        at: the commit's time, in seconds since 1970.
        commit: its hash.
        blob: the content's hash; empty where the commit removed the file.
    """

    at: float
    commit: str
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsInGit:
    """What git knows of the migrations folder.

    Args:
        committed: path from the folder -> the blob of the last commit; empty where there is no repository or commit.
        present: path from the folder -> the blob of what lies there now, of committed files (None: it's gone).
        past: path from the folder -> every version, oldest first.
        shallow: whether older commits were left out when the repository was fetched.
    """

    directory: str
    committed: Mapping[str, str]
    present: Mapping[str, str | None]
    past: Mapping[str, tuple[Version, ...]]
    shallow: bool

    @classmethod
    def take(cls, target: Target, folder: MigrationFolder) -> Self:
        path = target.path(folder.directory)
        if not path.is_dir():
            raise Unobservable(Reason.NOT_CONFIGURED, f"there is no folder {folder.directory}", "create the folder")
        committed = tree(path)
        return cls(
            directory=folder.directory,
            committed=committed,
            present={name: _blob(path / name, like=blob) for name, blob in committed.items()},
            past=history(path) if committed else {},
            shallow=bool(committed) and ask(path, "rev-parse", "--is-shallow-repository").strip() == b"true",
        )


def tree(folder: Path) -> dict[str, str]:
    """The files of a folder in the last commit: path from it -> blob. Empty without a repository or a commit."""
    found = {}
    for entry in ask(folder, "ls-tree", "-r", "-z", "HEAD", "--", ".").decode("utf-8", "replace").split("\0"):
        about, _, name = entry.partition("\t")
        if name and about.split()[1] == "blob":
            found[name] = about.split()[2]
    return found


def history(folder: Path, path: str = ".") -> dict[str, tuple[Version, ...]]:
    """Every version of each file below a path, oldest first, merges that changed it themselves among them."""
    told = ask(
        folder,
        *("log", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv", "--relative"),
        *("--diff-merges=combined", "--format=%x01%ct %H", "--", path),
    ).decode("utf-8", "replace")
    found: dict[str, list[Version]] = {}
    for commit in reversed(told.split("\x01")[1:]):
        head, *changes = commit.splitlines()
        at, sha = head.split()
        for change in changes:
            about, tab, name = change.partition("\t")
            if tab and about.startswith(":"):
                blob = about.split()[-2]
                version = Version(at=float(at), commit=sha, blob=blob if blob.strip("0") else "")
                found.setdefault(name, []).append(version)
    return {name: tuple(versions) for name, versions in found.items()}


def content(folder: Path, blob: str) -> bytes:
    return ask(folder, "cat-file", "blob", blob)[:MOST_BYTES]


def _blob(path: Path, *, like: str) -> str | None:
    """The hash that git would give a file: of its bytes, or with other line ends where that is what git has."""
    if path.is_symlink() or not path.is_file():
        return None
    raw = path.read_bytes()
    digest = hashlib.sha256 if len(like) == 64 else lambda data: hashlib.sha1(data, usedforsecurity=False)
    hashes = [digest(b"blob %d\0" % len(d) + d).hexdigest() for d in (raw, raw.replace(b"\r\n", b"\n"))]
    return like if like in hashes else hashes[0]


def ask(folder: Path, *arguments: str | Sequence[str]) -> bytes:
    """Ask git, changing nothing and running nothing of the repository's. Empty without a repository or a commit.

    Raises:
        Unobservable: there is no git, or a repository that it won't read.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    harmless = {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            ["git", *_HARMLESS, *(str(a) for a in arguments)],
            capture_output=True,
            timeout=GIT_SECONDS,
            cwd=folder,
            env=env | harmless,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise Unobservable(Reason.UNSUPPORTED, "git is not installed here", "install git") from None
    except subprocess.TimeoutExpired:
        raise Unobservable(Reason.TIMEOUT, f"git gave no answer within {GIT_SECONDS} s") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip()
    if any(words in said for words in ("not a git repository", "Not a valid object name HEAD", "any commits yet")):
        return b""
    if "dubious ownership" in said:
        raise Unobservable(
            Reason.NO_PERMISSION,
            "the repository belongs to another account, so git won't read it",
            f"git config --global --add safe.directory {folder}",
        )
    raise Unobservable(Reason.ERROR, f"git failed: {' '.join(said.splitlines()[:1])}")
