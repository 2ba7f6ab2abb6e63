"""Whether applied migrations are still what was applied: by the framework's checksum, else by git's history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts import git
from readiness.facts.frameworks import BY_NAME
from readiness.facts.frameworks.form import Folder, MigrationFile
from readiness.facts.git import MigrationsInGit, Version
from readiness.facts.standing import MigrationStandings, Standing
from readiness.facts.target import Target
from readiness.model import Reason
from readiness.sqltext import statements


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMigration:
    """One applied migration that has its file.

    Args:
        same: whether its way up is as it was applied; None where that can't be told, for the reason in `unseen`.
        evidence: how it was told.
    """

    name: str
    path: str
    same: bool | None
    evidence: Mapping[str, str | None]
    unseen: Unobservable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMigrations:
    """Every applied migration that has its file, compared with what was applied."""

    directory: str
    found: tuple[AppliedMigration, ...]

    def place(self, path: str) -> str:
        return f"{self.directory.rstrip('/')}/{path}"

    @classmethod
    def take(cls, target: Target, standings: MigrationStandings) -> Self:
        folder, history = standings.folder, standings.history
        if history is not None and history.unseen is not None:
            raise history.unseen
        applied = [m for m in standings.migrations if m.standing is Standing.APPLIED and m.file]
        found: list[AppliedMigration] = []
        in_git: MigrationsInGit | Unobservable | None = None
        broken = False
        for m in applied:
            assert m.file is not None
            kept = m.record.checksum if m.record else None
            if kept and m.file.checksum:
                same = kept == m.file.checksum
                # Atlas' hash of a file is of all before it too: behind the first that differs nothing is told.
                found.append(_by_checksum(m.name, m.file, same=same, behind=broken and folder.framework == "atlas"))
                broken |= not same
                continue
            if in_git is None:
                try:
                    in_git = MigrationsInGit.take(target, folder)
                except Unobservable as unseen:
                    in_git = unseen
            if isinstance(in_git, Unobservable):
                found.append(_unseen(m.name, m.file, in_git))
            else:
                found.append(_by_git(m.name, m.file, m.record.at if m.record else None, in_git, target, standings))
        return cls(directory=folder.directory, found=tuple(found))


def _by_checksum(name: str, file: MigrationFile, *, same: bool, behind: bool) -> AppliedMigration:
    if behind:
        unseen = Unobservable(Reason.UNSUPPORTED, "its hash includes a migration before it that was edited")
        return _unseen(name, file, unseen)
    return AppliedMigration(name=name, path=file.path, same=same, evidence={"told_by": "the framework's checksum"})


def _unseen(name: str, file: MigrationFile, unseen: Unobservable) -> AppliedMigration:
    return AppliedMigration(name=name, path=file.path, same=None, evidence={}, unseen=unseen)


def _by_git(
    name: str,
    file: MigrationFile,
    at: float | None,
    in_git: MigrationsInGit,
    target: Target,
    standings: MigrationStandings,
) -> AppliedMigration:
    versions = [v for v in in_git.past.get(file.path, ()) if v.blob]
    now = in_git.present.get(file.path)
    if not versions or now is None:
        return _unseen(name, file, Unobservable(Reason.NOT_OBSERVABLE, "git doesn't know the file", "commit it"))
    if in_git.shallow:
        return _unseen(
            name,
            file,
            Unobservable(
                Reason.NOT_OBSERVABLE,
                "the repository was fetched without its history",
                "git fetch --unshallow (in CI: fetch-depth: 0)",
            ),
        )
    if {v.blob for v in versions} == {now}:
        return AppliedMigration(name=name, path=file.path, same=True, evidence={"told_by": "git: never changed"})
    if at is None:
        return _unseen(
            name,
            file,
            Unobservable(
                Reason.UNSUPPORTED,
                f"git shows that it changed after it was written, and {standings.folder.framework} doesn't record when it "
                "was applied",
            ),
        )
    # What came into the repository after it was applied was applied as it first came.
    then = next((v for v in reversed(versions) if v.at <= at), versions[0])
    same = then.blob == now or _same_way_up(file, then, target, standings)
    last = next((v for v in reversed(versions) if v.blob != then.blob), then)
    return AppliedMigration(
        name=name,
        path=file.path,
        same=same,
        evidence={
            "told_by": "git",
            "applied_at": datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
            "changed_in": None if same else last.commit[:12] if last.at > at else "the work tree",
        },
    )


def _same_way_up(file: MigrationFile, then: Version, target: Target, standings: MigrationStandings) -> bool:
    """Whether only comments, white space or the way back changed: what was applied is what it does now."""
    framework = BY_NAME.get(standings.folder.framework or "")
    if file.up is None or framework is None or framework.read is None:
        return False
    path = target.path(standings.folder.directory)
    names = tuple(sorted(f.path for f in standings.folder.files))
    was = framework.read(Folder(path, names, {file.path: git.content(path, then.blob)}))
    before = next((f.up for f in was if f.name == file.name and f.up), None)
    return before is not None and _meaning(before.sql) == _meaning(file.up.sql)


def _meaning(sql: str) -> list[list[tuple[str, str]]]:
    return [[(t.kind, t.text) for t in s.tokens] for s in statements(sql)]
