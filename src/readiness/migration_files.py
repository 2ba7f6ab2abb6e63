"""Migrations as files, in the form of the project's own framework: named and numbered behind what is there, never over it.

Forms: each framework's documentation, as of 2026. What can't run in a transaction stands in a file of its own, told in the
framework's own way. A framework that is not among the forms gets plain numbered SQL.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from readiness.facts.frameworks import numbered
from readiness.facts.migrations import MigrationFolder
from readiness.remedies import Migration

PLAIN = numbered.NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file, by its path from the folder; `more` is added to what stands there."""

    path: str
    text: str
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a migration stands in the order: its number as the framework writes it, and whose it comes behind."""

    number: str
    after: str | None


def names() -> list[str]:
    return sorted(_FORMS)


def framework_of(folders: Sequence[Path], configured: str | None) -> str:
    """The framework that the profile names, else the one whose files lie in the first of the folders that has any."""
    if configured is not None:
        return configured
    found = (MigrationFolder.read(folder).framework for folder in folders)
    return next((name for name in found if name is not None), PLAIN)


def render(framework: str, migrations: Sequence[Migration], folders: Sequence[Path], now: datetime) -> list[File]:
    """The files of some migrations.

    Args:
        folders: where migrations lie already; the new ones come behind all of them.
    """
    form = _FORMS.get(framework, _FORMS[PLAIN])
    held = [f.path for folder in folders for f in MigrationFolder.read(folder, framework=framework).files]
    heads = _heads(folders, framework)
    files: list[File] = []
    after = heads[-1] if heads else None
    for n, migration in enumerate(migrations):
        number = form.number(held, n, now)
        files += form.write(migration, _Place(number=number, after=after))
        after = _revision(migration, number)
    if framework == "sqitch":
        files = _sqitch_plan(files, migrations, folders, now)
    return files


def write(folder: Path, files: Sequence[File]) -> list[Path]:
    """Write the files; one that is there already is left alone.

    Raises:
        FileExistsError: one of them is there; none was written then.
        OSError: the folder can't be made or written to.
    """
    for f in files:
        if not f.more and (folder / f.path).exists():
            raise FileExistsError(17, "is there already; nothing was written", str(folder / f.path))
    written = []
    for f in files:
        path = folder / f.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if f.more else "x", encoding="utf-8") as file:
            file.write(f.text)
        written.append(path)
    return written


# -- what every form shares ------------------------------------------------------------------------------------


def _notes(migration: Migration, mark: str = "--") -> str:
    lines = [*migration.notes]
    if not migration.tied:
        lines = [line for line in lines if line]
    return "".join(f"{mark} {' '.join(line.split())}\n" for line in lines)


def _sql(statements: Sequence[str]) -> str:
    return "".join(f"{s};\n" for s in statements)


def _no_way_back(migration: Migration, mark: str = "--") -> str:
    if not migration.lost:
        return f"{mark} Nothing has to be undone.\n"
    told = [f"{mark} No way back could be derived for:\n"]
    told += [f"{mark}   {' '.join(s.split())}\n" for s in migration.lost]
    return "".join(told)


def _down(migration: Migration) -> str:
    return _sql(migration.down) if migration.down else _no_way_back(migration)


def _own_transaction(statements: str, migration: Migration) -> str:
    return f"begin;\n{statements}commit;\n" if migration.tied else statements


def _kebab(migration: Migration) -> str:
    return migration.name.replace("_", "-")


# -- numbers ---------------------------------------------------------------------------------------------------


def _numbers(held: Sequence[str]) -> list[str]:
    return [m[1] for path in held if (m := re.match(r"[VU]?(\d+)", path.rpartition("/")[2] or path))]


def _stamped(held: Sequence[str], n: int, now: datetime) -> str:
    """A time to the second, as most frameworks number; where the project counts instead, the next number."""
    there = _numbers(held)
    if there and max(map(len, there)) < 12:
        return _counted(held, n, now)
    stamp = now.replace(microsecond=0) + timedelta(seconds=n)
    number = stamp.strftime("%Y%m%d%H%M%S")
    latest = max((int(x) for x in there), default=0)
    return number if int(number) > latest else str(latest + 1 + n)


def _counted(held: Sequence[str], n: int, now: datetime) -> str:
    there = _numbers(held)
    if there and max(map(len, there)) >= 12:
        return _stamped(held, n, now)
    width = max((len(x) for x in there), default=4)
    return str(max((int(x) for x in there), default=0) + 1 + n).zfill(width)


def _milliseconds(held: Sequence[str], n: int, now: datetime) -> str:
    """node-pg-migrate's: milliseconds since 1970, or a UTC time of 17 digits where the project has those."""
    there = _numbers(held)
    if there and max(map(len, there)) == 17:
        return max((now + timedelta(seconds=n)).strftime("%Y%m%d%H%M%S000"), str(max(map(int, there)) + 1 + n))
    if there and max(map(len, there)) < 12:
        return _counted(held, n, now)
    return str(max(int(now.timestamp() * 1000), max((int(x) for x in there), default=0) + 1) + n)


# -- the forms -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Form:
    number: Callable[[Sequence[str], int, datetime], str]
    write: Callable[[Migration, _Place], list[File]]


def _node_pg_migrate(m: Migration, place: _Place) -> list[File]:
    stem = f"{place.number}_{_kebab(m)}"
    if m.tied:
        return [
            File(path=f"{stem}.sql", text=f"-- Up Migration\n{_notes(m)}{_sql(m.up)}\n-- Down Migration\n{_down(m)}")
        ]

    # Plain SQL always runs in a transaction there; a script can leave it.
    def calls(statements: Sequence[str]) -> str:
        return "".join(f"  pgm.sql({json.dumps(s)});\n" for s in statements)

    back = (
        f"exports.down = (pgm) => {{\n  pgm.noTransaction();\n{calls(m.down)}}};\n"
        if m.down
        else ("exports.down = () => {};\n" if m.down is not None else f"{_no_way_back(m, '//')}exports.down = false;\n")
    )
    text = f"{_notes(m, '//')}exports.up = (pgm) => {{\n  pgm.noTransaction();\n{calls(m.up)}}};\n\n{back}"
    return [File(path=f"{stem}.cjs", text=text)]


def _dbmate(m: Migration, place: _Place) -> list[File]:
    untied = "" if m.tied else " transaction:false"
    text = f"-- migrate:up{untied}\n{_notes(m)}{_sql(m.up)}\n-- migrate:down{untied}\n{_down(m)}"
    return [File(path=f"{place.number}_{m.name}.sql", text=text)]


def _goose(m: Migration, place: _Place) -> list[File]:
    untied = "" if m.tied else "-- +goose NO TRANSACTION\n"

    # A statement with a body of its own holds semicolons; told to be one, it is one.
    def told(statements: Sequence[str]) -> str:
        return "".join(
            f"-- +goose StatementBegin\n{s};\n-- +goose StatementEnd\n" if ";" in s else f"{s};\n" for s in statements
        )

    down = told(m.down) if m.down else _no_way_back(m)
    return [
        File(
            path=f"{place.number}_{m.name}.sql",
            text=f"{untied}-- +goose Up\n{_notes(m)}{told(m.up)}\n-- +goose Down\n{down}",
        )
    ]


def _golang_migrate(m: Migration, place: _Place) -> list[File]:
    stem = f"{place.number}_{m.name}"
    up = File(path=f"{stem}.up.sql", text=_notes(m) + _own_transaction(_sql(m.up), m))
    down = _own_transaction(_sql(m.down), m) if m.down else _no_way_back(m)
    return [up, File(path=f"{stem}.down.sql", text=down)]


def _flyway(m: Migration, place: _Place) -> list[File]:
    files = [File(path=f"V{place.number}__{m.name}.sql", text=_notes(m) + _sql(m.up))]
    back = File(path=f"U{place.number}__{m.name}.sql", text=_down(m))
    if m.down is not None:
        files.append(back)
    if not m.tied:
        files += [File(path=f"{f.path}.conf", text="executeInTransaction=false\n") for f in tuple(files)]
    return files


def _sqitch(m: Migration, _place: _Place) -> list[File]:
    name = _kebab(m)
    deploy = f"-- Deploy {name}\n{_notes(m)}{_own_transaction(_sql(m.up), m)}"
    back = _own_transaction(_sql(m.down), m) if m.down else _no_way_back(m)
    return [
        File(path=f"deploy/{name}.sql", text=deploy),
        File(path=f"revert/{name}.sql", text=f"-- Revert {name}\n{back}"),
    ]


def _sqitch_plan(
    files: list[File], migrations: Sequence[Migration], folders: Sequence[Path], now: datetime
) -> list[File]:
    there = any((folder / "sqitch.plan").exists() for folder in folders[:1])
    head = "" if there else "%syntax-version=1.0.0\n%project=readiness\n\n"
    when = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = "".join(f"{_kebab(m)} {when} readiness <readiness@localhost> # {m.notes[0]}\n" for m in migrations)
    return [*files, File(path="sqitch.plan", text=head + lines, more=there)]


def _prisma(m: Migration, place: _Place) -> list[File]:
    folder = f"{place.number}_{m.name}"
    return [
        File(path=f"{folder}/migration.sql", text=_notes(m) + _sql(m.up)),
        File(path=f"{folder}/down.sql", text=_down(m)),
    ]


def _knex(m: Migration, place: _Place) -> list[File]:
    def calls(statements: Sequence[str]) -> str:
        return "".join(f"  await knex.raw({json.dumps(s.replace('?', chr(92) + '?'))});\n" for s in statements)

    down = calls(m.down) if m.down else _no_way_back(m, "  //")
    if m.down is None:
        down += "  throw new Error('no way back');\n"
    untied = "" if m.tied else "\nexports.config = { transaction: false };\n"
    text = (
        f"{_notes(m, '//')}exports.up = async (knex) => {{\n{calls(m.up)}}};\n\n"
        f"exports.down = async (knex) => {{\n{down}}};\n{untied}"
    )
    return [File(path=f"{place.number}_{m.name}.js", text=text)]


def _liquibase(m: Migration, place: _Place) -> list[File]:
    untied = "" if m.tied else " runInTransaction:false"
    changes = f"--changeset readiness:{place.number}_{m.name} splitStatements:true{untied}\n{_notes(m)}{_sql(m.up)}"
    back = "".join(f"--rollback {' '.join(s.split())};\n" for s in m.down or ())
    told = back or ("--rollback empty\n" if m.down is not None else _no_way_back(m))
    return [File(path=f"{place.number}_{m.name}.sql", text=f"--liquibase formatted sql\n\n{changes}{told}")]


def _alembic(m: Migration, place: _Place) -> list[File]:
    def calls(statements: Sequence[str], indent: str) -> str:
        return "".join(f"{indent}op.execute({json.dumps(s)})\n" for s in statements)

    def body(statements: Sequence[str] | None, otherwise: str) -> str:
        if not statements:
            return otherwise
        block = "    with op.get_context().autocommit_block():\n"
        return calls(statements, "    ") if m.tied else block + calls(statements, "        ")

    revision = _revision(m, place.number)
    # An Alembic script that can't be undone says so by raising, so that `alembic downgrade` stops there.
    stop = "pass" if m.down is not None else 'raise NotImplementedError("no way back could be derived")'
    lost = f"{_no_way_back(m, '    #')}    {stop}\n"
    text = (
        f"{_notes(m, '#')}from alembic import op\n\nrevision = {revision!r}\ndown_revision = {place.after!r}\n"
        "branch_labels = None\ndepends_on = None\n\n\n"
        f"def upgrade():\n{body(m.up, '    pass' + chr(10))}\n\n"
        f"def downgrade():\n{body(m.down, lost)}"
    )
    return [File(path=f"{revision}_{m.name}.py", text=text)]


def _numbered(m: Migration, place: _Place) -> list[File]:
    stem = f"{place.number}_{m.name}"
    files = [File(path=f"{stem}.sql", text=_notes(m) + _own_transaction(_sql(m.up), m))]
    back = _own_transaction(_sql(m.down), m) if m.down else _no_way_back(m)
    return [*files, File(path=f"{stem}.down.sql", text=back)]


def _revision(m: Migration, number: str) -> str:
    return hashlib.sha256(f"{number}{m.name}".encode()).hexdigest()[:12]


def _heads(folders: Sequence[Path], framework: str) -> list[str]:
    """The migrations that none builds on, where the framework keeps a graph."""
    files = [f for folder in folders for f in MigrationFolder.read(folder, framework=framework).files]
    built_on = {name for f in files for name in f.after or ()}
    return sorted({f.name for f in files if f.after is not None} - built_on)


_FORMS: Mapping[str, _Form] = {
    "node-pg-migrate": _Form(_milliseconds, _node_pg_migrate),
    "dbmate": _Form(_stamped, _dbmate),
    "goose": _Form(_stamped, _goose),
    "golang-migrate": _Form(_counted, _golang_migrate),
    "flyway": _Form(_counted, _flyway),
    "sqitch": _Form(_counted, _sqitch),
    "prisma": _Form(_stamped, _prisma),
    "knex": _Form(_stamped, _knex),
    "liquibase": _Form(_counted, _liquibase),
    "alembic": _Form(_counted, _alembic),
    PLAIN: _Form(_counted, _numbered),
}
