"""Documents and folders that the profile names: how one rolls back, how one restores, the seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts import git
from readiness.facts.migrations import MigrationFolder
from readiness.facts.target import Target
from readiness.model import Reason

MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackDocument:
    """The document that says how each migration is undone.

    Args:
        text: None where there is no such file.
        changed_at: of its last commit, in seconds since 1970; of the file where git doesn't know it.
        newest: the migration that came last into the folder, and when, by the same measure; None where there is none.
    """

    path: str
    text: str | None
    changed_at: float | None
    newest: tuple[str, float] | None

    @classmethod
    def take(cls, target: Target, folder: MigrationFolder) -> Self:
        name = target.profile.migrations.rollback_document if target.profile.migrations else None
        if name is None:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't say where the rollback procedure is written down",
                "declare `migrations: {rollback_document: ...}` in the profile",
            )
        path = target.path(name)
        if not path.is_file():
            return cls(path=name, text=None, changed_at=None, newest=None)
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8", "replace")
        document, migrations = _committed(path), _first_committed(target.path(folder.directory), folder)
        if document is None or migrations is None:
            document = path.stat().st_mtime
            migrations = {f.path: (target.path(folder.directory) / f.path).stat().st_mtime for f in folder.files}
        newest = max(migrations.items(), key=lambda entry: (entry[1], entry[0]), default=None)
        return cls(path=name, text=text, changed_at=document, newest=newest)


def _committed(path: Path) -> float | None:
    """When a file as it is now was committed; None where it is not."""
    try:
        if path.name not in git.tree(path.parent):
            return None
        versions = git.history(path.parent, path.name).get(path.name)
    except Unobservable:
        return None
    return versions[-1].at if versions else None


def _first_committed(home: Path, folder: MigrationFolder) -> dict[str, float] | None:
    """When each migration was first committed; None where git doesn't know them all."""
    try:
        past = git.history(home)
    except Unobservable:
        return None
    found = {f.path: past[f.path][0].at for f in folder.files if f.path in past}
    return found if len(found) == len({f.path for f in folder.files}) else None


_REVIEWED = re.compile(
    r"^\W*(?:last\s+)?reviewed\b(?![^\d\n]*\b(?:next|never|not|due|until)\b)[^\d\n]{0,40}(\d{4}-\d{2}-\d{2})",
    re.IGNORECASE | re.MULTILINE,
)
_ZONES = timedelta(days=1)  # what a day and a moment may differ by


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRunbook:
    """The document that says how the database is restored.

    Args:
        text: None where there is no such file.
        reviewed_at: the newest `Reviewed: YYYY-MM-DD` in it, or its last commit where that is newer; None where neither is.
        review_days: how long a review holds.
    """

    path: str
    text: str | None
    reviewed_at: datetime | None
    review_days: int
    now: datetime

    @classmethod
    def take(cls, target: Target) -> Self:
        own = target.profile.runbook
        if own is None:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't say where the restore procedure is written down",
                "declare `runbook: {restore: ...}` in the profile",
            )
        path = target.path(own.restore)
        text, reviewed = None, None
        if path.is_file():
            with path.open("rb") as file:
                text = file.read(MOST_BYTES).decode("utf-8", "replace")
            reviewed = _reviewed(text, target.now)
            if committed := _committed(path):
                at = datetime.fromtimestamp(committed, UTC)
                if at <= target.now + _ZONES:  # else the clock was wrong by which it was committed
                    reviewed = max(reviewed or at, at)
        return cls(path=own.restore, text=text, reviewed_at=reviewed, review_days=own.review_days, now=target.now)


def _reviewed(text: str, now: datetime) -> datetime | None:
    """The newest day of a review that the document names; one that is yet to come is a plan."""
    found = []
    for day in _REVIEWED.findall(text):
        try:
            at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        except ValueError:
            continue
        if at <= now + _ZONES:
            found.append(at)
    return max(found, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """The folder of seed data.

    Args:
        files: how many it holds; None where there is no such folder.
    """

    path: str
    files: int | None

    @classmethod
    def take(cls, target: Target) -> Self:
        name = target.profile.migrations.seeds if target.profile.migrations else None
        if name is None:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't say where the seed data lies",
                "declare `migrations: {seeds: ...}` in the profile",
            )
        path = target.path(name)
        if not path.exists():
            return cls(path=name, files=None)
        return cls(path=name, files=1 if path.is_file() else sum(p.is_file() for p in path.rglob("*")))
