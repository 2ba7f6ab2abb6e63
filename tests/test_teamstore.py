"""A team's evidence store in Postgres keeps what the file keeps, from many writers at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import stage
from conftest import Database
from readiness import teamstore
from readiness.embedded import Cluster
from readiness.history import StoreError, open_store
from readiness.teamstore import TeamStore
from test_history import NOW, OUTCOME, drill, run


@pytest.fixture
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        yield made


def test_it_keeps_what_the_file_keeps(database: Database, tmp_path: Path):
    records = [
        run("a"),
        run("b", started_at=NOW + timedelta(hours=1), system_identifier=None, partial=True),
        run("c", target="other"),
    ]
    outcomes = [OUTCOME, replace(OUTCOME, check_id="schema/B", credit=None), replace(OUTCOME, check_id="schema/a-b")]
    there = TeamStore(database.dsn())
    here = open_store(tmp_path / "evidence.db", now=NOW)
    for store in (there, here):
        for record in records:
            store.save_run(record, outcomes)
        store.save_run(replace(records[0], decision="GO"), outcomes)
        store.save_drill(drill("x"))
        store.save_drill(drill("y", taken_at=NOW + timedelta(days=1), evidence={"seconds": 1e-7, "text": "ü🙂"}))
    assert there.runs("p") == here.runs("p")
    assert there.runs("p", limit=1) == here.runs("p", limit=1)
    assert there.find("c") == here.find("c")
    assert there.find("%") == here.find("%") == []
    assert there.targets() == here.targets()
    assert there.outcomes("a") == here.outcomes("a")
    for since, limit, runs in ((NOW, 10, 2), (NOW, 1, 1), (NOW + timedelta(minutes=1), 10, 1)):
        seen = there.observed("p", OUTCOME.check_id, since=since, limit=limit)
        assert seen == here.observed("p", OUTCOME.check_id, since=since, limit=limit)
        assert [s.outcome for s in seen] == [OUTCOME.outcome] * runs
        assert seen == sorted(seen, key=lambda s: s.at)
    assert there.observed("p", "no/such", since=NOW) == here.observed("p", "no/such", since=NOW) == []
    assert there.drills("p") == here.drills("p")
    for _ in range(2):
        assert there.prune("p", keep=1) == here.prune("p", keep=1)
        assert there.runs("p") == here.runs("p")
    assert there.prune("p", before=NOW + timedelta(days=1)) == here.prune("p", before=NOW + timedelta(days=1)) == 0
    assert there.outcomes("a") == here.outcomes("a") == []
    database.run("update readiness.drills set passed = false where id = 'x'")
    assert [d.id for d in there.drills("p")] == ["y"], "one that was changed is left out"
    there.close()
    here.close()


def test_a_crowd_loses_nothing(database: Database):
    """Eight at once, on no tables at all."""

    def write(who: int) -> None:
        for n in range(4):
            store = TeamStore(database.dsn())
            store.save_run(run(f"{who}-{n}"), [OUTCOME])
            store.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    store = TeamStore(database.dsn())
    assert sorted(r.id for r in store.runs("p", limit=1000)) == sorted(f"{w}-{n}" for w in range(8) for n in range(4))
    assert store.outcomes("3-3") == [OUTCOME]
    store.close()


def test_what_may_only_be_read_is_only_read(database: Database):
    with pytest.raises(StoreError, match="no evidence store can be made there: permission denied"):
        TeamStore(database.bare_dsn())
    store = TeamStore(database.dsn())
    store.save_run(run("a"), [])
    store.close()
    bare = database.bare_role
    database.run(f"grant usage on schema readiness to {bare}; grant select on all tables in schema readiness to {bare}")
    reader = TeamStore(database.bare_dsn())
    assert reader.read_only
    assert [r.id for r in reader.runs("p")] == ["a"]
    with pytest.raises(StoreError, match="can only be read"):
        reader.save_run(run("b"), [])
    reader.close()
    database.run("update readiness.store set version = 99")
    newer = TeamStore(database.dsn())
    assert newer.read_only
    assert "newer version" in newer.notes[0]
    newer.close()
    database.run(f"drop owned by {bare}")


def test_a_store_that_is_not_there_is_told_without_its_password():
    with pytest.raises(StoreError) as told:
        TeamStore("postgresql://u:very-secret@127.0.0.1:1/nowhere")
    assert "very-secret" not in str(told.value)
    assert "host=127.0.0.1" in str(told.value)


def test_which_words_name_a_postgres():
    for word in ("postgresql://h/d", "postgres://h", "host=h dbname=d", "service=team"):
        assert teamstore.is_dsn(word), word
    for word in ("evidence.db", "./a=b/evidence.db", "/x/y.db"):
        assert not teamstore.is_dsn(word), word


def test_a_team_shares_its_runs_by_the_command_line(database: Database, tmp_path: Path):
    stage.write_policy(tmp_path)
    (tmp_path / "readiness.yaml").write_text("name: p\n")
    env = stage.environment(tmp_path)
    shared = ("--evidence", database.dsn())
    only = ("--policy", "policy.yaml", "--only", "schema/money-column", "--quiet", "-d", database.bare_dsn())
    done = stage.run("score", *only, *shared, "-f", "json", env=env, cwd=tmp_path)
    notes = done.document["notes"]
    assert not [n for n in notes if "not kept" in n]
    told = json.loads(stage.run("history", *shared, "-f", "json", env=env, cwd=tmp_path).out)
    assert [r["id"] for r in told["runs"]] == [done.document["id"]]
    by_environment = stage.run("verify", "last", env=env | {"READINESS_EVIDENCE": database.dsn()}, cwd=tmp_path)
    assert (by_environment.code, by_environment.err) == (0, "")
    assert database.cluster.password not in by_environment.out
    again = stage.run("score", *only, *shared, "--baseline", "last", "--fail-on", "new-fail", env=env, cwd=tmp_path)
    assert "worse" not in again.err
    assert not list(tmp_path.rglob("evidence.db"))


def test_a_team_shares_what_a_drill_proved(database: Database, tmp_path: Path):
    """And what can't be kept is told all the same."""
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "001_t.up.sql").write_text("create table t (id int);")
    (migrations / "001_t.down.sql").write_text("drop table t;")
    (tmp_path / "readiness.yaml").write_text("name: p\nmigrations: {directory: migrations}\n")
    env = stage.environment(tmp_path)
    drilled = ("drill", "rollback", "--empty", "-f", "json")
    done = stage.run(*drilled, env=env | {"READINESS_EVIDENCE": database.dsn()}, cwd=tmp_path)
    lost = stage.run(
        *drilled, "--evidence", "host=127.0.0.1 port=1 dbname=x password=very-secret", env=env, cwd=tmp_path
    )
    assert (done.code, lost.code) == (0, 0), lost.err
    store = TeamStore(database.dsn())
    kept = {d.id for d in store.drills("p")}
    store.close()
    assert kept == {done.document["kept"]}
    assert (lost.document["passed"], lost.document["kept"]) == (True, None)
    assert "what the drill found is not kept" in lost.err
    assert "very-secret" not in lost.said
    asked = ("score", "--policy", stage.write_policy(tmp_path), "--only", "migration/rollback-*", "-f", "json")
    run = stage.run(*asked, "--evidence", database.dsn(), "-d", database.dsn(), env=env, cwd=tmp_path).document
    (check,) = (c for c in run["checks"] if c["id"] == "migration/rollback-unproven")
    assert check["status"] == "pass", check["detail"]
    assert not list(tmp_path.rglob("evidence.db"))
    assert not [p.name for p in tmp_path.iterdir() if ":" in p.name]
