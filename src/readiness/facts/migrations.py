"""The migrations folder: which migrations there are, in their order, with the SQL of both ways."""

from __future__ import annotations

import hashlib
import os
import re
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
_BESIDE = re.compile(
    r"(?:^|/)(?:\.|README|__init__\.py$)|\.(?:md|txt)$|(?:^|/)(?:migration_lock\.toml|sqitch\.(?:plan|conf))$",
    re.IGNORECASE,
)
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
            Unobservable: the framework is unknown, no file is a migration, or there are too many to be read.
        """
        directory = directory or str(folder)
        readable = [f.name for f in frameworks.FRAMEWORKS if f.read] + [numbered.NAME]
        if framework is not None and framework not in readable:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                f"the profile names the framework {framework!r}, whose files this tool doesn't read",
                f"name one of {', '.join(sorted(readable))} as `migrations: {{framework: ...}}`, or none",
            )
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
        if other := next((n for n in held.names if not _BESIDE.search(n)), None):
            # What isn't recognised is not nothing.
            raise Unobservable(
                Reason.UNSUPPORTED,
                f"{directory} holds files ({other}...), and none is a migration of {framework or 'a framework that is known'}",
                f"let `migrations: {{directory: ...}}` lead to the migrations of one of {', '.join(sorted(readable))}",
            )
        return cls(directory=directory, framework=None, files=())


@dataclass(frozen=True, slots=True)
class MigrationSources:
    """The text of each migration's file, by its path from the folder."""

    text: Mapping[str, str]

    @classmethod
    def take(cls, target: Target, folder: MigrationFolder) -> Self:
        held = Folder(target.path(folder.directory), ())
        return cls({f.path: held.text(f.path) for f in folder.files})


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
class MigrationDigests:
    """What each migration's file holds, by its SHA-256: a proof counts for the files that it was made with.

    Args:
        by_path: path from the folder -> SHA-256, shortened.
    """

    by_path: Mapping[str, str]

    @classmethod
    def take(cls, target: Target, folder: MigrationFolder) -> Self:
        return cls.of(target.path(folder.directory), folder)

    @classmethod
    def of(cls, path: Path, folder: MigrationFolder) -> Self:
        held = Folder(path, ())
        found = {}
        for file in folder.files:
            digest = hashlib.sha256(held.raw(file.path))
            for script in (file.up, file.down):
                digest.update(b"\0" + (script.sql.encode() if script else b""))  # the way back may be a file of its own
            found[file.path] = digest.hexdigest()[:16]
        return cls(by_path=found)
