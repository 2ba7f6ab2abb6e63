"""The rollback drill: each defect of a down is found and named, a clean chain passes, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import pq

import stage
from conftest import Database
from readiness.drills import DrillError, replay, rollback, scratch
from readiness.drills.rollback import Defect, Result
from readiness.embedded import Cluster, Workshop
from readiness.facts.migrations import MigrationFolder
from readiness.profile import MigrationCommands

FIRST = (
    "create table t (id int primary key, a text not null default 'x', b int);"
    "create index t_a on t (a); create table u (id int references t)",
    "drop table u; drop table t",
)


@pytest.fixture(scope="module")
def server(embedded_cluster: Cluster) -> Iterator[scratch.Server]:
    """A server of the drill's own, as far as it can see."""
    with Workshop("test") as workshop:
        yield scratch.Server(embedded_cluster.dsn(), workshop, role=None, password=None, private=False)


def lay(folder: Path, *migrations: tuple[str, str | None]) -> MigrationFolder:
    folder.mkdir(exist_ok=True)
    for at, (up, down) in enumerate(migrations, 1):
        behind = "" if down is None else f"\n-- migrate:down\n{down};"
        (folder / f"{at:03d}_m.sql").write_text(f"-- migrate:up\n{up};{behind}\n")
    return MigrationFolder.read(folder)


def walk(
    server: scratch.Server, folder: MigrationFolder, *, seconds: float = 30, seeds: list[Path] | None = None
) -> Result:
    way = replay.way(folder, commands=None, project=Path(), seconds=seconds)
    return rollback.drill(server, way, folder.files, framework=folder.framework, seeds=seeds or [])


DEFECTS = {
    "forgets an index": (
        ("create index t_b on t (b); create table v (id int)", "drop table v"),
        [(Defect.DOWN_DIFFERS, "index public.t_b is new")],
    ),
    "loses a default": (
        ("alter table t alter column a drop default", "alter table t alter column a set default 'y'"),
        [(Defect.DOWN_DIFFERS, "column public.t.a: default: 'x'::text became 'y'::text")],
    ),
    "changes the order of columns": (
        (
            "alter table t drop column a",
            "alter table t add column a text not null default 'x'; create index t_a on t (a)",
        ),
        [
            (Defect.DOWN_DIFFERS, "column public.t.a: position: 2 became 3"),
            (Defect.DATA_LOST, "public.t.a: the values are not what they were"),
        ],
    ),
    "changes a type": (
        ("alter table t alter column b type bigint", "alter table t alter column b type numeric"),
        [(Defect.DOWN_DIFFERS, "column public.t.b: type: integer became numeric")],
    ),
    "drops data": (
        ("alter table t drop column b", "alter table t add column b int"),
        [(Defect.DATA_LOST, "public.t.b: the values are not what they were")],
    ),
    "loses rows": (
        ("create table v (id int)", "drop table v; delete from u"),
        [(Defect.DATA_LOST, "public.u: 3 of 3 rows are lost")],
    ),
    "fails": (
        ("create table v (id int)", "drop table w"),
        [(Defect.DOWN_FAILS, '002_m.sql:4: table "w" does not exist')],
    ),
    "is missing": (("create table v (id int)", None), [(Defect.DOWN_MISSING, "nothing says how to undo it")]),
    "depends on data": (
        (
            "alter table t add column c int default 2; update t set c = null",
            "alter table t alter column c set not null; alter table t drop column c",
        ),
        [(Defect.DOWN_FAILS_ON_ROWS, '002_m.sql:4: column "c" of relation "t" contains null values')],
    ),
    "an up that depends on data": (
        ("alter table t add column c int not null", "alter table t drop column c"),
        [(Defect.UP_FAILS_ON_ROWS, '002_m.sql:2: column "c" of relation "t" contains null values')],
    ),
    "an up that fails": (
        ("create table v (id nonsense)", "drop table v"),
        [(Defect.UP_FAILS, '002_m.sql:2: type "nonsense" does not exist')],
    ),
    "hangs": (
        ("create table v (id int)", "set statement_timeout = 0; select pg_sleep(600); drop table v"),
        [(Defect.DOWN_FAILS, "002_m.sql: hangs: ended after 1 s")],
    ),
    "an up that differs the second time": (
        (
            "do $$ begin if exists (select from pg_class where relname = 'mark') then create table v (id bigint); "
            "else create table v (id int); end if; end $$",
            "drop table v; do $$ begin perform pg_advisory_lock(1); end $$",
        ),
        [],
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_found_and_named(defect: str, server: scratch.Server, tmp_path: Path):
    migration, expected = DEFECTS[defect]
    folder = lay(tmp_path / "m", FIRST, migration, ("create table last (id int)", "drop table last"))
    found = walk(server, folder, seconds=1 if defect == "hangs" else 30)
    assert [(f.migration, f.defect, f.first) for f in found.findings] == [
        ("002_m.sql", d, said) for d, said in expected
    ]
    assert found.passed is (not expected)
    if defect == "an up that fails":
        assert found.unreached == ("003_m.sql",)
    else:
        assert {s.migration for s in found.steps} == {"001_m.sql", "002_m.sql", "003_m.sql"}


def test_a_clean_chain_of_fifty_passes(server: scratch.Server, tmp_path: Path, embedded_cluster: Cluster):
    """Tables, columns, indexes, policies, functions, something that can't run in a transaction."""
    chain: list[tuple[str, str | None]] = [FIRST]
    for n in range(12):
        chain += [
            (f"create table t{n} (id uuid primary key, t int references t, note text not null)", f"drop table t{n}"),
            (f"alter table t{n} add column more jsonb not null default '{{}}'", f"alter table t{n} drop column more"),
            (
                f"alter table t{n} enable row level security; create policy p on t{n} using (note <> '')",
                f"drop policy p on t{n}; alter table t{n} disable row level security",
            ),
            (f"create function f{n}(a int) returns int language sql as 'select a + {n}'", f"drop function f{n}"),
        ]
    folder = lay(tmp_path / "m", *chain)
    concurrently = "-- migrate:up transaction:false\ncreate index concurrently t_b on t (b);\n"
    (tmp_path / "m" / "050_m.sql").write_text(
        f"{concurrently}-- migrate:down transaction:false\ndrop index concurrently t_b;\n"
    )
    folder = MigrationFolder.read(tmp_path / "m")
    assert len(folder.files) == 50
    found = walk(server, folder)
    assert found.findings == ()
    assert found.passed
    assert found.to_nothing
    assert not found.without_rows
    assert all(s.up is not None and s.down is not None and s.again is not None for s in found.steps)
    assert scratch.leftovers(embedded_cluster.dsn()) == []


def test_outside_of_a_transaction_too_what_hangs_is_said_to_hang(server: scratch.Server, tmp_path: Path):
    (tmp_path / "001_m.sql").write_text(
        "-- migrate:up transaction:false\nselect pg_sleep(600);\n-- migrate:down\nselect 1;\n"
    )
    found = walk(server, MigrationFolder.read(tmp_path), seconds=1)
    assert [f.first for f in found.findings] == ["001_m.sql: hangs: ended after 1 s"]


def test_a_seed_is_what_may_be_lost(server: scratch.Server, tmp_path: Path):
    folder = lay(
        tmp_path / "m",
        ("create table t (id int primary key, a text not null check (a ~ '^s'))", "drop table t"),
        ("update t set a = 's' || a", "update t set a = 'sx'"),
    )
    seed = tmp_path / "seed.sql"
    without = walk(server, folder)
    assert list(without.without_rows) == ["public.t"]  # what it holds no rows of, it can't see the loss of: told
    seed.write_text("insert into t values (1, 's1'), (2, 's2')")
    found = walk(server, folder, seeds=[seed])
    assert [(f.defect, f.first) for f in found.findings] == [
        (Defect.DATA_LOST, "public.t.a: the values are not what they were")
    ]
    assert not found.without_rows


# -- on somebody's server --------------------------------------------------------------------------------------


def test_a_named_server_is_left_as_it_was(debian_database: Database, tmp_path: Path):
    cluster = debian_database.cluster
    before = inventory(cluster)
    folder = lay(tmp_path / "m", FIRST, ("create role made_by_a_migration", "drop role made_by_a_migration"))
    with scratch.named_server(cluster.dsn()) as server:
        found = walk(server, folder)
    # the scratch role may make no role: what is beside the database stays untouched
    assert [(f.migration, f.defect, f.first) for f in found.findings] == [
        ("002_m.sql", Defect.UP_FAILS, "002_m.sql:2: permission denied to create role")
    ]
    assert inventory(cluster) == before


def test_the_platforms_own_server_is_refused(embedded_database: Database, debian_database: Database):
    with (
        pytest.raises(DrillError, match="the platform's own server"),
        scratch.named_server(embedded_database.cluster.dsn(), platforms=[embedded_database.dsn()]),
    ):
        pass
    unreachable = embedded_database.dsn(port=1)
    with (
        pytest.raises(DrillError, match="can't be told"),
        scratch.named_server(debian_database.dsn(), platforms=[unreachable]),
    ):
        pass
    with scratch.named_server(debian_database.cluster.dsn(), platforms=[embedded_database.dsn()]):
        pass
    with pytest.raises(DrillError, match="CREATEDB"), scratch.named_server(debian_database.bare_dsn()):
        pass


def test_what_is_not_ours_is_never_dropped(embedded_database: Database):
    cluster = embedded_database.cluster
    named = f"{scratch.PREFIX}somebodys"
    with cluster.connect() as admin:
        admin.execute(f"create database {named}")
        try:
            admin.execute(f"comment on database {named} is 'mine now'")
            assert scratch.drop(admin, "database", named) is False
            with pytest.raises(ValueError, match="prefix"):
                scratch.drop(admin, "database", embedded_database.name)
            (left,) = scratch.leftovers(cluster.dsn())
            assert (left.name, left.made_at) == (named, None)
        finally:
            admin.execute(f"drop database {named}")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_drill_that_is_killed_leaves_nothing(sent: signal.Signals, debian_database: Database, tmp_path: Path):
    cluster = debian_database.cluster
    before = inventory(cluster)
    lay(tmp_path / "m", ("create table t (id int)", "select pg_sleep(60)"))
    process = subprocess.Popen(
        [
            stage.EXECUTABLE,
            "drill",
            "rollback",
            "--migrations",
            tmp_path / "m",
            "--server",
            cluster.dsn(),
            "--no-evidence",
        ],
        env=stage.environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # A command that starts beside other work takes ten seconds to come so far.
        assert stage.eventually(
            lambda: [item for item in scratch.leftovers(cluster.dsn()) if item.kind == "database"], 60
        )
        process.send_signal(sent)
        process.wait(30)
        assert process.returncode == (-9 if sent is signal.SIGKILL else 143)
        assert stage.eventually(lambda: inventory(cluster) == before, seconds=30)
    finally:
        if process.poll() is None:
            process.kill()


def test_a_session_that_was_just_being_opened_keeps_no_drop_waiting(debian_database: Database):
    """Else the server would wait for its end, until authentication_timeout (a minute)."""

    def interrupted(dsn: str) -> None:
        half_open = pq.PGconn.connect_start(dsn.encode())
        while half_open.status != pq.ConnStatus.AWAITING_RESPONSE:
            assert half_open.connect_poll() != pq.PollingStatus.FAILED, half_open.error_message
            time.sleep(0.01)
        time.sleep(0.2)  # the server has asked for the password, and waits
        raise KeyboardInterrupt

    with scratch.named_server(debian_database.cluster.dsn()) as server:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt), server.database() as made:
            interrupted(made.dsn)
    assert time.monotonic() - began < 20
    assert not scratch.leftovers(debian_database.cluster.dsn())


def inventory(cluster: Cluster) -> list[tuple[str, ...]]:
    """Everything that lives beside the scratch database."""
    with cluster.connect() as admin:
        return admin.execute(
            "select 'database', datname from pg_database where datname !~ '^t_' union all "
            "select 'role', rolname from pg_roles where rolname !~ '^t_' order by 1, 2"
        ).fetchall()


def test_leftovers_are_listed_and_removed_by_marker_and_age(embedded_database: Database, tmp_path: Path):
    cluster = embedded_database.cluster
    old, young = f"{scratch.PREFIX}0ld", f"{scratch.PREFIX}y0ung"
    with cluster.connect() as admin:
        for name, made in (
            (old, "2026-01-01T00:00:00Z"),
            (young, f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"),
        ):
            admin.execute(f"create database {name}")
            admin.execute(f"comment on database {name} is '{scratch.MARKER}{made} by a test'")
    try:
        listed = stage.run(
            "drill", "leftovers", "--server", cluster.dsn(), env=stage.environment(tmp_path), cwd=tmp_path
        )
        assert listed.code == 1
        assert old in listed.out
        assert young in listed.out
        removed = stage.run(
            "drill", "leftovers", "--server", cluster.dsn(), "--remove", env=stage.environment(tmp_path), cwd=tmp_path
        )
        assert f"removed database {old}" in removed.out
        assert [item.name for item in scratch.leftovers(cluster.dsn())] == [young]
    finally:
        with cluster.connect() as admin:
            admin.execute(f"drop database if exists {young}")
            admin.execute(f"drop database if exists {old}")


# -- the project's own command ---------------------------------------------------------------------------------

TOOL = """
import os, sys
import psycopg
way, name = sys.argv[1:]
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as session:
    session.execute("create table if not exists knex_migrations (id serial, name text, batch int, migration_time timestamptz)")
    if way == "up":
        session.execute(f"create table made_{name[:3]} (id int)")
        session.execute("insert into knex_migrations (name) values (%s)", [name])
    elif name.startswith("2"):
        sys.exit("no way back")
    else:
        session.execute(f"drop table made_{name[:3]}")
        session.execute("delete from knex_migrations where name = %s", [name])
"""


def test_the_projects_own_command(server: scratch.Server, tmp_path: Path):
    folder_path = tmp_path / "m"
    folder_path.mkdir()
    for name in ("10000000000001_a.js", "20000000000002_b.js"):
        (folder_path / name).write_text("exports.up = knex => knex.raw('x'); exports.down = knex => knex.raw('y')")
    folder = MigrationFolder.read(folder_path)
    with pytest.raises(DrillError, match="no plain SQL"):
        replay.way(folder, commands=None, project=tmp_path)
    (tmp_path / "tool.py").write_text(TOOL)
    commands = MigrationCommands(
        up=f"{sys.executable} tool.py up {{name}}", down=f"{sys.executable} tool.py down {{name}}"
    )
    way = replay.way(folder, commands=commands, project=tmp_path, environment=os.environ)
    found = rollback.drill(server, way, folder.files, framework=folder.framework)
    (finding,) = found.findings
    assert (finding.migration, finding.defect) == ("20000000000002_b.js", Defect.DOWN_FAILS)
    assert "no way back" in finding.first
    assert found.steps[0].down is not None


def test_a_command_that_works_on_another_database_is_stopped_at_once(
    server: scratch.Server, embedded_database: Database, tmp_path: Path
):
    (tmp_path / "m").mkdir()
    for name in ("10000000000001_a.js", "10000000000002_b.js"):
        (tmp_path / "m" / name).write_text("exports.up = knex => knex.raw('x'); exports.down = knex => knex.raw('y')")
    (tmp_path / "tool.py").write_text(TOOL.replace('os.environ["DATABASE_URL"]', repr(embedded_database.dsn())))
    commands = MigrationCommands(
        up=f"{sys.executable} tool.py up {{name}}", down=f"{sys.executable} tool.py down {{name}}"
    )
    folder = MigrationFolder.read(tmp_path / "m")
    way = replay.way(folder, commands=commands, project=tmp_path, environment=os.environ)
    with pytest.raises(DrillError, match="worked on another one"):
        rollback.drill(server, way, folder.files, framework=folder.framework)
    with embedded_database.connect() as admin:  # what can't be undone any more is at least not gone on with
        assert admin.execute("select count(*) from knex_migrations").fetchone() == (1,)


# -- the command line, and what it keeps -----------------------------------------------------------------------

PROFILE = "name: shop\nmigrations: {directory: db}\n"


def test_the_proof_is_kept_and_counts_until_a_migration_changes(embedded_database: Database, tmp_path: Path):
    (tmp_path / "readiness.yaml").write_text(PROFILE)
    lay(tmp_path / "db", FIRST)
    env = stage.environment(tmp_path)
    done = stage.run("drill", "rollback", "--format", "json", env=env, cwd=tmp_path)
    assert done.code == 0, done.said
    assert json.loads(done.out)["kept"].startswith("rollback-")

    def status() -> tuple[str, str | None]:
        found = stage.run(
            *("score", "--only", "migration/rollback-unproven", "-f", "json", "-d", embedded_database.bare_dsn()),
            env=env,
            cwd=tmp_path,
        )
        (check,) = [c for c in found.document["checks"] if c["id"] == "migration/rollback-unproven"]
        return check["status"], check["reason"]

    assert status() == ("pass", None)
    lay(tmp_path / "db", FIRST, ("create table v (id int)", "select 1"))
    assert status() == ("unknown", "stale")  # the new one was never walked
    failed = stage.run("drill", "rollback", env=env, cwd=tmp_path)
    assert failed.code == 1
    assert "FAIL 002_m.sql: down does not bring the schema back: table public.v is new" in failed.out
    assert status() == ("fail", None)


def test_usage(tmp_path: Path):
    env = stage.environment(tmp_path)
    assert stage.run("drill", "rollback", env=env, cwd=tmp_path).code == 2
    nothing = stage.run("drill", "rollback", "--migrations", tmp_path, env=env, cwd=tmp_path)
    assert nothing.code == 2
    assert "holds no migrations" in nothing.err
