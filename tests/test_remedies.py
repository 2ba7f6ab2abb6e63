"""Remedies as migration files, in each framework's form; and the proof of them on a scratch copy of a real schema."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import stage
from asking import ask
from asking import found as asked_found
from asking import remedies as asked_remedies
from conftest import Database
from readiness import migration_files, remedies, sqltext
from readiness.facts.migrations import MigrationFolder
from readiness.model import CheckResult, Count, Examined, Observation
from readiness.policy import Policy
from readiness.remedies import ByHand, Phase
from test_cli import libpq
from test_frameworks import node  # noqa: F401  a fixture, asked for by its name
from test_recount import made
from test_scoring import info

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def run_of(*texts: str | None, **evidence: Any):
    findings = tuple(Observation(subject=f"s.t{n}", ok=False, remedy=t, evidence=evidence) for n, t in enumerate(texts))
    outcome = Examined(observations=findings, tally={'"s"': Count(examined=len(texts), ok=0)})
    return made(Policy(name="p"), [CheckResult(check=info("schema/some-defect"), outcome=outcome)])


def step(text: str, **evidence: Any) -> remedies.Step:
    found, by_hand = remedies.read(run_of(text, **evidence))
    assert by_hand == []
    return found[0].steps[-1]


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("create index i on s.t (a);", "drop index s.i"),
        ("create unique index concurrently i on s.t (a);", "drop index concurrently s.i"),
        ('create index concurrently on s."T t" (a, b);', 'drop index concurrently s."T_t_a_b_idx"'),
        ("create index on s.t (lower(a));", None),
        ("create schema x;", "drop schema x"),
        ("create schema if not exists x;", ""),
        ("create role r login;", "drop role r"),
        ("revoke select on table s.t from r;", "grant select on table s.t to r"),
        ("revoke grant option for select on table s.t from r;", "grant select on table s.t to r with grant option"),
        ("revoke grant option for select on table s.t from r cascade;", None),
        ("create type s.mood as enum ('a;b', 'c');", "drop type s.mood"),
        ("create policy p on s.t using (true);", "drop policy p on s.t"),
        ("alter table s.t add constraint c check (a > 0) not valid;", "alter table s.t drop constraint c"),
        ("alter table s.t add constraint c unique using index i;", None),
        ("alter table s.t add primary key (a);", None),
        ("alter table s.t add column a int;", "alter table s.t drop column a"),
        ("alter table s.t validate constraint c;", ""),
        ("alter table s.t alter column a set not null;", "alter table s.t alter column a drop not null"),
        ("alter table s.t enable trigger g;", "alter table s.t disable trigger g"),
        ("alter table s.t enable row level security;", "alter table s.t disable row level security"),
        ("alter table s.t set logged;", "alter table s.t set unlogged"),
        ("alter table s.t set schema x;", "alter table x.t set schema s"),
        ("alter table t set schema x;", None),
        ("alter role r nosuperuser nocreatedb;", "alter role r superuser createdb"),
        ("alter role r connection limit 3;", None),
        ("grant usage on schema s to r;", "revoke usage on schema s from r"),
        ("revoke create on schema s from public;", "grant create on schema s to public"),
        ("drop index concurrently s.i;", None),
        ("comment on table s.t is 'x';", None),
    ],
)
def test_the_way_back(up: str, down: str | None):
    assert step(up).undo == down


def test_a_type_goes_back_where_the_finding_saw_it():
    up = "alter table s.t alter column a type jsonb using a::jsonb;"
    assert step(up, type="text").undo == "alter table s.t alter column a type text using a::text"
    assert step(up).undo is None
    assert step("alter table s.t alter column a type text[] using x(a);", type="text").undo is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "no statement mends it"),
        ("Ask the owner.", "advice"),
        ("alter system set fsync = on;", "a setting of the server"),
        ("vacuum (analyze) s.t;", "maintenance"),
        ("comment on table s.t is '...';", "a placeholder"),
        ("create index on s.t (a); then analyze it", "advice"),
    ],
)
def test_what_no_file_can_hold_is_told(text: str | None, why: str):
    found, (hand,) = remedies.read(run_of(text))
    assert found == []
    assert isinstance(hand, ByHand)
    assert why in hand.why


MANY = (
    "alter table s.a set schema x;",
    "grant select on s.a to r;",
    "create index concurrently on s.a (b);",
    "-- Rewrites the table.\nbegin;\nset local timezone = 'UTC';\nalter table s.a alter column at type timestamptz;\ncommit;",
    "create index concurrently on s.c (b);",
    "create type s.kind as enum ('a', 'b;c');",
    "create type s.kind as enum ('a', 'b;c');",
    "create schema s;",
    "create role r;",
)


def test_the_order_and_what_stands_alone():
    found, _ = remedies.read(run_of(*MANY, type="timestamp without time zone"))
    made_of = remedies.migrations(found, {"schema/some-defect": "No defect"})
    assert [m.phase for m in made_of] == [
        Phase.ROLES,
        Phase.SCHEMAS,
        Phase.NAMES,
        Phase.SHAPE,
        Phase.INDEXES,
        Phase.INDEXES,
        Phase.RIGHTS,
        Phase.MOVES,
    ]
    assert [m.tied for m in made_of] == [True, True, True, True, False, False, True, True]
    assert len({m.name for m in made_of}) == len(made_of)
    first, types = made_of[2], made_of[3]
    assert first.up == (remedies.LOCK_TIMEOUT, "create type s.kind as enum ('a', 'b;c')"), (
        "the same statement runs once"
    )
    assert len(first.mends) == 2
    assert types.up[1:] == ("set local timezone = 'UTC'", "alter table s.a alter column at type timestamptz")
    assert "Rewrites the table." in types.notes
    assert all(len(m.up) == 1 for m in made_of if not m.tied)


HELD = {
    "node-pg-migrate": ("1737014400000_first.sql", "-- Up Migration\nselect 1;\n-- Down Migration\nselect 1;\n"),
    "dbmate": ("20240101000000_first.sql", "-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n"),
    "goose": ("00007_first.sql", "-- +goose Up\nselect 1;\n-- +goose Down\nselect 1;\n"),
    "golang-migrate": ("000003_first.up.sql", "select 1;"),
    "flyway": ("V4__first.sql", "select 1;"),
    "prisma": ("20240101000000_first/migration.sql", "select 1;"),
    "knex": (
        "20240101000000_first.js",
        "exports.up = (knex) => knex.raw('select 1');\nexports.down = () => knex.raw('x');",
    ),
    "alembic": (
        "abc_first.py",
        "revision = 'abc'\ndown_revision = None\n\n\ndef upgrade():\n    op.execute('select 1')\n",
    ),
    "sqitch": ("sqitch.plan", "%syntax-version=1.0.0\n%project=p\n\n"),
    "liquibase": ("1_first.sql", "--liquibase formatted sql\n\n--changeset a:1\nselect 1;\n"),
    migration_files.PLAIN: ("0009_first.sql", "select 1;"),
}
SCRIPTS = {"knex", "alembic"}


@pytest.mark.parametrize("framework", migration_files.names())
def test_every_form_is_read_by_its_own_frameworks_reader(framework: str, tmp_path: Path):
    name, text = HELD[framework]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    before = MigrationFolder.read(tmp_path, framework=framework).files
    found, _ = remedies.read(run_of(*MANY, type="timestamp without time zone"))
    migrations = remedies.migrations(found, {"schema/some-defect": "No defect"})
    files = migration_files.render(framework, migrations, [tmp_path], NOW)
    migration_files.write(tmp_path, files)
    folder = MigrationFolder.read(tmp_path, framework=framework)
    assert folder.framework == framework
    new = folder.files[len(before) :]
    assert len(new) == len(migrations), "behind what was there, and all of them"
    assert [f.name for f in folder.files[: len(before)]] == [f.name for f in before]
    for file, migration in zip(new, migrations, strict=True):
        if framework in SCRIPTS or file.up is None:
            assert "noTransaction" in (tmp_path / file.path).read_text() or framework in SCRIPTS
            continue
        assert bare(file.up.sql) == bare(";".join(migration.up)), file.path
        if framework in ("dbmate", "goose", "flyway"):
            assert file.up.transactional == migration.tied
        if migration.down:
            assert file.down is not None
            assert bare(file.down.sql) == bare(";".join(migration.down))
        elif migration.down is None:
            assert (
                "No way back could be derived"
                in "".join(p.read_text() for p in tmp_path.rglob(f"*{file.path[:20]}*") if p.is_file())
                or framework == "flyway"
            )
    if framework != "sqitch":
        with pytest.raises(FileExistsError):
            migration_files.write(tmp_path, files)


def bare(sql: str) -> list[str]:
    """The statements alone, without what a form puts around them."""
    words = [" ".join(s.text.split()) for s in sqltext.statements(sql)]
    return [w for w in words if w not in ("begin", "commit")]


def test_a_framework_without_a_form_gets_numbered_sql(tmp_path: Path):
    found, _ = remedies.read(run_of("create index on s.t (a);"))
    files = migration_files.render("rails", remedies.migrations(found, {}), [tmp_path], NOW)
    assert [f.path for f in files] == ["0001_mend_some_defect.sql", "0001_mend_some_defect.down.sql"]
    assert migration_files.framework_of([tmp_path], None) == migration_files.PLAIN
    assert migration_files.framework_of([tmp_path], "goose") == "goose"


def test_names_are_free_of_what_is_there_and_of_each_other(embedded_database: Database):
    """An index or a check that has the name already, keys of one column, and two columns of one table."""
    embedded_database.run("""
        create table p (id int primary key);
        create table t (id int primary key, a int references p, b_c int references p, seen bool, heard bool, live bool not null);
        create index on t (a) where live;
        create index on t (a) where not live;
        create table t_b (id int primary key, c int references p, "ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ" int references p);
        create table "T t" (id int primary key, a int references p, long_and_long_and_long_and_long_and_long_and_long int references p);
        alter table t add constraint readiness_not_null_seen check (id is not null);
        alter table t add constraint again foreign key (a) references p;
    """)
    checks = ("performance/fk-without-index", "schema/nullable-boolean-column")
    offered = [text for check in checks for text in asked_remedies(ask(check, embedded_database.dsn()))]
    assert len(offered) == 9
    # No number is behind a name that is free.
    assert "create index concurrently t_b_c_idx on public.t_b (c);" in offered
    found, by_hand = remedies.read(run_of(*offered))
    assert by_hand == []
    made = remedies.migrations(found, {})
    for migration in made:
        for statement in migration.up:
            embedded_database.run(statement)
    assert [f for check in checks for f in asked_found(ask(check, embedded_database.dsn()))] == []
    for migration in reversed(made):
        for statement in migration.down or ():
            embedded_database.run(statement)
    with embedded_database.connect() as connection:
        left = connection.execute("select indexrelid::regclass::text from pg_index where indrelid = 't'::regclass")
        assert {name for (name,) in left} == {"t_pkey", "t_a_idx", "t_a_idx1"}


def test_two_statements_make_no_index_of_one_name():
    found, _ = remedies.read(
        run_of(
            "create index t_b_c_idx on s.t (b_c);",
            "create index t_b_c_idx on s.t_b (c);",
            "create index t_b_c_idx on other.t_b (c);",
            "create index t_b_c_idx on s.t (b_c);",
            "create index on s.t (b, c);",
        )
    )
    assert [r.steps[0].sql for r in found] == [
        "create index t_b_c_idx on s.t (b_c)",
        "create index t_b_c_idx_1 on s.t_b (c)",
        "create index t_b_c_idx on other.t_b (c)",
        "create index t_b_c_idx on s.t (b_c)",
        "create index t_b_c_idx1 on s.t (b, c)",
    ]
    name = step(f'create index on s."{"Ä" * 31}" (a);').sql.split()[2].strip('"')
    assert len(name.encode()) <= 63
    assert step(f'create index on s."{"Ä" * 31}" (a);').undo == f'drop index s."{name}"'


# -- the frameworks themselves ---------------------------------------------------------------------------------

STOCK = """
    create schema shop;
    create schema other;
    create table shop.users (id uuid primary key, at timestamp);
    create table shop.orders (id uuid primary key, user_id uuid references shop.users);
    create index spare on shop.orders (id)
"""
WAYS = (
    "alter table shop.orders set schema other;",
    "create index concurrently on shop.orders (user_id);",
    "begin;\nset local timezone = 'UTC';\nalter table shop.users alter column at type timestamptz;\ncommit;",
    "create type shop.kind as enum ('a', 'b;c''?');",
    "revoke usage on schema shop from public;",
    "drop index concurrently shop.spare;",
)
KNEX = "module.exports = {client: 'pg', connection: process.env.DATABASE_URL, migrations: {directory: './m'}};"


@pytest.mark.parametrize("framework", ["node-pg-migrate", "knex", "dbmate", "sqitch"])
def test_the_framework_itself_applies_the_files_and_undoes_the_last(
    framework: str, request: pytest.FixtureRequest, embedded_database: Database, tmp_path: Path
):
    tools: Path = request.getfixturevalue("node")
    embedded_database.run(STOCK)
    found, by_hand = remedies.read(run_of(*WAYS, type="timestamp without time zone"))
    assert by_hand == []
    folder = tmp_path if framework == "sqitch" else tmp_path / "m"
    folder.mkdir(exist_ok=True)
    migration_files.write(folder, migration_files.render(framework, remedies.migrations(found, {}), [folder], NOW))
    (tmp_path / "knexfile.js").write_text(KNEX)
    (tmp_path / "sqitch.conf").write_text("[core]\n engine = pg\n")
    (tmp_path / "node_modules").symlink_to(tools / "node_modules")
    cluster = embedded_database.cluster
    url = f"postgres://postgres:{cluster.password}@127.0.0.1:{cluster.port}/{embedded_database.name}"
    tool = tools / "node_modules" / ".bin" / framework
    dbmate = tools / "node_modules/@dbmate/linux-x64/bin/dbmate"
    commands: dict[str, tuple[list[str | Path], list[str | Path]]] = {
        "node-pg-migrate": ([tool, "up", "-m", "m"], [tool, "down", "-m", "m"]),
        "knex": ([tool, "migrate:latest"], [tool, "migrate:down"]),
        "dbmate": tuple([dbmate, "-d", "m", "--no-dump-schema", way] for way in ("up", "down")),
        "sqitch": (
            ["sqitch", "deploy", f"db:{url.replace('postgres://', 'pg://')}"],
            ["sqitch", "revert", "-y", "--to", "@HEAD^", f"db:{url.replace('postgres://', 'pg://')}"],
        ),
    }
    env = os.environ | {"DATABASE_URL": f"{url}?sslmode=disable"}

    def run(command: list[str | Path]) -> None:
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def orders_lie_in() -> str:
        with embedded_database.connect() as connection:
            (where,) = connection.execute(
                "select relnamespace::regnamespace::text from pg_class where relname = 'orders'"
            ).fetchone()
            return str(where)

    up, down = commands[framework]
    run(up)
    assert orders_lie_in() == "other"
    with embedded_database.connect() as connection:
        indexes = (
            "select array_agg(indexname::text order by indexname) from pg_indexes where schemaname in ('shop', 'other')"
        )
        assert connection.execute(indexes).fetchone()[0] == ["orders_pkey", "orders_user_id_idx", "users_pkey"]
        assert connection.execute("select enum_range(null::shop.kind)::text").fetchone()[0] == "{a,b;c'?}"
    run(down)
    assert orders_lie_in() == "shop"


# -- the proof -------------------------------------------------------------------------------------------------

BROKEN = """
    create schema shop;
    create table shop.users (id uuid primary key, at timestamp, note text);
    create table shop.orders (id uuid primary key, user_id uuid references shop.users, made timestamp not null);
    create table shop.odd (id int);
    insert into shop.users select gen_random_uuid(), now(), '{"a": 1}' from generate_series(1, 30);
    insert into shop.orders select gen_random_uuid(), id, now() from shop.users
"""
PROFILE = """
name: shop
migrations: {directory: migrations, framework: numbered SQL}
services: {shop: {schemas: [shop], url: 'http://127.0.0.1:1'}}
probing: {http_requests: 2, http_seconds: 1, http_timeout_seconds: 1}
"""


def test_what_is_proved_on_the_copy_holds_on_the_source(embedded_database: Database, tmp_path: Path):
    """The written files, run by psql against the source itself, lead to what the copy had proved."""
    embedded_database.run(BROKEN)
    (tmp_path / "readiness.yaml").write_text(PROFILE)
    stage.write_policy(tmp_path)
    env = stage.environment(tmp_path) | libpq(embedded_database)
    embedded_database.run(f"grant pg_read_all_data to {embedded_database.bare_role}")
    own = ("--policy", "policy.yaml", "--quiet")
    before = stage.run("score", *own, "-f", "json", "--no-evidence", env=env, cwd=tmp_path).document
    (tmp_path / "run.json").write_text(json.dumps(before))
    done = stage.run("plan", "run.json", *own, "--sql", "migrations", "--verify", env=env, cwd=tmp_path, seconds=120)
    assert (done.code, done.err) == (0, "")
    provable, proven = (float(done.out.partition(f"{word}: ")[2].split()[0]) for word in ("Provable there", "Proven"))
    assert provable == proven > before["verdict"]["score"]
    files = sorted((tmp_path / "migrations").glob("*.sql"))
    assert files
    ups = [f for f in files if not f.name.endswith(".down.sql")]
    cluster = embedded_database.cluster
    for f in ups:
        psql(cluster, embedded_database, f)
    after = stage.run("score", *own, "-f", "json", "--no-evidence", env=env, cwd=tmp_path).document
    mended = {c["id"]: c for c in after["checks"]}
    for name in ("schema/timestamp-without-time-zone", "performance/fk-without-index"):
        was = next(c for c in before["checks"] if c["id"] == name)
        assert (was["status"] in ("fail", "partial"), mended[name]["status"]) == (True, "pass"), name
    assert after["verdict"]["score"] >= proven
    again = stage.run("plan", "run.json", *own, "--sql", "migrations", env=env, cwd=tmp_path)
    assert again.code == 0, "numbered behind the first ones"
    for f in reversed([u.with_name(u.name.replace(".sql", ".down.sql")) for u in ups]):
        psql(cluster, embedded_database, f)


def psql(cluster: Any, database: Database, script: Path) -> None:
    copy = cluster.workshop.folder / "script.sql"
    copy.write_text(script.read_text())
    copy.chmod(0o644)
    cluster.tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.name, "-f", str(copy))


def test_a_role_that_may_not_read_every_table_is_told_so(embedded_database: Database, tmp_path: Path):
    embedded_database.run("create table public.t (id int)")
    (tmp_path / "readiness.yaml").write_text("name: p\n")
    stage.write_policy(tmp_path)
    env = stage.environment(tmp_path) | libpq(embedded_database)
    done = stage.run("plan", "--policy", "policy.yaml", "--quiet", "--verify", env=env, cwd=tmp_path, seconds=120)
    assert done.code == 2
    assert "the schema can't be copied" in done.err
    assert "bare-role-of-a-test" not in done.err
    assert "role-sql --tier 4" in done.err
