"""The migration history in the database, the folder, git, and the proofs of drills."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from asking import NOW, ask, found
from conftest import Database
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.facts.migrations import MigrationDigests, MigrationFolder
from readiness.model import Examined, NotApplicable, Reason, Unknown
from readiness.profile import Profile

PROFILE = Profile.model_validate({"name": "t", "migrations": {"directory": "db/migrations"}})
PGMIGRATIONS = "create table pgmigrations (id serial primary key, name varchar(255), run_on timestamp);"


def write(folder: Path, **files: str) -> Path:
    home = folder / "db" / "migrations"
    home.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return folder


UP_DOWN = "-- Up Migration\ncreate table t (id int);\n-- Down Migration\ndrop table t;\n"
ONLY_UP = "-- Up Migration\ncreate table t (id int);\n-- Down Migration\n-- nothing\n"


def test_no_framework(database: Database):
    assert found(ask("migration/no-framework", database.dsn())) == {database.name}
    database.run("create table migrations (id int, title text)")  # about geese
    assert found(ask("migration/no-framework", database.dsn())) == {database.name}
    database.run(PGMIGRATIONS)
    assert found(ask("migration/no-framework", database.dsn())) == set()
    assert found(ask("migration/no-framework", database.bare_dsn())) == set()
    database.run("create table alembic_version (version_num varchar(32) primary key)")
    assert found(ask("migration/no-framework", database.dsn())) == {database.name}


@pytest.mark.parametrize(
    ("table", "rows", "failed"),
    [
        ("schema_migrations (version bigint primary key, dirty boolean)", "(7, true)", "public.schema_migrations 7"),
        (
            "_prisma_migrations (id varchar(36), checksum varchar(64), finished_at timestamptz, migration_name text, "
            "logs text, rolled_back_at timestamptz, started_at timestamptz, applied_steps_count int)",
            "('1', 'x', null, 'init', null, null, now(), 0), ('2', 'x', now(), 'second', null, null, now(), 1)",
            "public._prisma_migrations init",
        ),
        (
            "flyway_schema_history (installed_rank int, version varchar, description varchar, type varchar, "
            "script varchar, checksum int, installed_on timestamp default now(), success boolean)",
            "(1, '1', 'd', 'SQL', 'V1__d.sql', 1, now(), true), (2, '2', 'd', 'SQL', 'V2__d.sql', 1, now(), false)",
            "public.flyway_schema_history V2__d.sql",
        ),
    ],
)
def test_failed_migration(table: str, rows: str, failed: str, embedded_database: Database):
    assert isinstance(ask("migration/failed-migration", embedded_database.dsn()), NotApplicable)
    embedded_database.run(f"create table {table}; insert into {table.split(maxsplit=1)[0]} values {rows}")
    assert found(ask("migration/failed-migration", embedded_database.dsn())) == {failed}
    bare = ask("migration/failed-migration", embedded_database.bare_dsn())
    assert isinstance(bare, Unknown)
    assert bare.reason is Reason.NO_PERMISSION
    embedded_database.run(bare.unlock or "")
    assert found(ask("migration/failed-migration", embedded_database.bare_dsn())) == {failed}
    embedded_database.run(f"alter table {failed.split(maxsplit=1)[0]} enable row level security")
    hidden = ask("migration/failed-migration", embedded_database.bare_dsn())
    assert isinstance(hidden, Unknown)
    assert "BYPASSRLS" in (hidden.unlock or ""), "the grants are there already"


def test_pending_migration(database: Database, tmp_path: Path):
    folder = write(tmp_path, **{"1700000000000_one.sql": UP_DOWN, "1700000000001_two.sql": UP_DOWN})
    check = "migration/pending-migration"
    nothing_applied = ask(check, database.dsn(), profile=PROFILE, folder=folder)
    assert found(nothing_applied) == {"1700000000000_one", "1700000000001_two"}
    database.run(PGMIGRATIONS + "insert into pgmigrations (name) values ('1700000000000_one'), ('1600000000000_gone')")
    outcome = ask(check, database.dsn(), profile=PROFILE, folder=folder)
    assert found(outcome) == {"1700000000001_two", "1600000000000_gone"}
    assert isinstance(ask(check, database.bare_dsn(), profile=PROFILE, folder=folder), Unknown)
    database.run(
        "delete from pgmigrations where name like '16%'; insert into pgmigrations (name) values ('1700000000001_two')"
    )
    assert found(ask(check, database.dsn(), profile=PROFILE, folder=folder)) == set()


@pytest.mark.parametrize(
    ("files", "irreversible"),
    [
        ({"1700000000000_a.sql": UP_DOWN, "1700000000001_b.sql": ONLY_UP}, {"1700000000001_b.sql"}),
        ({"1_a.up.sql": "x", "1_a.down.sql": "y", "2_b.up.sql": "x"}, {"2_b.up.sql"}),
        (
            {"20240101_a.sql": "-- migrate:up\nx;\n-- migrate:down\ny;", "20240102_b.sql": "-- migrate:up\nx;"},
            {"20240102_b.sql"},
        ),
        ({"001_a.sql": "-- +goose Up\nx;\n-- +goose Down\ny;", "002_b.sql": "-- +goose Up\nx;"}, {"002_b.sql"}),
        ({"V1__a.sql": "x", "U1__a.sql": "y", "V2__b.sql": "x"}, {"V2__b.sql"}),
        (
            {
                "1700000000000_a.js": "exports.up = pgm => {}; exports.down = pgm => { pgm.x(); };",
                "1700000000001_b.js": "exports.up = pgm => {}; exports.down = false;",
            },
            {"1700000000001_b.js"},
        ),
        (
            {
                "1700000000000_a.js": "exports.up = pgm => { pgm.createTable('t', {}); pgm.addColumns('t', {}); };",
                "1700000000001_b.js": "exports.up = pgm => { pgm.createTable('t', {}); pgm.dropTable('u'); };",
                "1700000000002_c.js": "exports.up = pgm => { pgm.sql('x'); };\nexports.down = () => { throw new Error('no'); };",
                "1700000000003_d.ts": "export async function up(pgm: MigrationBuilder): Promise<void> { pgm.sql('x'); }\n"
                "export async function down(pgm: MigrationBuilder): Promise<void> { pgm.sql('y'); }",
                "1700000000004_e.ts": "export async function up(pgm: MigrationBuilder): Promise<void> { pgm.sql('x'); }\n"
                "export async function down(): Promise<void> {}\n// function down() { pgm.sql('y'); }",
            },
            {"1700000000001_b.js", "1700000000002_c.js", "1700000000004_e.ts"},
        ),
        (
            {
                "versions/aa_x.py": "revision = 'aa'\ndown_revision = None\ndef upgrade():\n    op.x()\n\ndef downgrade():\n    op.y()\n",
                "versions/bb_x.py": "revision: str = 'bb'\ndown_revision: str | None = 'aa'\ndef upgrade():\n    op.x()\n\ndef downgrade() -> None:\n    pass\n",
            },
            {"versions/bb_x.py"},
        ),
        ({"20240101000000_a/migration.sql": "x"}, {"20240101000000_a/migration.sql"}),
    ],
)
def test_irreversible_migration(
    files: dict[str, str], irreversible: set[str], embedded_database: Database, tmp_path: Path
):
    folder = write(tmp_path, **files)
    outcome = ask("migration/irreversible-migration", embedded_database.dsn(), profile=PROFILE, folder=folder)
    assert found(outcome) == irreversible


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_unversioned_migration(embedded_database: Database, tmp_path: Path):
    folder = write(tmp_path, **{"1700000000000_a.sql": UP_DOWN, "1700000000001_b.sql": UP_DOWN})

    def unversioned() -> set[str]:
        return found(ask("migration/unversioned-migration", embedded_database.dsn(), profile=PROFILE, folder=folder))

    assert unversioned() == {"1700000000000_a.sql", "1700000000001_b.sql"}
    git(folder, "init", "-q")
    git(folder, "add", "db/migrations/1700000000000_a.sql")
    git(folder, "commit", "-q", "-m", "one")
    assert unversioned() == {"1700000000001_b.sql"}
    git(folder, "add", "db")
    git(folder, "commit", "-q", "-m", "two")
    assert unversioned() == set()
    (folder / "db/migrations/1700000000000_a.sql").write_text(ONLY_UP)
    assert unversioned() == {"1700000000000_a.sql"}


def test_an_empty_folder_is_a_finding_and_none_is_unknown(embedded_database: Database, tmp_path: Path):
    absent = ask("migration/unversioned-migration", embedded_database.dsn(), profile=PROFILE, folder=tmp_path)
    assert isinstance(absent, Unknown)
    empty = ask("migration/unversioned-migration", embedded_database.dsn(), profile=PROFILE, folder=write(tmp_path))
    assert found(empty) == {"db/migrations"}


DRILLS = {
    "migration/rollback-unproven": "rollback",
    "migration/data-loss-unproven": "snapshot",
    "operations/restore-unproven": "restore",
}


def record(kind: str, *, days_ago: float = 1, passed: bool = True, system: str | None = "here") -> DrillRecord:
    taken = NOW - timedelta(days=days_ago)
    return DrillRecord(
        id="d1",
        kind=kind,
        target="t",
        system_identifier=system,
        taken_at=taken,
        expires_at=taken + timedelta(days=31),
        passed=passed,
        evidence={"migrations": WALKED} if kind == "rollback" else {},
    )


ONE = {"1700000000000_a.sql": UP_DOWN}
WALKED = ["1700000000000_a.sql cafe"]


@pytest.fixture
def walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose migration is as the drill found it."""
    folder = write(tmp_path, **ONE)
    read = MigrationDigests.of(folder / "db/migrations", MigrationFolder.read(folder / "db/migrations"))
    monkeypatch.setitem(globals(), "WALKED", [f"{path} {sha}" for path, sha in read.by_path.items()])
    return folder


@pytest.mark.parametrize(("check", "kind"), DRILLS.items())
def test_what_a_drill_proved(check: str, kind: str, embedded_database: Database, walked: Path):
    def outcome(*records: DrillRecord):
        drills = DrillRecords(records=records, now=NOW, system_identifier="here")
        return ask(check, embedded_database.dsn(), drills=drills, profile=PROFILE, folder=walked)

    never = outcome(record("load"))
    assert isinstance(never, Unknown)
    assert never.reason is Reason.NO_ATTESTATION
    stale = outcome(record(kind, days_ago=40))
    assert isinstance(stale, Unknown)
    assert stale.reason is Reason.STALE
    elsewhere = outcome(record(kind, system="another"))
    assert isinstance(elsewhere, Unknown)
    assert elsewhere.reason is Reason.STALE
    assert found(outcome(record(kind, passed=False), record(kind, days_ago=3))) == {
        kind if kind != "snapshot" else "content"
    }
    good = outcome(record(kind))
    assert isinstance(good, Examined)
    assert not good.findings
    assert good.observations[0].expires == NOW + timedelta(days=30)
    if kind == "rollback":  # it is the files that were walked, not a server
        assert isinstance(outcome(record(kind, system=None)), Examined)
        write(walked, **ONE | {"1700000000001_b.sql": UP_DOWN})
        added = outcome(record(kind))
        assert isinstance(added, Unknown)
        assert [u.subject for u in added.unseen] == ["1700000000001_b.sql"]


def test_a_folder_is_read_in_the_order_of_its_framework(tmp_path: Path):
    names = {"9_i.up.sql": "a;", "10_j.up.sql": "b;", "10_j.down.sql": "c;", "notes.md": "", "9_i.up.sql.orig": ""}
    folder = MigrationFolder.read(write(tmp_path, **names) / "db/migrations")
    assert folder.framework == "golang-migrate"
    assert [(f.name, f.up and f.up.sql, f.down and f.down.sql) for f in folder.files] == [
        ("9", "a;", None),
        ("10", "b;", "c;"),
    ]


@pytest.mark.parametrize(
    ("files", "framework", "ways"),
    [
        ({"1700000000000_a.sql": UP_DOWN}, "node-pg-migrate", [(2, "create table t (id int);", 4, "drop table t;")]),
        ({"1_a.sql": "-- migrate:up\nx;\n\n-- migrate:down\ny;\n"}, "dbmate", [(2, "x;", 5, "y;")]),
        ({"1_a.sql": "-- +goose Up\nx;\n-- +goose Down\ny;"}, "goose", [(2, "x;", 4, "y;")]),
        ({"V1__a.sql": "x;", "U1__a.sql": "y;"}, "flyway", [(1, "x;", 1, "y;")]),
        ({"001_a.sql": "x;", "001_a.down.sql": "y;"}, "numbered SQL", [(1, "x;", 1, "y;")]),
        (
            {"c.sql": "-- liquibase formatted sql\n\n-- changeset me:1\nx;\n-- rollback y;\n\n-- changeset me:2\nz;"},
            "liquibase",
            [(4, "x;\n-- rollback y;", 5, "y;"), (8, "z;", None, None)],
        ),
    ],
)
def test_both_ways_and_their_lines(files: dict[str, str], framework: str, ways: list[object], tmp_path: Path):
    folder = MigrationFolder.read(write(tmp_path, **files) / "db/migrations")
    assert folder.framework == framework
    found = []
    for f in folder.files:
        assert f.up
        up, down = f.up.sql, f.down
        found.append(
            (
                f.up.line + (len(up) - len(up.lstrip("\n"))),
                up.strip(),
                down.line + (len(down.sql) - len(down.sql.lstrip("\n"))) if down else None,
                down.sql.strip() if down else None,
            )
        )
    assert found == ways
