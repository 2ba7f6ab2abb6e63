"""Edited, out of order, locked, undocumented, unchecked, with data in it: what migrations must not be."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import stage
from asking import ask, found
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import Examined, NotApplicable, Outcome, Unknown
from readiness.profile import Profile

PROFILE = Profile.model_validate(
    {
        "name": "t",
        "migrations": {"directory": "db/migrations", "rollback_document": "docs/rollback.md", "seeds": "db/seeds"},
    }
)
PGMIGRATIONS = "create table pgmigrations (id serial primary key, name varchar(255), run_on timestamp)"
UP_DOWN = "-- Up Migration\ncreate table t (id int);\n-- Down Migration\ndrop table t;\n"
ONE, TWO, THREE = "1700000000001_one", "1700000000002_two", "1700000000003_three"


@pytest.fixture(scope="module")
def empty(embedded_cluster: Cluster) -> Iterator[Database]:
    """A database that nothing is asked of."""
    with stage.database(embedded_cluster) as made:
        yield made


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def migrations(*names: str, text: str = UP_DOWN) -> dict[str, str]:
    return {f"db/migrations/{name}.sql": text for name in names}


def git(folder: Path, *arguments: str, at: int | None = None) -> None:
    env = os.environ | ({"GIT_COMMITTER_DATE": f"@{at} +0000", "GIT_AUTHOR_DATE": f"@{at} +0000"} if at else {})
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, env=env)


def commit(folder: Path, at: int) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "a change", at=at)


def look(check: str, database: Database, folder: Path, profile: Profile = PROFILE) -> Outcome:
    return ask(check, database.dsn(), profile=profile, folder=folder)


# -- edited ----------------------------------------------------------------------------------------------------


def test_edited_after_it_was_applied(embedded_database: Database, tmp_path: Path):
    check, now = "migration/edited-migration", int(time.time())
    write(tmp_path, migrations(ONE, TWO, THREE))
    assert isinstance(look(check, embedded_database, tmp_path), NotApplicable)
    embedded_database.run(
        f"{PGMIGRATIONS}; insert into pgmigrations (name, run_on) "
        f"select name, to_timestamp({now - 1000}) from unnest(array['{ONE}', '{TWO}', '{THREE}']) as name"
    )
    unversioned = look(check, embedded_database, tmp_path)
    assert isinstance(unversioned, Unknown)
    assert "git doesn't know the file" in unversioned.detail
    git(tmp_path, "init", "-q")
    commit(tmp_path, now - 3000)
    # Edited before it was applied; then its comment, its white space and the way back: all that may be.
    write(tmp_path, migrations(ONE, text=UP_DOWN.replace("id int", "id bigint")))
    commit(tmp_path, now - 2000)
    write(tmp_path, migrations(TWO, text="-- Up Migration\n-- more\nCREATE TABLE t\n(id int);\n-- Down Migration\n"))
    commit(tmp_path, now - 500)
    assert found(look(check, embedded_database, tmp_path)) == set()
    write(tmp_path, migrations(THREE, text=UP_DOWN.replace("id int", "id uuid")))
    assert found(look(check, embedded_database, tmp_path)) == {THREE}
    commit(tmp_path, now - 400)
    outcome = look(check, embedded_database, tmp_path)
    assert found(outcome) == {THREE}
    assert isinstance(outcome, Examined)
    evidence = next(o.evidence for o in outcome.findings)
    assert evidence["file"] == f"db/migrations/{THREE}.sql"
    assert evidence["changed_in"] not in (None, "the work tree")
    # The remedy, to the letter.
    git(tmp_path, "checkout", "HEAD~1", "--", f"db/migrations/{THREE}.sql")
    assert found(look(check, embedded_database, tmp_path)) == set()
    bare = ask(check, embedded_database.bare_dsn(), profile=PROFILE, folder=tmp_path)
    assert isinstance(bare, Unknown)
    assert "grant select on public.pgmigrations" in (bare.unlock or "")


def test_where_no_time_is_kept_an_edit_is_unknown(embedded_database: Database, tmp_path: Path):
    both = "-- migrate:up\ncreate table t (id int);\n-- migrate:down\ndrop table t;\n"
    write(tmp_path, migrations("1_a", "2_b", text=both))
    git(tmp_path, "init", "-q")
    commit(tmp_path, int(time.time()) - 100)
    embedded_database.run(
        "create table schema_migrations (version varchar(128) primary key); "
        "insert into schema_migrations values ('1'), ('2')"
    )
    check = "migration/edited-migration"
    assert found(look(check, embedded_database, tmp_path)) == set()
    write(tmp_path, migrations("2_b", text=both.replace("int", "uuid")))
    commit(tmp_path, int(time.time()))
    outcome = look(check, embedded_database, tmp_path)
    assert isinstance(outcome, Unknown)
    assert "dbmate doesn't record when" in outcome.detail


def test_a_shallow_clone_tells_nothing_of_the_past(embedded_database: Database, tmp_path: Path):
    origin = write(tmp_path / "origin", migrations(ONE))
    git(origin, "init", "-q")
    commit(origin, 1_700_000_000)
    write(origin, {"README": "more"})
    commit(origin, 1_700_000_100)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{origin}", "clone")
    embedded_database.run(f"{PGMIGRATIONS}; insert into pgmigrations (name, run_on) values ('{ONE}', now())")
    outcome = look("migration/edited-migration", embedded_database, tmp_path / "clone")
    assert isinstance(outcome, Unknown)
    assert outcome.unlock
    assert "unshallow" in outcome.unlock


def test_a_hostile_repository_runs_nothing(empty: Database, tmp_path: Path):
    trap = tmp_path / "trap"
    program = write(tmp_path, {"run.sh": f"#!/bin/sh\ntouch {trap}\ncat\n"}) / "run.sh"
    program.chmod(0o755)
    folder = write(tmp_path / "repository", migrations(ONE) | {".gitattributes": "*.sql filter=evil diff=evil\n"})
    git(folder, "init", "-q")
    commit(folder, 1_700_000_000)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "core.pager"):
        git(folder, "config", key, str(program))
    for key in ("diff.external", "gpg.program", "core.sshCommand", "core.editor", "diff.evil.command"):
        git(folder, "config", key, str(program))
    git(folder, "config", "log.showSignature", "true")
    (folder / ".git/hooks/post-index-change").write_text(program.read_text())
    (folder / ".git/hooks/post-index-change").chmod(0o755)
    write(folder, migrations(ONE, text=UP_DOWN + "-- changed\n"))
    assert found(look("migration/unversioned-migration", empty, folder)) == {f"{ONE}.sql"}
    assert not trap.exists()
    subprocess.run(["git", "status"], cwd=folder, capture_output=True, check=False)
    assert trap.exists(), "the trap itself works"


# -- order and locks -------------------------------------------------------------------------------------------


def test_out_of_order(database: Database):
    check = "migration/out-of-order-migration"
    assert isinstance(ask(check, database.dsn()), NotApplicable)
    database.run(f"{PGMIGRATIONS}; insert into pgmigrations (name, run_on) values ('{ONE}', now()), ('{TWO}', now())")
    assert found(ask(check, database.dsn())) == set()
    database.run("insert into pgmigrations (name, run_on) values ('1700000000000_late', now() + interval '1 s')")
    assert found(ask(check, database.dsn())) == {"1700000000000_late"}
    database.run(f"insert into pgmigrations (name, run_on) values ('{THREE}', now() + interval '2 s')")
    assert found(ask(check, database.dsn())) == {"1700000000000_late"}
    assert isinstance(ask(check, database.bare_dsn()), Unknown)


LOCK = "databasechangeloglock (id int primary key, locked boolean, lockgranted timestamp, lockedby varchar)"
LOG = (
    "databasechangelog (id varchar, author varchar, filename varchar, dateexecuted timestamp, orderexecuted int, "
    "exectype varchar, md5sum varchar)"
)


def test_stuck_lock(database: Database):
    check = "migration/stuck-migration-lock"
    assert isinstance(ask(check, database.dsn()), NotApplicable)
    database.run(f"create table {LOG}; create table {LOCK}; insert into databasechangeloglock values (1, false)")
    assert found(ask(check, database.dsn())) == set()
    database.run("update databasechangeloglock set locked = true, lockgranted = localtimestamp, lockedby = 'ci-1'")
    assert found(ask(check, database.dsn())) == set()
    database.run("update databasechangeloglock set lockgranted = localtimestamp - interval '2 hours'")
    assert found(ask(check, database.dsn())) == {"public.databasechangelog"}
    bare = ask(check, database.bare_dsn())
    assert isinstance(bare, Unknown)
    database.run(bare.unlock or "")
    assert found(ask(check, database.bare_dsn())) == {"public.databasechangelog"}
    database.run("update databasechangeloglock set locked = false, lockgranted = null, lockedby = null")
    assert found(ask(check, database.dsn())) == set()


# -- documents, seeds, CI --------------------------------------------------------------------------------------


def test_rollback_document(empty: Database, tmp_path: Path):
    check = "migration/rollback-undocumented"
    nowhere = Profile.model_validate({"name": "t", "migrations": {"directory": "db/migrations"}})
    assert isinstance(look(check, empty, tmp_path, nowhere), Unknown)
    write(tmp_path, migrations(ONE, TWO))
    assert found(look(check, empty, tmp_path)) == {"docs/rollback.md"}
    write(tmp_path, {"docs/rollback.md": f"Undo {ONE} first.\n{TWO}_and_a_half is another.\n"})
    assert found(look(check, empty, tmp_path)) == {TWO}
    write(tmp_path, {"docs/rollback.md": f"| {ONE} | x |\n| `{TWO}.sql` | y |\n"})
    assert found(look(check, empty, tmp_path)) == set()
    # In a clone every file is as old as the clone: there the commits' times count.
    git(tmp_path, "init", "-q")
    commit(tmp_path, 1_700_000_000)
    assert found(look(check, empty, tmp_path)) == set()
    write(tmp_path, migrations(THREE))
    commit(tmp_path, 1_700_000_100)
    assert found(look(check, empty, tmp_path)) == {"docs/rollback.md", THREE}
    with (tmp_path / "docs/rollback.md").open("a") as file:
        file.write(f"| {THREE} | z |\n")
    commit(tmp_path, 1_700_000_200)
    assert found(look(check, empty, tmp_path)) == set()


def test_seeds(empty: Database, tmp_path: Path):
    check = "schema/no-seeds-folder"
    assert found(look(check, empty, tmp_path)) == {"db/seeds"}
    (tmp_path / "db/seeds").mkdir(parents=True)
    assert found(look(check, empty, tmp_path)) == {"db/seeds"}
    write(tmp_path, {"db/seeds/a.sql": "insert into t values (1) on conflict do nothing"})
    assert found(look(check, empty, tmp_path)) == set()
    assert isinstance(look(check, empty, tmp_path, Profile(name="t")), Unknown)


MANY = ", ".join(f"({n}, 'a, (b)')" for n in range(11))


@pytest.mark.parametrize(
    ("name", "text", "seeds"),
    [
        ("1_a.up.sql", f"create table t (id int, b text); insert into t values {MANY};", True),
        ("1_a.up.sql", "insert into t values (1), (2), (3);" * 4, True),
        ("1_a.up.sql", "copy t (a) from stdin;\n1\n2\n\\.\n", True),
        ("1_a.up.sql", f"with x as (select 1) insert into t values {MANY}", True),
        ("1_a.up.sql", "insert into kinds values ('a'), ('b'), ('c')", False),
        ("1_a.up.sql", "insert into auth.users (id, name) select id, name from public.users", False),
        ("1_a.up.sql", f"-- insert into t values {MANY}\nselect 1", False),
        ("1_a.up.sql", f"create function f() returns void language sql as $$ insert into t values {MANY} $$", False),
        ("1_a.up.sql", f"create table t (v int check (v in (1, 2))); select 'insert into t values {MANY[:9]}'", False),
        ("20240101000000_a.js", "exports.up = (knex) => knex('t').insert([{a: 1}]); exports.down = k => k.x();", True),
        ("20240101000000_a.js", "exports.up = (knex) => knex.schema.createTable('t'); exports.down = k => 1;", False),
    ],
)
def test_seed_data_in_a_migration(name: str, text: str, seeds: bool, empty: Database, tmp_path: Path):
    write(tmp_path, {f"db/migrations/{name}": text})
    assert bool(found(look("schema/seed-data-in-migration", empty, tmp_path))) == seeds


def workflow(started: str, run: str) -> dict[str, str]:
    return {".github/workflows/a.yml": f"on: {started}\njobs:\n  a:\n    steps:\n      - run: {run}\n"}


@pytest.mark.parametrize(
    ("files", "checked"),
    [
        ({}, False),
        (workflow("[push]", "npm test"), False),
        (workflow("[push]", "squawk db/migrations/*.sql"), True),
        (workflow("push", "readiness score --migrations db/migrations"), True),
        (workflow("{pull_request: {paths: ['db/**']}}", "npx squawk-cli x"), True),
        (workflow("{pull_request: {paths: ['**/*.sql']}}", "squawk x"), True),
        (workflow("{pull_request: {paths: ['src/**']}}", "squawk x"), False),
        (workflow("{pull_request: {paths-ignore: ['db/**']}}", "squawk x"), False),
        (workflow("{pull_request: }", "squawk x"), True),
        (workflow("{push: {tags: ['v*']}}", "squawk x"), False),
        (workflow("workflow_dispatch", "squawk x"), False),
        (workflow("push", "make lint") | {"Makefile": "lint:\n\tsquawk x\n"}, True),
        (workflow("push", "make lint") | {"Makefile": "lint:\n\techo\n# squawk x\n"}, False),
        (workflow("push", "npm run check") | {"package.json": '{"scripts": {"check": "prisma migrate diff"}}'}, True),
        (workflow("push", "bash scripts/ci") | {"scripts/ci": "alembic -c a.ini check\n"}, True),
        ({".gitlab-ci.yml": "lint:\n  script:\n    - atlas migrate lint --latest 1\n"}, True),
        ({".gitlab-ci.yml": "lint:\n  script:\n    # - squawk x\n    - echo\n"}, False),
        ({"Jenkinsfile": "stage('x') { sh 'flyway -url=x validate' }"}, True),
    ],
)
def test_ci_checks_migrations(files: dict[str, str], checked: bool, empty: Database, tmp_path: Path):
    write(tmp_path, migrations(ONE) | files)
    outcome = look("migration/unchecked-in-ci", empty, tmp_path)
    assert bool(found(outcome)) != checked, outcome


DOCS, REGRESSIONS = "migration/schema-docs-unchecked", "performance/regressions-unchecked"


@pytest.mark.parametrize(
    ("command", "quiet"),
    [
        ("readiness docs --migrations db/migrations -o docs/schema.md --check", {DOCS}),
        ("tbls diff", {DOCS}),
        ("make documentation", set()),
        ("readiness score --baseline last --fail-on new-fail,slower:20%", {REGRESSIONS}),
        ("readiness score --baseline last --fail-on new-fail", set()),
        ("readiness score --fail-on=slower", {REGRESSIONS}),
        ("pytest --benchmark-only", set()),
        ("pytest --benchmark-compare-fail=mean:5%", {REGRESSIONS}),
    ],
)
def test_ci_writes_the_schema_down_and_compares_times(command: str, quiet: set[str], empty: Database, tmp_path: Path):
    write(tmp_path, migrations(ONE) | workflow("push", command))
    for check in (DOCS, REGRESSIONS):
        assert found(look(check, empty, tmp_path)) == (set() if check in quiet else {"db/migrations"})


# -- what pending SQL does -------------------------------------------------------------------------------------

UNSAFE = {
    "create index i on large (b)": True,
    "create index concurrently i on large (b)": False,
    "alter table large alter column b type bigint": True,
    "alter table only public.large add constraint f foreign key (b) references small (a)": True,
    "alter table large add constraint f foreign key (b) references small (a) not valid": False,
    "alter table large add column c text": False,
    "create index i on small (a)": False,
    "alter table small drop column a": True,
    "drop table small": True,
    "drop table none_there": False,
    "create table fresh (a int primary key); create index i on fresh (a); alter table fresh drop column a": False,
    "drop table hollow": False,
    "create index i on unknown (a)": True,
}


def test_a_pending_statement_that_blocks_or_destroys(embedded_database: Database, tmp_path: Path):
    check = "migration/unsafe-statement"
    embedded_database.run(
        f"{PGMIGRATIONS}; create table large (a int, b int); create table small (a int); create table hollow (a int); "
        "create table unknown (a int); insert into large select n, n from generate_series(1, 20000) as n; "
        "insert into small values (1); analyze large; analyze small; vacuum analyze hollow"
    )
    nothing = write(tmp_path, migrations(ONE))
    embedded_database.run(f"insert into pgmigrations (name, run_on) values ('{ONE}', now())")
    assert isinstance(look(check, embedded_database, nothing), NotApplicable)
    names = [f"17000000001{n:02d}_s" for n in range(len(UNSAFE))]
    for name, sql in zip(names, UNSAFE, strict=True):
        write(tmp_path, migrations(name, text=f"-- Up Migration\n-- a remark\n{sql};\n-- Down Migration\n"))
    outcome = look(check, embedded_database, tmp_path)
    assert isinstance(outcome, Examined)
    told = {o.subject: o for o in outcome.observations}
    assert {sql: not told[name].ok for name, sql in zip(names, UNSAFE, strict=True)} == UNSAFE
    assert told[names[0]].evidence["line"] == 3
    assert told[names[0]].evidence["file"] == f"db/migrations/{names[0]}.sql"
    write(tmp_path, {"db/migrations/1700000000900_j.js": "exports.up = pgm => { pgm.x(); };"})
    for name in names:
        (tmp_path / f"db/migrations/{name}.sql").unlink()
    assert isinstance(look(check, embedded_database, tmp_path), Unknown)


# -- what is not recognised ------------------------------------------------------------------------------------


def test_a_folder_of_unknown_files_is_unknown(empty: Database, tmp_path: Path):
    write(tmp_path, {"db/migrations/First.hs": "main = pure ()", "db/migrations/README.md": ""})
    for check in ("pending-migration", "irreversible-migration", "unversioned-migration"):
        assert isinstance(look(f"migration/{check}", empty, tmp_path), Unknown)


def test_a_framework_that_is_misspelt_is_unknown(empty: Database, tmp_path: Path):
    write(tmp_path, migrations(ONE))
    misspelt = Profile.model_validate(
        {"name": "t", "migrations": {"directory": "db/migrations", "framework": "node_pg_migrate"}}
    )
    outcome = look("migration/irreversible-migration", empty, tmp_path, misspelt)
    assert isinstance(outcome, Unknown)
    assert "node-pg-migrate" in (outcome.unlock or "")


def test_what_is_written_in_typescript_is_recorded_as_javascript(embedded_database: Database, tmp_path: Path):
    code = "export async function up(knex: Knex) { await knex.raw('x'); }"
    write(tmp_path, {"db/migrations/20240101000000_one.ts": code})
    embedded_database.run(
        "create table knex_migrations (id serial, name varchar, batch int, migration_time timestamptz); "
        "insert into knex_migrations (name) values ('20240101000000_one.js')"
    )
    assert found(look("migration/pending-migration", embedded_database, tmp_path)) == set()


def test_a_bomb_of_aliases_in_a_workflow(empty: Database, tmp_path: Path):
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(12))
    text = f"{bomb}on: push\njobs:\n  a:\n    steps:\n      - run: *a11\n"
    write(tmp_path, migrations(ONE) | {".github/workflows/a.yml": text})
    assert found(look("migration/unchecked-in-ci", empty, tmp_path)) == {"db/migrations"}
