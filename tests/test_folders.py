"""What needs no database of one's own: schemas compared, a folder judged, both from migrations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import stage
from conftest import Database
from readiness.embedded import Cluster

GOOD = "-- migrate:up\ncreate table public.t (id uuid primary key, at timestamptz not null);\n-- migrate:down\ndrop table public.t;\n"
SERIAL = "-- migrate:up\ncreate table public.s (id serial primary key, at timestamp);\n-- migrate:down\ndrop table public.s;\n"


def lay(folder: Path, *files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for at, text in enumerate(files, 1):
        (folder / f"00{at}_m.sql").write_text(text)
    return folder


def test_a_folder_gates_a_pull_request_by_exit_code(tmp_path: Path):
    """No server, no profile, no PG* variable."""
    env = stage.environment(tmp_path)
    good = stage.run("score", "--migrations", lay(tmp_path / "db", GOOD), "--format", "json", env=env, cwd=tmp_path)
    assert good.document["verdict"]["decision"] in ("GO", "HOLD"), good.said
    assert good.document["target"]["name"] == "db"
    checks = {c["id"]: c for c in good.document["checks"]}
    assert checks["schema/non-uuid-primary-key"]["status"] == "pass"
    assert checks["migration/irreversible-migration"]["status"] == "pass"
    assert checks["migration/pending-migration"]["reason"] == "not_selected"  # a replay has no history to tell it by
    assert checks["operations/wal-archiving-failing"]["reason"] == "not_selected"  # nor is its server the platform's
    bad = stage.run("score", "--migrations", lay(tmp_path / "db", GOOD, SERIAL), "--quiet", env=env, cwd=tmp_path)
    assert bad.code == 1, bad.said
    broken = stage.run(
        "score", "--migrations", lay(tmp_path / "db", GOOD, "-- migrate:up\ncreate tble x;\n"), env=env, cwd=tmp_path
    )
    assert broken.code == 2
    assert '002_m.sql:2: syntax error at or near "tble"' in broken.err
    both = stage.run("score", "--migrations", tmp_path / "db", "-d", "dbname=x", env=env, cwd=tmp_path)
    assert both.code == 2
    assert not (tmp_path / ".readiness").exists()


def test_two_databases_and_what_closes_the_difference(
    embedded_database: Database, make_database: Callable[[Cluster], Database], tmp_path: Path
):
    other = make_database(embedded_database.cluster)
    embedded_database.run("create table t (id int primary key, a text)")
    other.run("create table t (id int primary key, a text not null, b int); create index t_b on t (b)")
    env = stage.environment(tmp_path)

    def compare(*more: str) -> stage.Done:
        return stage.run("compare", embedded_database.dsn(), other.dsn(), *more, env=env, cwd=tmp_path)

    done = compare("--ddl", "close.sql")
    assert done.code == 1, done.said
    assert done.out.splitlines() == [
        "column public.t.a: not null: nullable became not null",
        "column public.t.b is new",
        "index public.t_b is new",
        "3 differences between A and B",
    ]
    embedded_database.run((tmp_path / "close.sql").read_text())
    alike = compare()
    assert (alike.code, alike.out) == (0, "A and B have the same schema\n")


def test_a_database_against_its_folder(embedded_database: Database, tmp_path: Path):
    folder, env = lay(tmp_path / "db", GOOD), stage.environment(tmp_path)
    embedded_database.run("create table public.t (id uuid primary key, at timestamptz not null)")
    embedded_database.run("create table schema_migrations (version varchar primary key)")  # the framework's own
    alike = stage.run("compare", embedded_database.dsn(), str(folder), env=env, cwd=tmp_path)
    assert alike.code == 0, alike.said
    embedded_database.run("alter table t add column by_hand int")
    drifted = stage.run("compare", embedded_database.dsn(), str(folder), env=env, cwd=tmp_path)
    assert drifted.code == 1
    assert "column public.t.by_hand is gone" in drifted.out
    secret = stage.run("compare", embedded_database.dsn(port=1), str(folder), env=env, cwd=tmp_path)
    assert secret.code == 2
    assert embedded_database.cluster.password not in secret.said


def test_versions_are_not_mixed(embedded_database: Database, debian_database: Database, tmp_path: Path):
    env = stage.environment(tmp_path)
    done = stage.run("compare", embedded_database.dsn(), debian_database.dsn(), env=env, cwd=tmp_path)
    assert done.code == 2
    assert "within one major version" in done.err
