"""Real projects of real migration frameworks, migrated by the frameworks themselves: how each migration stands is seen.

What is on no package registry that we use (Flyway, Liquibase, golang-migrate, goose, Atlas) is tested at the end, on history
tables written from its documentation: those tests show that we read what it says there, not that it still says so.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from psycopg import conninfo

from asking import ask, found
from conftest import Database
from readiness.embedded import Cluster
from readiness.facts.frameworks import flyway
from readiness.facts.frameworks.form import Script
from readiness.facts.migrations import MigrationFolder
from readiness.model import Examined, Unknown
from readiness.profile import Profile

HERE = Path(__file__).parent / "frameworks"
CACHE = Path(__file__).parent.parent / ".cache" / "frameworks"


@pytest.fixture(scope="session")
def node() -> Path:
    """The frameworks of Node.js, as package-lock.json pins them; installed once, kept in .cache/."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    pinned = [HERE / name for name in ("package.json", "package-lock.json", "prisma.mjs")]
    mark = hashlib.sha256(b"".join(p.read_bytes() for p in pinned)).hexdigest()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = CACHE / "ready"
        if not ready.exists() or ready.read_text() != mark:
            for path in pinned:
                shutil.copy(path, CACHE)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=CACHE, check=True, capture_output=True, timeout=280)
            ready.write_text(mark)
    return CACHE


@dataclass(frozen=True)
class Tool:
    """One framework's project.

    Args:
        files: the project; what lies in `directory` as the first two migrations among them.
        third: a migration that comes later.
        broken: one that can't be applied.
        names: of the first three in the history.
        apply: the command; {} stand for the database's parts.
        edits: how an edit is told: by the framework's checksum, by git, or not at all.
        failed: what is said of one that failed: the framework keeps a record, or it stays pending.
        edit: what is replaced in the second migration's file by what.
        last: the migration without a way back, or None where all have one.
    """

    name: str
    files: dict[str, str]
    third: tuple[str, str]
    broken: tuple[str, str]
    names: tuple[str, str, str]
    apply: list[str]
    edits: Literal["checksum", "git", "unknown"]
    edit: tuple[str, str] = ("b text", "b varchar")
    directory: str = "db/migrations"
    failed: bool = False
    irreversible: tuple[str, ...] = ()
    more: dict[str, str] = field(default_factory=dict)
    needs: Literal["node", "sqitch", "ruby", "python"] = "node"


def js(up: str, down: str, query: str) -> str:
    """A JavaScript migration: `query` is how its framework runs SQL."""
    return (
        "'use strict';\n"
        f"exports.up = async ({query.split('.', maxsplit=1)[0]}) => {{ await {query}(`{up}`); }};\n"
        f"exports.down = async ({query.split('.', maxsplit=1)[0]}) => {{ await {query}(`{down}`); }};\n"
    )


def typeorm(name: str, up: str, down: str) -> str:
    return (
        f"class {name} {{\n  async up(queryRunner) {{ await queryRunner.query(`{up}`); }}\n"
        f"  async down(queryRunner) {{ await queryRunner.query(`{down}`); }}\n}}\nmodule.exports = {{ {name} }};\n"
    )


def alembic(revision: str, after: str | None, up: str, down: str) -> str:
    return (
        f'"""{revision}"""\nfrom alembic import op\n\nrevision: str = {revision!r}\ndown_revision: str | None = {after!r}\n'
        f"branch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n    op.execute({up!r})\n\n\n"
        f"def downgrade() -> None:\n    {f'op.execute({down!r})' if down else 'pass'}\n"
    )


def django(after: str | None, up: str, down: str) -> str:
    back = f", reverse_sql={down!r}" if down else ""
    needed = f"('shop', {after!r})" if after else ""
    return (
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = [{needed}]\n"
        f"    operations = [migrations.RunSQL({up!r}{back})]\n"
    )


def yoyo(up: str, down: str) -> str:
    return f"from yoyo import step\n\n__depends__ = {{}}\n\nsteps = [step({up!r}{f', {down!r}' if down else ''})]\n"


def rails(name: str, up: str, down: str) -> str:
    back = f"  def down\n    execute {down!r}\n  end\n" if down else ""
    return f"class {name} < ActiveRecord::Migration[6.1]\n  def up\n    execute {up!r}\n  end\n{back}end\n"


A, B, C = "create table a (b text)", "alter table a add column c int", "create table c (d int)"
UP = "-- Up Migration\n{};\n-- Down Migration\n{};\n".format
MARKED = "-- migrate:up\n{};\n\n-- migrate:down\n{};\n".format
PLAN = "%syntax-version=1.0.0\n%project=shop\n\n"
PLANNED = "{} 2024-01-0{}T00:00:00Z Me <me@example.org> # a change\n".format

TOOLS = [
    Tool(
        name="node-pg-migrate",
        files={
            "db/migrations/1700000000001_one.sql": UP(A, "drop table a"),
            "db/migrations/1700000000002_two.js": js(B, "alter table a drop column c", "pgm.sql"),
        },
        third=("db/migrations/1700000000003_three.sql", f"-- Up Migration\n{C};\n-- Down Migration\n"),
        broken=("db/migrations/1700000000004_four.sql", UP("selec", "")),
        names=("1700000000001_one", "1700000000002_two", "1700000000003_three"),
        apply=["node-pg-migrate", "up", "-m", "db/migrations"],
        edits="git",
        edit=("c int", "c bigint"),
        irreversible=("1700000000003_three.sql",),
    ),
    Tool(
        name="knex",
        files={
            "knexfile.js": "module.exports = {client: 'pg', connection: process.env.DATABASE_URL, "
            "migrations: {directory: './db/migrations'}};\n",
            "db/migrations/20240101000000_one.js": js(A, "drop table a", "knex.raw"),
            "db/migrations/20240102000000_two.js": js(B, "alter table a drop column c", "knex.raw"),
        },
        third=("db/migrations/20240103000000_three.js", js(C, "drop table c", "knex.raw")),
        broken=("db/migrations/20240104000000_four.js", js("selec", "x", "knex.raw")),
        names=("20240101000000_one.js", "20240102000000_two.js", "20240103000000_three.js"),
        apply=["knex", "migrate:latest", "--knexfile", "knexfile.js"],
        edits="git",
        edit=("c int", "c bigint"),
    ),
    Tool(
        name="typeorm",
        files={
            "source.js": "const { DataSource } = require('typeorm');\nmodule.exports = new DataSource({type: 'postgres', "
            "url: process.env.DATABASE_URL, migrations: ['db/migrations/*.js']});\n",
            "db/migrations/1700000000001-One.js": typeorm("One1700000000001", A, "drop table a"),
            "db/migrations/1700000000002-Two.js": typeorm("Two1700000000002", B, "alter table a drop column c"),
        },
        third=("db/migrations/1700000000003-Three.js", typeorm("Three1700000000003", C, "drop table c")),
        broken=("db/migrations/1700000000004-Four.js", typeorm("Four1700000000004", "selec", "x")),
        names=("One1700000000001", "Two1700000000002", "Three1700000000003"),
        apply=["typeorm", "migration:run", "-d", "source.js"],
        edits="unknown",
        edit=("c int", "c bigint"),
    ),
    Tool(
        name="sequelize",
        files={
            "db/migrations/20240101000000-one.js": js(A, "drop table a", "queryInterface.sequelize.query"),
            "db/migrations/20240102000000-two.js": js(B, "select 1", "queryInterface.sequelize.query"),
        },
        third=("db/migrations/20240103000000-three.js", js(C, "drop table c", "queryInterface.sequelize.query")),
        broken=("db/migrations/20240104000000-four.js", js("selec", "x", "queryInterface.sequelize.query")),
        names=("20240101000000-one.js", "20240102000000-two.js", "20240103000000-three.js"),
        apply=["sequelize-cli", "db:migrate", "--url", "{url}", "--migrations-path", "db/migrations"],
        edits="unknown",
        edit=("c int", "c bigint"),
    ),
    Tool(
        name="prisma",
        files={
            "db/migrations/migration_lock.toml": 'provider = "postgresql"\n',
            "db/migrations/20240101000000_one/migration.sql": f"{A};\n",
            "db/migrations/20240102000000_two/migration.sql": f"{B};\n",
        },
        third=("db/migrations/20240103000000_three/migration.sql", f"{C};\n"),
        broken=("db/migrations/20240104000000_four/migration.sql", "selec;\n"),
        names=("20240101000000_one", "20240102000000_two", "20240103000000_three"),
        apply=["node", "{cache}/prisma.mjs", "db/migrations"],
        edits="checksum",
        edit=("c int", "c bigint"),
        failed=True,
        irreversible=("20240101000000_one", "20240102000000_two", "20240103000000_three"),
    ),
    Tool(
        name="dbmate",
        files={
            "db/migrations/20240101000000_one.sql": MARKED(A, "drop table a"),
            "db/migrations/20240102000000_two.sql": MARKED(B, "alter table a drop column c"),
        },
        third=("db/migrations/20240103000000_three.sql", f"-- migrate:up\n{C};\n-- migrate:down\n"),
        broken=("db/migrations/20240104000000_four.sql", MARKED("selec", "x")),
        names=("20240101000000", "20240102000000", "20240103000000"),
        apply=[
            "{cache}/node_modules/@dbmate/linux-x64/bin/dbmate",
            "--url",
            "{url}?sslmode=disable",
            "--no-dump-schema",
            "-d",
            "db/migrations",
            "migrate",
        ],
        edits="unknown",
        edit=("c int", "c bigint"),
        irreversible=("20240103000000_three.sql",),
    ),
    Tool(
        name="alembic",
        directory="db",
        files={
            "alembic.ini": "[alembic]\nscript_location = db\npath_separator = os\n",
            "db/script.py.mako": "",
            "db/env.py": "import os\nfrom alembic import context\nfrom sqlalchemy import create_engine\n\n"
            "engine = create_engine(os.environ['DATABASE_URL'].replace('postgresql:', 'postgresql+psycopg:'))\n"
            "with engine.connect() as connection:\n    context.configure(connection=connection)\n"
            "    with context.begin_transaction():\n        context.run_migrations()\n",
            "db/versions/a1_one.py": alembic("a1", None, A, "drop table a"),
            "db/versions/b2_two.py": alembic("b2", "a1", B, "alter table a drop column c"),
        },
        third=("db/versions/c3_three.py", alembic("c3", "b2", C, "")),
        broken=("db/versions/d4_four.py", alembic("d4", "c3", "selec", "x")),
        names=("a1", "b2", "c3"),
        apply=["{python}", "-m", "alembic", "upgrade", "head"],
        edits="unknown",
        edit=("c int", "c bigint"),
        irreversible=("versions/c3_three.py",),
        needs="python",
    ),
    Tool(
        name="django",
        directory=".",
        files={
            "settings.py": "import os\nfrom urllib.parse import urlsplit\n\nurl = urlsplit(os.environ['DATABASE_URL'])\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': url.hostname, 'PORT': url.port,\n"
            "    'NAME': url.path[1:], 'USER': url.username, 'PASSWORD': url.password}}\n"
            "INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', 'shop']\nSECRET_KEY = 'x'\n",
            "shop/__init__.py": "",
            "shop/migrations/__init__.py": "",
            "shop/migrations/0001_one.py": django(None, A, "drop table a"),
            "shop/migrations/0002_two.py": django("0001_one", B, "alter table a drop column c"),
        },
        third=("shop/migrations/0003_three.py", django("0002_two", C, "")),
        broken=("shop/migrations/0004_four.py", django("0003_three", "selec", "x")),
        names=("shop.0001_one", "shop.0002_two", "shop.0003_three"),
        apply=["{python}", "-m", "django", "migrate", "--settings=settings"],
        edits="git",
        edit=("c int", "c bigint"),
        irreversible=("shop/migrations/0003_three.py",),
        needs="python",
    ),
    Tool(
        name="yoyo",
        files={
            "db/migrations/0001-one.py": yoyo(A, "drop table a"),
            "db/migrations/0002-two.py": yoyo(B, "alter table a drop column c"),
        },
        third=("db/migrations/0003-three.py", yoyo(C, "")),
        broken=("db/migrations/0004-four.py", yoyo("selec", "x")),
        names=("0001-one", "0002-two", "0003-three"),
        apply=[
            "{python}",
            "-m",
            "yoyo",
            "apply",
            "--batch",
            "--no-config-file",
            "--database",
            "{yoyo}",
            "db/migrations",
        ],
        edits="git",
        edit=("c int", "c bigint"),
        irreversible=("0003-three.py",),
        needs="python",
    ),
    Tool(
        name="sqitch",
        directory="db",
        files={
            "sqitch.conf": "[core]\n\tengine = pg\n\tplan_file = db/sqitch.plan\n\ttop_dir = db\n"
            "[user]\n\tname = Me\n\temail = me@example.org\n",
            "db/sqitch.plan": PLAN + PLANNED("one", 1) + PLANNED("two", 2),
            "db/deploy/one.sql": f"{A};\n",
            "db/revert/one.sql": "drop table a;\n",
            "db/deploy/two.sql": f"{B};\n",
            "db/revert/two.sql": "alter table a drop column c;\n",
        },
        third=("db/deploy/three.sql", f"{C};\n"),
        broken=("db/deploy/four.sql", "selec;\n"),
        names=("one", "two", "three"),
        apply=["sqitch", "deploy", "{sqitch}"],
        edits="checksum",
        edit=("c int", "c bigint"),
        more={
            "third": PLAN + PLANNED("one", 1) + PLANNED("two", 2) + PLANNED("three", 3),
            "broken": PLAN + PLANNED("one", 1) + PLANNED("two", 2) + PLANNED("three", 3) + PLANNED("four", 4),
            "gone": PLAN + PLANNED("two", 2) + PLANNED("three", 3) + PLANNED("four", 4),
        },
        irreversible=("deploy/three.sql",),
        needs="sqitch",
    ),
    Tool(
        name="rails",
        directory="db/migrate",
        files={
            "migrate.rb": "require 'active_record'\nActiveRecord::Base.establish_connection(ENV['DATABASE_URL'])\n"
            "ActiveRecord::MigrationContext.new('db/migrate', ActiveRecord::SchemaMigration).migrate\n",
            "db/migrate/20240101000000_one.rb": rails("One", A, "drop table a"),
            "db/migrate/20240102000000_two.rb": rails("Two", B, "alter table a drop column c"),
        },
        third=("db/migrate/20240103000000_three.rb", rails("Three", C, "")),
        broken=("db/migrate/20240104000000_four.rb", rails("Four", "selec", "x")),
        names=("20240101000000", "20240102000000", "20240103000000"),
        apply=["ruby", "migrate.rb"],
        edits="unknown",
        edit=("c int", "c bigint"),
        irreversible=("20240103000000_three.rb",),
        needs="ruby",
    ),
]


class Project:
    """A framework's project in a folder, with its database."""

    def __init__(self, tool: Tool, folder: Path, database: Database, cache: Path | None) -> None:
        self.tool, self.folder, self.database = tool, folder, database
        its = conninfo.conninfo_to_dict(database.dsn())
        login = f"{its['user']}:{its['password']}@127.0.0.1:{its['port']}/{database.name}"
        self.url = f"postgresql://{login}"
        self.parts = {
            "url": self.url,
            "python": sys.executable,
            "cache": str(cache),
            "yoyo": f"postgresql+psycopg://{login}",
            "sqitch": f"db:pg://{login}",
        }
        self.path = f"{cache}/node_modules/.bin:{os.environ['PATH']}" if cache else os.environ["PATH"]
        if cache:
            (folder / "node_modules").symlink_to(cache / "node_modules")
        self.write(tool.files)
        self.git("init", "-q")

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def plan(self, stage: str) -> None:
        if stage in self.tool.more:
            self.write({"db/sqitch.plan": self.tool.more[stage]})

    def git(self, *arguments: str, at: int | None = None) -> None:
        env = os.environ | ({"GIT_COMMITTER_DATE": f"@{at} +0000", "GIT_AUTHOR_DATE": f"@{at} +0000"} if at else {})
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True, env=env)

    def commit(self, at: int) -> None:
        (self.folder / ".gitignore").write_text("node_modules\n__pycache__\n")
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "a change", at=at)

    def apply(self) -> subprocess.CompletedProcess[str]:
        command = [part.format(**self.parts) for part in self.tool.apply]
        env = {"PATH": self.path, "HOME": str(self.folder), "DATABASE_URL": self.url, "LC_ALL": "C.UTF-8"}
        env |= {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    def ask(self, check: str) -> object:
        profile = Profile.model_validate({"name": "t", "migrations": {"directory": self.tool.directory}})
        return ask(f"migration/{check}", self.database.dsn(), profile=profile, folder=self.folder)

    def states(self) -> dict[str, str]:
        outcome = self.ask("pending-migration")
        assert isinstance(outcome, Examined), outcome
        return {o.subject: str(o.evidence.get("state", "applied")) for o in outcome.observations}


@pytest.fixture(params=TOOLS, ids=lambda tool: tool.name)
def project(
    request: pytest.FixtureRequest,
    embedded_cluster: Cluster,
    make_database: Callable[[Cluster], Database],
    tmp_path: Path,
) -> Iterator[Project]:
    tool: Tool = request.param
    if tool.needs in ("sqitch", "ruby") and shutil.which(tool.needs) is None:
        pytest.skip(f"{tool.needs} is not installed")
    cache = request.getfixturevalue("node") if tool.needs == "node" else None
    yield Project(tool, tmp_path, make_database(embedded_cluster), cache)
    with suppress(OSError):
        (tmp_path / "node_modules").unlink()


def test_a_real_project(project: Project):
    tool = project.tool
    one, two, three = tool.names
    project.commit(int(time.time()) - 5000)
    assert found(project.ask("no-framework")) == {project.database.name}  # type: ignore[arg-type]
    assert project.states() == {one: "pending", two: "pending"}

    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.states() == {one: "applied", two: "applied"}
    for quiet in ("no-framework", "failed-migration", "out-of-order-migration", "stuck-migration-lock"):
        assert found(project.ask(quiet)) == set(), quiet  # type: ignore[arg-type]
    assert found(project.ask("edited-migration")) == set()  # type: ignore[arg-type]
    assert found(project.ask("unversioned-migration")) == set()  # type: ignore[arg-type]

    project.write(dict([tool.third]))
    project.plan("third")
    assert project.states() == {one: "applied", two: "applied", three: "pending"}
    irreversible = found(project.ask("irreversible-migration"))  # type: ignore[arg-type]
    assert {p.removesuffix("/migration.sql") for p in irreversible} == set(tool.irreversible)
    assert project.apply().returncode == 0
    assert project.states() == {one: "applied", two: "applied", three: "applied"}

    project.write(dict([tool.broken]))
    project.plan("broken")
    assert project.apply().returncode != 0
    states = project.states()
    (fourth,) = set(states) - {one, two, three}
    assert states[fourth] == ("failed" if tool.failed else "pending")
    failures = found(project.ask("failed-migration"))  # type: ignore[arg-type]
    assert len(failures) == tool.failed

    second = next(p for p in tool.files if "two" in p.lower())
    before, after = tool.edit
    assert before in tool.files[second]
    project.write({second: tool.files[second].replace(before, after)})
    project.commit(int(time.time()) + 5)
    edited = project.ask("edited-migration")
    if tool.edits == "unknown":
        assert isinstance(edited, Unknown)
        assert f"{tool.name} doesn't record when" in edited.detail
    else:
        assert found(edited) == {two}  # type: ignore[arg-type]

    first = next(p for p in tool.files if "one" in p.lower())
    (project.folder / first).unlink()
    project.plan("gone")
    told = project.states()
    # Of a graph whose history is its heads alone, what a head builds on is known from the files alone.
    assert told.get(one) == (None if tool.name == "alembic" else "applied, without a file")
    if tool.name == "alembic":
        (project.folder / tool.third[0]).unlink()
        (project.folder / tool.broken[0]).unlink()
        assert project.states()[three] == "applied, without a file"


# -- from documentation ----------------------------------------------------------------------------------------


def folder_of(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "m" / name).write_bytes(text.encode())
    return path


PROFILE = Profile.model_validate({"name": "t", "migrations": {"directory": "m"}})


def states(database: Database, folder: Path) -> dict[str, str]:
    outcome = ask("migration/pending-migration", database.dsn(), profile=PROFILE, folder=folder)
    assert isinstance(outcome, Examined), outcome
    return {o.subject: str(o.evidence.get("state", "applied")) for o in outcome.observations}


def edited(database: Database, folder: Path) -> set[str]:
    return found(ask("migration/edited-migration", database.dsn(), profile=PROFILE, folder=folder))


FLYWAY = (
    "create table flyway_schema_history (installed_rank int primary key, version varchar(50), description varchar(200), "
    "type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), "
    "installed_on timestamp default now(), execution_time int, success boolean)"
)


def test_flyway_from_its_documentation(embedded_database: Database, tmp_path: Path):
    files = {
        "V1__old.sql": "create table old (id int);",
        "V2__one.sql": "create table a (b int);\r\n-- two lines\r\n",
        "V10__ten.sql": "create table ten (id int);",
        "V11__eleven.sql": "selec",
        "V12__twelve.sql": "select 1",
        "R__views.sql": "create or replace view v as select 1",
    }
    folder = folder_of(tmp_path, files)
    sums = {name: flyway.checksum(text) for name, text in files.items()}
    assert flyway.checksum("one\r\ntwo\n") == flyway.checksum("one\ntwo")
    rows = ", ".join(
        [
            "(1, '1', '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', null, true)",
            f"(2, '2', 'one', 'SQL', 'V2__one.sql', {sums['V2__one.sql']}, true)",
            f"(3, '10', 'ten', 'SQL', 'V10__ten.sql', {sums['V10__ten.sql']}, true)",
            f"(4, null, 'views', 'SQL', 'R__views.sql', {sums['R__views.sql']}, true)",
            "(5, '9', 'gone', 'SQL', 'V9__gone.sql', 7, true)",
            "(6, '11', 'eleven', 'SQL', 'V11__eleven.sql', 8, false)",
            f"(7, '12', 'twelve', 'SQL', 'V12__twelve.sql', {sums['V12__twelve.sql']}, true)",
            "(8, '12', 'twelve', 'UNDO_SQL', 'U12__twelve.sql', 8, true)",
        ]
    )
    embedded_database.run(
        f"{FLYWAY}; insert into flyway_schema_history "
        f"(installed_rank, version, description, type, script, checksum, success) values {rows}"
    )
    expected = {
        "V1__old.sql": "applied",
        "V2__one.sql": "applied",
        "V10__ten.sql": "applied",
        "V11__eleven.sql": "failed",
        "V12__twelve.sql": "pending",
        "R__views.sql": "applied",
        "V9__gone.sql": "applied, without a file",
    }
    assert states(embedded_database, folder) == expected
    assert found(ask("migration/out-of-order-migration", embedded_database.dsn())) == {"V9__gone.sql"}
    (folder / "m/V10__ten.sql").write_text("create table ten (id bigint);")
    (folder / "m/R__views.sql").write_text("create or replace view v as select 2")
    assert states(embedded_database, folder) == expected | {"R__views.sql": "pending"}
    outcome = ask("migration/edited-migration", embedded_database.dsn(), profile=PROFILE, folder=folder)
    assert found(outcome) == {"V10__ten.sql"}


def test_golang_migrate_from_its_documentation(embedded_database: Database, tmp_path: Path):
    files = {f"{n}_x.{way}.sql": "select 1" for n in (1, 2, 3) for way in ("up", "down")}
    folder = folder_of(tmp_path, files)
    embedded_database.run("create table schema_migrations (version bigint primary key, dirty boolean not null)")
    embedded_database.run("insert into schema_migrations values (2, false)")
    assert states(embedded_database, folder) == {"1": "applied", "2": "applied", "3": "pending"}
    embedded_database.run("update schema_migrations set dirty = true")
    assert states(embedded_database, folder) == {"1": "applied", "2": "failed", "3": "pending"}
    embedded_database.run("update schema_migrations set version = 9, dirty = false")
    assert states(embedded_database, folder)["9"] == "applied, without a file"


def test_goose_from_its_documentation(embedded_database: Database, tmp_path: Path):
    both = "-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;\n"
    go = "func init() { goose.AddMigrationContext(up, nil) }"
    folder = folder_of(tmp_path, {"001_a.sql": both, "002_b.sql": both, "003_c.go": go, "004_d.sql": both})
    embedded_database.run(
        "create table goose_db_version (id serial primary key, version_id bigint, is_applied boolean, "
        "tstamp timestamp default now()); insert into goose_db_version (version_id, is_applied) values "
        "(0, true), (1, true), (2, true), (2, false), (3, true), (7, true)"
    )
    assert states(embedded_database, folder) == {
        "1": "applied",
        "2": "pending",
        "3": "applied",
        "4": "pending",
        "7": "applied, without a file",
    }
    outcome = ask("migration/irreversible-migration", embedded_database.dsn(), profile=PROFILE, folder=folder)
    assert found(outcome) == {"003_c.go"}


def test_liquibase_from_its_documentation(embedded_database: Database, tmp_path: Path):
    files = {
        "a.sql": "--liquibase formatted sql\n\n--changeset me:1\nselect 1;\n--rollback select 2;\n\n"
        "--changeset me:2\nselect 1;\n",
        "b.xml": '<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">'
        '<changeSet id="3" author="me"><createTable tableName="t"/></changeSet>'
        '<changeSet id="4" author="me"><dropTable tableName="t"/></changeSet></databaseChangeLog>',
        "c.yaml": "databaseChangeLog:\n- changeSet:\n    id: 5\n    author: me\n    changes:\n    - sql: {sql: select 1}\n"
        "    rollback: {sql: select 2}\n",
    }
    folder = folder_of(tmp_path, files)
    embedded_database.run(
        "create table databasechangelog (id varchar(255), author varchar(255), filename varchar(255), "
        "dateexecuted timestamp, orderexecuted int, exectype varchar(10), md5sum varchar(35)); "
        "insert into databasechangelog select id, 'me', 'db/changelog/' || file, now(), ordinal, 'EXECUTED', '9:x' "
        "from (values ('1', 'a.sql', 1), ('3', 'b.xml', 2), ('9', 'b.xml', 3)) as done (id, file, ordinal)"
    )
    assert states(embedded_database, folder) == {
        "a.sql::1::me": "applied",
        "a.sql::2::me": "pending",
        "b.xml::3::me": "applied",
        "b.xml::4::me": "pending",
        "c.yaml::5::me": "pending",
        "db/changelog/b.xml::9::me": "applied, without a file",
    }
    read = MigrationFolder.read(folder / "m")
    assert [f.name for f in read.files if not f.reversible] == ["a.sql::2::me", "b.xml::4::me"]


def test_atlas_from_its_documentation(embedded_database: Database, tmp_path: Path):
    files = {"1_a.sql": "create table a (b int);", "2_b.sql": "create table b (c int);", "3_c.sql": "select 1;"}
    folder = folder_of(tmp_path, files | {"atlas.sum": "h1:x\n"})
    sha, sums = hashlib.sha256(), []
    for name, text in files.items():
        sha.update(name.encode() + text.encode())
        sums.append(base64.b64encode(sha.digest()).decode())
    embedded_database.run(
        "create table atlas_schema_revisions (version varchar primary key, description varchar, type bigint, "
        "applied bigint, total bigint, executed_at timestamptz, error text, hash varchar); "
        f"insert into atlas_schema_revisions values ('1', 'a', 2, 1, 1, now(), null, '{sums[0]}'), "
        f"('2', 'b', 2, 0, 1, now(), 'no', '{sums[1]}'), ('0', 'gone', 2, 1, 1, now(), '', 'x')"
    )
    assert states(embedded_database, folder) == {
        "1": "applied",
        "2": "failed",
        "3": "pending",
        "0": "applied, without a file",
    }
    assert edited(embedded_database, folder) == set()
    (folder / "m/1_a.sql").write_text("create table a (b bigint);")
    assert edited(embedded_database, folder) == {"1"}


def test_numbered_sql_alone(embedded_database: Database, tmp_path: Path):
    folder = folder_of(tmp_path, {"001_a.sql": "select 1;", "001_a.down.sql": "select 2;", "002_b.sql": "select 1;"})
    assert states(embedded_database, folder) == {"001_a": "pending", "002_b": "pending"}
    read = MigrationFolder.read(folder / "m")
    assert [(f.name, f.down) for f in read.files] == [
        ("001_a", Script(path="001_a.down.sql", sql="select 2;")),
        ("002_b", None),
    ]
