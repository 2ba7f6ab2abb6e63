"""The load drill on PostgreSQL 15: 200 connections really held, an honest failure at 50, nothing left when it is killed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asking import NOW, ask
from conftest import DEBIAN
from readiness import embedded
from readiness.embedded import Cluster, Runtime
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.model import Examined, Reason, Unknown
from stage import environment, run, start

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def wide() -> Iterator[Cluster]:
    with embedded.cluster(Runtime(DEBIAN), settings={"max_connections": 250}, fast=True, purpose="test") as made:
        yield made


def profile(folder: Path, connections: int) -> Path:
    path = folder / "readiness.yaml"
    path.write_text(f"name: t\ntargets: {{connections: {connections}, transactions_per_second: 20}}\n")
    return path


def ours(cluster: Cluster) -> list[tuple[str]]:
    with cluster.connect() as admin:
        return admin.execute(
            "select datname from pg_database where datname like 'readiness%' union all "
            "select rolname from pg_roles where rolname like 'readiness%' union all "
            "select application_name from pg_stat_activity where datname like 'readiness%'"
        ).fetchall()


def working(cluster: Cluster) -> int:
    return ours(cluster).count(("readiness-drill pgbench",))


def test_200_connections_are_held_and_worked_over(wide: Cluster, tmp_path: Path):
    declared = profile(tmp_path, 200)
    arguments = (
        "drill",
        "load",
        "--server",
        wide.dsn(),
        "-p",
        declared,
        "--seconds",
        "10",
        "--scale",
        "1",
        "-f",
        "json",
    )
    done = run(*arguments, env=environment(tmp_path), cwd=tmp_path, seconds=120)
    assert done.code == 0, done.said
    told = json.loads(done.out)
    assert told["connections_held"] == 200
    assert told["transactions_per_second"] > 20
    assert told["failed"] == 0
    assert 0 < told["p95_lower_ms"] <= told["p95_ms"] <= told["p95_upper_ms"]
    assert told["kept"].startswith("load-")
    assert ours(wide) == []


def test_too_few_slots_fail_with_the_sum(wide: Cluster, tmp_path: Path):
    declared = profile(tmp_path, 248)
    arguments = ("drill", "load", "--server", wide.dsn(), "-p", declared, "--seconds", "2")
    done = run(*arguments, env=environment(tmp_path), cwd=tmp_path)
    assert done.code == 1, done.said
    assert "FAIL 248 are wanted and 5 stay free (max_connections 250, reserved 3" in done.out
    assert ours(wide) == []


def test_max_connections_50_fails_honestly(tmp_path: Path):
    with embedded.cluster(Runtime(DEBIAN), settings={"max_connections": 50}, fast=True, purpose="test") as narrow:
        arguments = ("drill", "load", "--server", narrow.dsn(), "-p", profile(tmp_path, 100))
        done = run(*arguments, env=environment(tmp_path), cwd=tmp_path)
    assert done.code == 1, done.said
    assert "0 of 100 connections" in done.out
    assert "max_connections 50" in done.out


def test_killed_it_leaves_nothing(wide: Cluster, tmp_path: Path):
    arguments = (
        "drill",
        "load",
        "--server",
        wide.dsn(),
        "-p",
        profile(tmp_path, 50),
        "--seconds",
        "60",
        "--scale",
        "1",
    )
    drill = start(*arguments, env=environment(tmp_path), cwd=tmp_path)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and working(wide) < 50:
            time.sleep(0.2)
        assert working(wide) >= 50
    finally:
        drill.send_signal(signal.SIGKILL)
        drill.communicate()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and ours(wide):
        time.sleep(0.2)
    assert ours(wide) == []


def test_the_checks_read_what_was_shown(embedded_database):
    def record(**evidence) -> DrillRecords:
        made = DrillRecord(
            id="load-1",
            kind="load",
            target="t",
            system_identifier=None,
            taken_at=NOW,
            expires_at=NOW.replace(month=12),
            passed=False,
            evidence=evidence,
        )
        return DrillRecords(records=(made,), now=NOW)

    shown = record(connections_held=100, transactions_per_second=999.0)
    for check, ok in (("connections-unproven", True), ("throughput-unproven", False)):
        outcome = ask(f"performance/{check}", embedded_database.dsn(), drills=shown)
        assert isinstance(outcome, Examined)
        assert outcome.observations[0].ok is ok
        never = ask(f"performance/{check}", embedded_database.dsn())
        assert isinstance(never, Unknown)
        assert never.reason is Reason.NO_ATTESTATION
