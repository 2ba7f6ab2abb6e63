"""Pending migrations, read by squawk (the extra `migrations`): statements that block others for long, or destroy.

What is applied has done its harm. What is pending is weighed against the tables that are there, and how large they are: a
lock on a table that the same deployment creates, or that holds a hundred rows, blocks nobody.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.frameworks.form import MigrationFile, Script
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.standing import MigrationStandings, Standing
from readiness.model import Reason
from readiness.sqltext import Statement, Token, qualified, statements

SECONDS = 20

# squawk's rules (https://squawkhq.com/docs/rules), of those that are no matter of taste.
BLOCKING = frozenset(
    {"adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field"}
    | {"adding-serial-primary-key-field", "changing-column-type", "constraint-missing-not-valid"}
    | {"disallowed-unique-constraint", "require-concurrent-index-creation", "require-concurrent-index-deletion"}
)
DESTROYING = frozenset(
    {
        "ban-drop-column",
        "ban-drop-database",
        "ban-drop-table",
        "ban-truncate-cascade",
        "renaming-column",
        "renaming-table",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What squawk says of a statement on a table that is there.

    Args:
        rule: squawk's.
        line: in the file, from 1.
        rows: of the table, as the planner estimates; None where it was never analysed.
    """

    rule: str
    line: int
    table: str
    rows: int | None
    message: str
    advice: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMigration:
    """A pending migration; `remarks` is None where it is no SQL, and what it will run is not known before."""

    name: str
    place: str
    remarks: tuple[Remark, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMigrations:
    directory: str
    found: tuple[PendingMigration, ...]

    @classmethod
    def take(cls, standings: MigrationStandings, server: Server, postgres: Postgres) -> Self:
        folder, history = standings.folder, standings.history
        if history is not None and history.unseen is not None:
            raise history.unseen
        pending = [m.file for m in standings.migrations if m.standing is not Standing.APPLIED and m.file]
        if not pending:
            return cls(directory=folder.directory, found=())
        program, tables = _program(), _tables(postgres)
        return cls(
            directory=folder.directory,
            found=tuple(
                PendingMigration(
                    name=f.name, place=folder.place(f.path), remarks=_remarks(program, f, server.version_num, tables)
                )
                for f in pending
            ),
        )


def _program() -> str:
    """Where squawk is.

    Raises:
        Unobservable: nowhere.
    """
    beside = Path(sys.executable).with_name("squawk")
    found = str(beside) if beside.is_file() else shutil.which("squawk")
    if found is None:
        raise Unobservable(
            Reason.UNSUPPORTED,
            "reading SQL needs squawk, which is not installed",
            "pip install 'readiness[migrations]'",
        )
    return found


def _tables(postgres: Postgres) -> dict[str, int | None]:
    """Rows by the qualified name, and by the bare one (the largest of that name), as the planner estimates them."""
    found: dict[str, int | None] = {}
    for row in postgres.rows(_TABLES, marker="pending-migrations"):
        rows = None if row["rows"] < 0 else int(row["rows"])
        found[f"{row['schema']}.{row['name']}"] = rows
        bare = found.get(row["name"], 0)
        found[row["name"]] = None if rows is None or bare is None else max(rows, bare)
    return found


def _remarks(
    program: str, file: MigrationFile, version: int, tables: Mapping[str, int | None]
) -> tuple[Remark, ...] | None:
    if file.up is None:
        return None
    parts = statements(file.up.sql)
    found = []
    for said in _squawk(program, file.up, version):
        rule, line = str(said.get("rule_name")), int(said.get("line", 0)) + 1
        if rule not in BLOCKING | DESTROYING:
            continue
        statement = next((s for s in reversed(parts) if s.line <= line), None)
        table = _table(statement, tables) if statement else None
        if table is None:
            continue
        found.append(
            Remark(
                rule=rule,
                line=file.up.line + line - 1,
                table=table,
                rows=tables[table],
                message=str(said.get("message", "")),
                advice=said.get("help"),
            )
        )
    return tuple(found)


def _table(statement: Statement, tables: Mapping[str, int | None]) -> str | None:
    """The table that a statement works on, where it is there already."""
    words = list(statement.tokens)
    created = statement.created
    if created is not None and created.kind == "index":
        at = next((n for n, t in enumerate(words) if t.says("on")), len(words))
        return _known(words[at + 1 :], tables)
    while words and words[0].says("alter", "drop", "truncate", "table"):
        words.pop(0)
    return _known(words, tables)


def _known(words: Sequence[Token], tables: Mapping[str, int | None]) -> str | None:
    rest = list(words)
    while rest and rest[0].says("if", "exists", "only"):
        rest.pop(0)
    name = qualified(rest)
    return name if name in tables else None


def _squawk(program: str, script: Script, version: int) -> list[dict[str, Any]]:
    """What it says, rule by rule. It is given the text and an empty folder: the repository's own settings don't count."""
    command = [
        program,
        "--reporter",
        "json",
        "--pg-version",
        str(version // 10_000),
        "--stdin-filepath",
        "migration.sql",
    ]
    command += ["--assume-in-transaction"] if script.transactional else []
    with tempfile.TemporaryDirectory() as nowhere:
        try:
            done = subprocess.run(
                command, input=script.sql.encode(), cwd=nowhere, capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise Unobservable(Reason.TIMEOUT, f"squawk gave no answer within {SECONDS} s") from None
    try:
        said = json.loads(done.stdout or b"[]")
    except ValueError:
        said = None
    if not isinstance(said, list):
        raise Unobservable(Reason.ERROR, f"squawk failed: {done.stderr.decode('utf-8', 'replace').strip()[:200]}")
    return [s for s in said if isinstance(s, dict)]


_TABLES = """
select
    ns.nspname::text as schema,
    c.relname::text as name,
    c.reltuples::float8 as rows
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p', 'm')
    and c.relpersistence <> 't'
    and ns.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
order by ns.nspname, c.relname
"""
