"""How each migration stands: the folder and the history in the database, brought together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from readiness.facts.bookkeeping import History, MigrationHistories
from readiness.facts.frameworks import BY_NAME
from readiness.facts.frameworks.form import MigrationFile, Record, State
from readiness.facts.migrations import MigrationFolder


class Standing(StrEnum):
    """What a migration is, for one database."""

    APPLIED = "applied"
    PENDING = "pending"
    FAILED = "failed"
    ORPHANED = "applied, without a file"


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStanding:
    """One migration, of the folder, of the history, or of both.

    Args:
        late: pending, though one that comes behind it is applied.
    """

    name: str
    standing: Standing
    file: MigrationFile | None = None
    record: Record | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStandings:
    """Every migration that the folder or its history has.

    Args:
        history: the one that the folder's files belong to; None where nothing was ever recorded for them.
        migrations: in the folder's order, then those without a file; empty where the history's rows could not be read.
    """

    folder: MigrationFolder
    history: History | None
    migrations: tuple[MigrationStanding, ...]

    @classmethod
    def take(cls, folder: MigrationFolder, histories: MigrationHistories) -> Self:
        history = next((h for h in histories.found if h.framework == folder.framework), None)
        if history is not None and history.unseen is not None:
            return cls(folder=folder, history=history, migrations=())
        return cls(folder=folder, history=history, migrations=stand(folder, history.records if history else ()))


def stand(folder: MigrationFolder, records: tuple[Record, ...]) -> tuple[MigrationStanding, ...]:
    """How a folder's migrations stand by a history's records."""
    framework = BY_NAME.get(folder.framework or "")
    key = framework.key if framework else str
    of = {key(r.name): r for r in records}
    if framework and framework.applied:
        names = framework.applied(folder.files, records)
    else:
        names = frozenset(r.name for r in records if r.state is State.APPLIED)
    applied = {key(n) for n in names}
    found: list[MigrationStanding] = []
    for file in folder.files:
        record = of.get(key(file.name))
        if key(file.name) in applied:
            standing = Standing.APPLIED
        elif record is not None and record.state is State.FAILED:
            standing = Standing.FAILED
        else:
            standing = Standing.PENDING
        found.append(MigrationStanding(name=file.name, standing=standing, file=file, record=record))
    found = _late(found)
    have = {key(f.name) for f in folder.files} | {key(name) for f in folder.files for name in f.replaces}
    for record in records:
        gone = record.state in (State.APPLIED, State.FAILED) and key(record.name) not in have
        if gone and (framework is None or framework.known is None or framework.known(folder.files, record)):
            found.append(MigrationStanding(name=record.name, standing=Standing.ORPHANED, record=record))
    return tuple(found)


def _late(found: list[MigrationStanding]) -> list[MigrationStanding]:
    """Mark what is pending before the last applied one; a graph has no such order."""
    last = max((at for at, m in enumerate(found) if m.standing is Standing.APPLIED), default=-1)
    return [
        MigrationStanding(name=m.name, standing=m.standing, file=m.file, record=m.record, late=True)
        if at < last and m.standing is Standing.PENDING and m.file and m.file.after is None and not m.file.repeatable
        else m
        for at, m in enumerate(found)
    ]
