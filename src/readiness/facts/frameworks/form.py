"""What the tool knows of one migration framework: how its files are read, and where its history lies in the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from readiness.sqltext import statements

MOST_BYTES = 4_000_000  # of one file; what is longer is data, and is read to here


class State(StrEnum):
    """What a history says of a migration. A baseline stands for all that was there before it."""

    APPLIED = "applied"
    FAILED = "failed"
    REVERTED = "reverted"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """SQL for one way, as it stands in a file.

    Args:
        path: from the migrations folder.
        line: where it begins in the file, from 1.
        transactional: False where the framework runs it outside a transaction.
    """

    path: str
    line: int = 1
    sql: str
    transactional: bool = True

    @property
    def empty(self) -> bool:
        return not statements(self.sql)

    def untied(self) -> Script:
        """The same, to be run outside a transaction."""
        return replace(self, transactional=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """One migration.

    Args:
        path: from the migrations folder.
        name: as the framework's history has it.
        up: its SQL; None where it is not plain SQL (JavaScript, Python, Ruby, XML...).
        down: the SQL that undoes it; None where there is none, or where it is not plain SQL.
        reversible: whether it says how to undo itself; None where its form does not tell.
        checksum: as the framework's history would keep it; None where it keeps none, or none that can be computed.
        after: the names that it builds on, where the framework keeps a graph instead of an order.
        replaces: the names that it stands for (a squashed migration).
        repeatable: applied again whenever it changes.
    """

    path: str
    name: str
    up: Script | None = None
    down: Script | None = None
    reversible: bool | None
    checksum: str | None = None
    after: tuple[str, ...] | None = None
    replaces: tuple[str, ...] = ()
    repeatable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row of a history.

    Args:
        at: when it was applied, in seconds since 1970 (UTC); None where the framework doesn't keep it.
        checksum: of the file as it was applied; None where the framework keeps none.
    """

    name: str
    state: State
    at: float | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of migrations, read within bounds; no symlink is followed.

    Args:
        names: of its files and of those below it, from the folder, sorted.
        given: contents that stand for those of the files (as they were at another time).
    """

    path: Path
    names: tuple[str, ...]
    given: Mapping[str, bytes] = field(default_factory=dict)

    def raw(self, name: str) -> bytes:
        if name in self.given:
            return self.given[name]
        try:
            with (self.path / name).open("rb") as file:
                return file.read(MOST_BYTES)
        except OSError:
            return b""

    def text(self, name: str) -> str:
        return self.raw(name).decode("utf-8-sig", "replace")

    def matching(self, pattern: str) -> list[re.Match[str]]:
        """The names that a pattern takes whole."""
        form = re.compile(pattern)
        return [m for name in self.names if (m := form.fullmatch(name))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One framework.

    Args:
        table: its history's default name; where users rename it, the profile can't tell yet.
        columns: what the table must have; together with the name they decide.
        query: yields name and state of each migration, oldest first, and where kept `at` (seconds since 1970) and
            `checksum`; {} is the table.
        exclusive: columns that another framework of the same table name would have.
        companion: a table beside the history that must be there too (or, with a `!` before it, must not).
        lock: yields a row (`seconds`, for how long, or null; `holder`) while the framework's lock is held; {} is the lock
            table, named by `lock_table`.
        read: the framework's migrations in a folder, in the order in which it applies them; none where the folder's
            files are not its own. None where this tool doesn't read its files.
        applied: which names the records say are applied, where that is more than those that they name.
        known: whether a record without a file is one that the folder should have, where not all are.
        key: what of a name is compared between file and history.
        order: by what the history's names sort; None where they have no order (a graph, or none that is kept).
    """

    name: str
    table: str
    columns: frozenset[str]
    query: str
    exclusive: frozenset[str] = frozenset()
    companion: str | None = None
    lock_table: str | None = None
    lock: str | None = None
    read: Callable[[Folder], Sequence[MigrationFile]] | None = None
    applied: Callable[[Sequence[MigrationFile], Sequence[Record]], frozenset[str]] | None = None
    known: Callable[[Sequence[MigrationFile], Record], bool] | None = None
    key: Callable[[str], Hashable] = str
    order: Callable[[str], Any] | None = None


def sql_file(folder: Folder, name: str, *, transactional: bool = True) -> Script:
    return Script(path=name, sql=folder.text(name), transactional=transactional)


def part(whole: Script, start: int, end: int | None = None) -> Script:
    """A part of a script, with the line that it begins on."""
    return replace(whole, line=whole.line + whole.sql.count("\n", 0, start), sql=whole.sql[start:end])


def sections(whole: Script, up: str, down: str) -> tuple[Script | None, Script | None]:
    """Both ways out of one file; None for each whose marker is not there."""
    ups = re.search(up, whole.sql, re.IGNORECASE | re.MULTILINE)
    downs = re.search(down, whole.sql, re.IGNORECASE | re.MULTILINE)
    if ups is None:
        return None, None
    if downs is None:
        return part(whole, ups.end()), None
    if downs.start() < ups.start():
        return part(whole, ups.end()), part(whole, downs.end(), ups.start())
    return part(whole, ups.end(), downs.start()), part(whole, downs.end())


def both_ways(path: str, name: str, up: Script, down: Script | None, *, checksum: str | None = None) -> MigrationFile:
    """A migration in plain SQL: it can be undone where a statement says how."""
    kept = down if down is not None and not down.empty else None
    return MigrationFile(path=path, name=name, up=up, down=kept, reversible=kept is not None, checksum=checksum)


_JS_COMMENT = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|/\*.*?\*/|//[^\n]*""", re.DOTALL
)


def without_comments(script: str) -> str:
    """JavaScript or TypeScript less its comments; strings stay."""
    return _JS_COMMENT.sub(lambda m: m.group(1) or " ", script)


def script_undoes(script: str) -> bool:
    """Whether a JavaScript or TypeScript migration has a `down` that does something."""
    text = without_comments(script)
    if re.search(r"\bdown\s*=\s*(?:false|null|undefined)\b", text):
        return False
    if re.search(r"\bdown\b[^{;]{0,300}\{\s*(?:\}|throw\b)", text):
        return False
    return bool(re.search(r"\bdown\b\s*(?:=|\(|:)|\bfunction\s+down\b", text))


SCRIPTS = r"(?:js|ts|cjs|mjs|cts|mts)"


def digits(name: str) -> tuple[int, str]:
    """The number that a name begins with, then the name."""
    match = re.match(r"\d+", name)
    return (int(match.group()) if match else -1, name)
