"""The migrations folder: which files there are, whether each can be undone, and whether git knows them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.target import Target
from readiness.model import Reason

MOST_FILES = 10_000
MOST_BYTES = 2_000_000
GIT_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """One migration.

    Args:
        path: from the migrations folder.
        name: as the framework's history table has it.
        reversible: whether it says how to undo itself; None where its form does not tell.
    """

    path: str
    name: str
    reversible: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFolder:
    """The folder that the profile names.

    Args:
        framework: whose files these are, by their names and contents; None where they are nobody's that is known.
    """

    directory: str
    framework: str | None
    files: tuple[MigrationFile, ...]

    @classmethod
    def take(cls, target: Target) -> Self:
        directory = named_directory(target)
        folder = target.path(directory)
        if not folder.is_dir():
            return cls(directory=directory, framework=None, files=())
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
        if len(names) > MOST_FILES:
            raise Unobservable(Reason.ERROR, f"{directory} holds more than {MOST_FILES:,} files")
        configured = target.profile.migrations.framework if target.profile.migrations else None
        for style in STYLES:
            if configured not in (None, style.framework):
                continue
            if found := style.read(folder, names):
                return cls(directory=directory, framework=style.framework, files=tuple(found))
        return cls(directory=directory, framework=None, files=())


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
class Style:
    """How a framework's files are named, what its history calls them, and how one says that it can be undone."""

    framework: str
    pattern: re.Pattern[str]
    name: Callable[[re.Match[str]], str]
    reversible: Callable[[Path, re.Match[str], frozenset[str]], bool | None]

    def read(self, folder: Path, names: list[str]) -> list[MigrationFile]:
        """The framework's migrations in a folder; none where some file's content shows that they are another's."""
        everything = frozenset(names)
        found = []
        for name in names:
            match = self.pattern.fullmatch(name)
            if match is None:
                continue
            can = self.reversible(folder / name, match, everything)
            if can is None and self.framework in _TOLD_BY_CONTENT:
                return []
            found.append(MigrationFile(path=name, name=self.name(match), reversible=can))
        return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _section(up: str, down: str) -> Callable[[Path, re.Match[str], frozenset[str]], bool | None]:
    """Files with both ways in one: reversible where something stands behind the down marker."""

    def look(path: Path, _match: re.Match[str], _names: frozenset[str]) -> bool | None:
        text = _text(path)
        if path.suffix != ".sql":
            return _script(path, _match, _names)
        if not re.search(up, text, re.IGNORECASE | re.MULTILINE):
            return None
        _, found, behind = _partition(down, text)
        return bool(found and re.sub(r"--[^\n]*|/\*.*?\*/", "", behind, flags=re.DOTALL).strip())

    return look


def _partition(pattern: str, text: str) -> tuple[str, bool, str]:
    match = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
    return (text[: match.start()], True, text[match.end() :]) if match else (text, False, "")


def _script(path: Path, _match: re.Match[str], _names: frozenset[str]) -> bool | None:
    """JavaScript and TypeScript: a down() that isn't switched off."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", _text(path), flags=re.DOTALL)
    if re.search(r"\bdown\s*=\s*(?:false|null|undefined)\b", text):
        return False
    return bool(re.search(r"\bdown\b\s*(?:=|\(|:)|\bfunction\s+down\b", text))


def _sibling(up: str, down: str) -> Callable[[Path, re.Match[str], frozenset[str]], bool | None]:
    """A file of its own for the way back."""

    def look(path: Path, match: re.Match[str], names: frozenset[str]) -> bool | None:
        del path
        return match.group(0).replace(up, down) in names

    return look


def _alembic(path: Path, _match: re.Match[str], _names: frozenset[str]) -> bool | None:
    text = _text(path)
    if not re.search(r"^revision\s*(?::\s*str)?\s*=", text, re.MULTILINE):
        return None
    body = re.search(r"^def downgrade\([^)]*\)[^:]*:\n((?:[ \t]+[^\n]*\n?|\n)*)", text, re.MULTILINE)
    if body is None:
        return False
    lines = [line.strip() for line in body.group(1).splitlines()]
    return any(line and not line.startswith("#") and line not in ("pass", "...") for line in lines if '"""' not in line)


def _undo(prefix: str) -> Callable[[Path, re.Match[str], frozenset[str]], bool | None]:
    def look(path: Path, match: re.Match[str], names: frozenset[str]) -> bool | None:
        del path
        return f"{prefix}{match.group(0)[1:]}" in names

    return look


def _never(path: Path, match: re.Match[str], names: frozenset[str]) -> bool | None:
    """A framework that has no way back: whether one lies beside it as down.sql."""
    del path
    return match.group(0).rpartition("/")[0] + "/down.sql" in names


def _style(
    framework: str,
    pattern: str,
    name: Callable[[re.Match[str]], str],
    reversible: Callable[[Path, re.Match[str], frozenset[str]], bool | None],
) -> Style:
    return Style(framework=framework, pattern=re.compile(pattern), name=name, reversible=reversible)


# The more telling names first. Sources: each framework's documentation.
STYLES: tuple[Style, ...] = (
    _style("prisma", r"(\d{14}_[^/]+)/migration\.sql", lambda m: m[1], _never),
    _style("golang-migrate", r"(\d+)_[^/]*\.up\.sql", lambda m: str(int(m[1])), _sibling(".up.sql", ".down.sql")),
    _style("flyway", r"V[^/]+__[^/]+\.sql", lambda m: m[0], _undo("U")),
    _style("alembic", r"(?:versions/)?(?:[^/]+)\.py", lambda m: m[0], _alembic),
    _style("goose", r"(\d+)_[^/]+\.sql", lambda m: str(int(m[1])), _section(r"^-- \+goose up", r"^-- \+goose down")),
    _style("dbmate", r"(\d+)_[^/]+\.sql", lambda m: m[1], _section(r"^-- migrate:up", r"^-- migrate:down")),
    _style(
        "node-pg-migrate",
        r"(\d{13,17}_[^/]+)\.(?:sql|js|ts|cjs|mjs|cts|mts)",
        lambda m: m[1],
        _section(r"^\s*-- Up Migration", r"^\s*-- Down Migration"),
    ),
    _style("knex", r"\d{14}_[^/]+\.(?:js|ts|cjs|mjs)", lambda m: m[0], _script),
)
_TOLD_BY_CONTENT = frozenset({"alembic", "goose", "dbmate", "node-pg-migrate"})


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
