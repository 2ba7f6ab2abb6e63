"""The migrations folder: which migrations there are, in their order, with the SQL of both ways; and what git knows of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts import frameworks
from readiness.facts.frameworks import numbered
from readiness.facts.frameworks.form import Folder, MigrationFile
from readiness.facts.target import Target
from readiness.model import Reason

MOST_FILES = 10_000
GIT_SECONDS = 10
_PASSED_OVER = frozenset({".git", "node_modules", ".venv", "venv", "__pycache__", "site-packages", "vendor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFolder:
    """The folder that the profile names.

    Args:
        framework: whose files these are, by their names and contents; None where they are nobody's that is known.
        files: in the order in which the framework applies them.
    """

    directory: str
    framework: str | None
    files: tuple[MigrationFile, ...]

    def place(self, path: str) -> str:
        """A file of it, from the profile's folder: where a report points to."""
        return f"{self.directory.rstrip('/')}/{path}"

    @classmethod
    def take(cls, target: Target) -> Self:
        directory = named_directory(target)
        configured = target.profile.migrations.framework if target.profile.migrations else None
        return cls.read(target.path(directory), directory=directory, framework=configured)

    @classmethod
    def read(cls, folder: Path, *, directory: str | None = None, framework: str | None = None) -> Self:
        """The migrations of any folder.

        Args:
            directory: what it is called in findings.
            framework: whose files they are, where that is known; else the first that takes them for its own.

        Raises:
            Unobservable: it holds too many files to be one.
        """
        directory = directory or str(folder)
        if not folder.is_dir():
            return cls(directory=directory, framework=None, files=())
        held = Folder(folder, tuple(_names(folder)))
        if len(held.names) > MOST_FILES:
            raise Unobservable(Reason.ERROR, f"{directory} holds more than {MOST_FILES:,} files")
        for known in frameworks.FRAMEWORKS:
            if known.read is None or framework not in (None, known.name):
                continue
            if found := known.read(held):
                return cls(directory=directory, framework=known.name, files=tuple(found))
        if framework in (None, numbered.NAME) and (plain := numbered.read(held)):
            return cls(directory=directory, framework=numbered.NAME, files=tuple(plain))
        return cls(directory=directory, framework=None, files=())


def _names(folder: Path) -> list[str]:
    """The files of a folder and below, as paths from it; what others installed there is passed over."""
    found: list[str] = []
    for home, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _PASSED_OVER)
        here = Path(home)
        found += [str((here / f).relative_to(folder)) for f in files if not (here / f).is_symlink()]
        if len(found) > MOST_FILES:
            break
    return sorted(found)


def named_directory(target: Target) -> str:
    """The migrations folder, from the profile's own.

    Raises:
        Unobservable: the profile names none.
    """
    if target.profile.migrations is None:
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            "the profile doesn't say where the migrations lie",
            "declare `migrations: {directory: ...}` in the profile",
        )
    return target.profile.migrations.directory


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsInGit:
    """What git knows of the migrations folder.

    Args:
        tracked: paths from the folder.
        dirty: path -> how it differs from the last commit (untracked, modified, deleted).
    """

    directory: str
    tracked: frozenset[str]
    dirty: Mapping[str, str]

    @classmethod
    def take(cls, target: Target, folder: MigrationFolder) -> Self:
        path = target.path(folder.directory)
        if not path.is_dir():
            raise Unobservable(Reason.NOT_CONFIGURED, f"there is no folder {folder.directory}", "create the folder")
        tracked = _git(path, "ls-files", "-z", "--", ".").split("\0")
        dirty = {}
        for entry in _git(path, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", ".").split("\0"):
            if len(entry) > 3:
                code, name = entry[:2], Path(entry[3:]).name
                dirty[name] = {"??": "untracked", " D": "deleted", "D ": "deleted"}.get(code, "modified")
        return cls(directory=folder.directory, tracked=frozenset(t for t in tracked if t), dirty=dirty)


def _git(folder: Path, *arguments: str) -> str:
    """Ask git, changing nothing and running nothing of the repository's.

    Raises:
        Unobservable: there is no git, no repository, or one that git won't read.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            cwd=folder,
            env=env | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError:
        raise Unobservable(Reason.UNSUPPORTED, "git is not installed here", "install git") from None
    except subprocess.TimeoutExpired:
        raise Unobservable(Reason.TIMEOUT, f"git gave no answer within {GIT_SECONDS} s") from None
    if done.returncode == 0:
        return done.stdout
    if "not a git repository" in done.stderr:
        return ""
    if "dubious ownership" in done.stderr:
        raise Unobservable(
            Reason.NO_PERMISSION,
            "the repository belongs to another account, so git won't read it",
            f"git config --global --add safe.directory {folder}",
        )
    raise Unobservable(Reason.ERROR, f"git failed: {done.stderr.strip().splitlines()[:1]}")
