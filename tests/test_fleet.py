"""A targets file, and the audit of one target in a process of its own."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import stage
from conftest import Database
from readiness import document, fleet, history
from readiness.embedded import Cluster
from readiness.export.metrics import Detail
from readiness.fleet import Target
from readiness.yamldoc import ConfigError
from test_metrics import samples, value


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "platforms"
    stage.write_pack(
        folder / "slow",
        {"schema/zz_slow.sql": stage.sql_check("select 'a' as subject, true as ok from pg_catalog.pg_sleep(27)")},
    )
    (folder / "slow.yaml").write_text(stage.PLAIN + "\npacks: [./slow]\n")
    (folder / "plain.yaml").write_text(stage.PLAIN + "\n")
    (folder / "shop.yaml").write_text("name: shop\ntitle: The Shop\ndatabase: {dsn: '${SHOP_DSN}'}\n")
    return folder


def target(folder: Path, name: str, dsn: str, **own: str) -> Target:
    return fleet.target(
        name,
        folder=folder,
        profile_name="shop.yaml",
        policy_name=own.get("policy", "plain.yaml"),
        dsn=dsn,
        every="1h",
        evidence=None,
        environment=os.environ,
        own={"SHOP_DSN": "host=/nowhere"},
    )


# -- the file --------------------------------------------------------------------------------------------------


def test_a_targets_file_names_everything_once(folder: Path):
    path = folder / "targets.yaml"
    path.write_text(
        "every: 6h\nparallel: 4\nmetrics: summary\ntargets:\n"
        "  shop: {profile: shop.yaml, environment: {SHOP_DSN: 'host=a'}}\n"
        "  shop-staging: {profile: shop.yaml, policy: plain.yaml, dsn: '${STAGING}', every: 15m, environment: {SHOP_DSN: x}}\n"
        "  bare: {policy: alpha, dsn: 'host=b', evidence: kept/e.db}\n"
    )
    found = fleet.load(path, {"STAGING": "host=s password=staging-secret", "HOME": "/nowhere"})
    assert (found.parallel, found.detail) == (4, Detail.SUMMARY)
    shop, staging, bare = found.targets
    assert (shop.name, shop.title, shop.every, shop.policy) == ("shop", "The Shop", 6 * 3600, "beta")
    assert (staging.every, staging.dsn) == (900, "host=s password=staging-secret")
    assert shop.evidence == staging.evidence == folder / ".readiness" / "evidence.db", "where score keeps it"
    assert bare.evidence == folder / "kept" / "e.db"
    assert "staging-secret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets: {}\n", "targets.yaml:1:1: targets: "),
        (
            "targets:\n  shop: {profil: x}\n",
            "targets.yaml:2:10: targets.shop.profil: unknown key; did you mean 'profile'?",
        ),
        ("targets:\n  shop: {every: 5x}\n", "targets.yaml:2:10: targets.shop.every: "),
        ("targets:\n  Shop: {}\n", "targets.yaml:2:3: targets.Shop"),
        ("targets:\n  shop: {profile: gone.yaml}\n", "targets.yaml:2:3: targets.shop: "),
        ("targets:\n  shop: {policy: gone}\n", "targets.yaml:2:3: targets.shop: policy 'gone'"),
        ("targets:\n  shop: {dsn: '${GONE}'}\n", "targets.yaml:2:10: targets.shop.dsn: the environment variable GONE"),
    ],
)
def test_what_is_wrong_with_it_has_a_place(folder: Path, text: str, said: str):
    path = folder / "targets.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        fleet.load(path, {})
    assert said in str(caught.value)


# -- one audit -------------------------------------------------------------------------------------------------


def test_two_environments_of_one_profile_are_two_targets(folder: Path, database: Database):
    (folder / "readiness").mkdir()
    (folder / "readiness" / "__init__.py").write_text("raise SystemExit('a folder of the user was taken for the tool')")
    for name in ("shop", "shop-staging"):
        found = fleet.attempt(target(folder, name, database.bare_dsn()))
        assert (found.code, found.said, found.success) == (0, "", True)
        assert found.run
        assert found.run.target.name == name
        assert found.run.target.database == database.name
    store = history.open_store(folder / ".readiness" / "evidence.db", now=datetime.now(UTC))
    assert [len(store.runs(name)) for name in ("shop", "shop-staging")] == [1, 1]
    store.close()


def test_no_secret_is_an_argument_or_in_what_is_said(folder: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("READINESS_DATABASE", "host=/meant-for-somebody-else")
    wrong = database.dsn(user=database.bare_role, password="wrong-secret-of-a-test")
    seen: list[str] = []
    real = fleet.subprocess.Popen

    def watched(arguments: list[str], **options: object) -> object:
        seen.extend(arguments)
        return real(arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(fleet.subprocess, "Popen", watched)
    found = fleet.attempt(target(folder, "shop", wrong))
    assert seen
    assert not [a for a in seen if "wrong-secret" in a or "host=" in a]
    assert (found.code, found.run, found.success) == (4, None, False)
    assert "password" in found.said or "authentication" in found.said
    assert "wrong-secret" not in found.said
    assert "somebody-else" not in found.said


@pytest.mark.alone
def test_an_audit_that_was_told_to_end_ends_and_leaves_no_statement(folder: Path, database: Database):
    slow = target(folder, "shop", database.bare_dsn(), policy="slow.yaml")
    stopping = threading.Event()
    results: list[fleet.Attempt] = []
    thread = threading.Thread(target=lambda: results.append(fleet.attempt(slow, stopping)))
    thread.start()
    assert stage.eventually(lambda: sleeping(database), 30)
    second = fleet.attempt(slow)
    assert (second.run, second.said) == (None, "another audit of this target is still running")
    started = time.monotonic()
    stopping.set()
    thread.join(30)
    assert time.monotonic() - started < fleet.PATIENCE_SECONDS
    (found,) = results
    assert (found.code, found.success) == (143, False)
    assert found.run
    assert found.run.partial
    assert "interrupted" in found.said
    assert stage.eventually(lambda: not sleeping(database))


def test_an_audit_without_an_end_is_ended(folder: Path, database: Database):
    slow = target(folder, "shop", database.bare_dsn(), policy="slow.yaml")
    found = fleet.attempt(slow, deadline_seconds=4)
    assert not found.success
    assert found.said == "the audit was ended after 4 s without an end"
    assert stage.eventually(lambda: not sleeping(database))


def test_an_orphan_keeps_its_lock(folder: Path, database: Database):
    """Whoever started the audit may be gone: as long as its process lives, there is no second one."""
    slow = target(folder, "shop", database.bare_dsn(), policy="slow.yaml")
    job = (
        "import json, sys\nfrom pathlib import Path\nfrom readiness import fleet\n"
        "t = json.loads(sys.argv[1])\n"
        "slow = fleet.Target(**t | {'folder': Path(t['folder']), 'evidence': Path(t['evidence'])})\n"
        "fleet.attempt(slow)\n"
    )
    told = {
        "name": slow.name,
        "folder": str(slow.folder),
        "profile": slow.profile,
        "policy": slow.policy,
        "evidence": str(slow.evidence),
        "every": 1,
        "dsn": slow.dsn,
        "environment": dict(slow.environment),
    }
    with stage.subprocess.Popen([stage.sys.executable, "-c", job, json.dumps(told)]) as starter:
        at_work = stage.eventually(lambda: sleeping(database), 30)
        starter.kill()
    assert at_work
    assert sleeping(database), "the audit outlives who started it"
    assert fleet.attempt(slow).said == "another audit of this target is still running"
    with database.connect() as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(27)%' and pid <> pg_backend_pid()"
        )
    assert stage.eventually(lambda: fleet.attempt(target(folder, "shop", database.bare_dsn())).success, 30)


def sleeping(database: Database) -> int:
    with database.connect() as admin:
        row = admin.execute(
            "select count(*) from pg_stat_activity where query like '%pg_sleep(27)%' and state = 'active' "
            "and pid <> pg_backend_pid() and datname = current_database()"
        ).fetchone()
    assert row
    return int(row[0])


def test_a_wrong_secret_is_not_repeated(folder: Path):
    """Also where it stands under a name that is free."""
    path = folder / "targets.yaml"
    path.write_text("targets:\n  shop: {dsn: [hunter2-of-a-test]}\n")
    with pytest.raises(ConfigError) as caught:
        fleet.load(path, {})
    assert "targets.shop.dsn" in str(caught.value)
    assert "hunter2" not in str(caught.value)


# -- all of them -----------------------------------------------------------------------------------------------


def ended(decision: str, code: int) -> fleet.Attempt:
    verdict = json.loads(stage.run_document())["verdict"]
    run = document.parse(stage.run_document(verdict=verdict | {"decision": decision, "exit_code": code}))
    return fleet.Attempt(run=run, code=0)


GO, NO_GO, HOLD = ended("GO", 0), ended("NO-GO", 1), ended("HOLD", 3)
UNREACHABLE, WRONG = (fleet.Attempt(run=None, code=code, said="no") for code in (4, 2))


@pytest.mark.parametrize(
    ("attempts", "code"),
    [
        ([GO, GO], 0),
        ([GO, NO_GO, HOLD], 1),
        ([GO, HOLD], 3),
        ([GO, UNREACHABLE], 3),
        ([NO_GO, UNREACHABLE], 1),
        ([UNREACHABLE, UNREACHABLE], 4),
        ([GO, WRONG], 2),
    ],
)
def test_the_fleet_is_as_ready_as_the_worst_of_it(attempts: list[fleet.Attempt], code: int):
    assert fleet.exit_code(attempts) == code


def test_a_fleet_is_one_table_and_one_set_of_metrics(folder: Path, database: Database, tmp_path: Path):
    (folder / "targets.yaml").write_text(
        "targets:\n  shop: {policy: plain.yaml, dsn: '${SHOP}'}\n"
        "  absent: {policy: plain.yaml, dsn: 'host=127.0.0.1 port=1 dbname=x'}\n"
    )
    env = stage.environment(tmp_path, SHOP=database.bare_dsn())
    done = stage.run("fleet", "targets.yaml", env=env, cwd=folder)
    lines = done.out.splitlines()
    assert lines[0].split() == ["target", "decision", "score", "up", "to", "measured", "blockers"]
    assert [line.split()[:2] for line in lines[1:]] == [["absent", "-"], ["shop", "HOLD"]]
    assert (done.code, len(lines)) == (3, 3)
    assert re.match(r"readiness: absent: no whole audit: nothing could be audited: ", done.err)
    done = stage.run(
        "fleet", "targets.yaml", "-f", "prometheus", "-o", "all.prom", "--report-only", env=env, cwd=folder
    )
    assert (done.code, done.out) == (0, "")
    found = samples((folder / "all.prom").read_text())
    assert value(found, "readiness_run_success", target="absent") == 0
    assert value(found, "readiness_run_success", target="shop") == 1
    assert ("readiness_score", frozenset({("target", "absent")})) not in found
    assert stage.run("fleet", "gone.yaml", env=env, cwd=folder).code == 2


def test_a_fleet_that_is_interrupted_ends_what_is_under_way_and_tells_what_it_has(
    folder: Path, database: Database, tmp_path: Path
):
    (folder / "targets.yaml").write_text(
        "parallel: 1\ntargets:\n  slow: {policy: slow.yaml, dsn: '${SHOP}'}\n  later: {policy: plain.yaml, dsn: '${SHOP}'}\n"
    )
    process = stage.start(
        "fleet", "targets.yaml", env=stage.environment(tmp_path, SHOP=database.bare_dsn()), cwd=folder
    )
    assert stage.eventually(lambda: sleeping(database), 30)
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, err
    assert [line.split()[0] for line in out.decode().splitlines()] == ["target", "later", "slow"]
    assert b"not audited: interrupted before its turn" in out
    assert stage.eventually(lambda: not sleeping(database))
