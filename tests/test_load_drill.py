"""The load drill on PostgreSQL 15: 200 connections really held, an honest failure at 50, nothing left when it is killed."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from asking import NOW, ask
from conftest import DEBIAN
from readiness import embedded
from readiness.cli.drill import load as load_command
from readiness.drills import load, scratch
from readiness.drills.mix import Kind
from readiness.embedded import Cluster, Runtime
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.model import Examined, Reason, Unknown, plain
from stage import Done, environment, eventually, run, start

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def wide() -> Iterator[Cluster]:
    with embedded.cluster(Runtime(DEBIAN), settings={"max_connections": 250}, fast=True, purpose="test") as made:
        yield made


MIX = """
load:
  prepare: [shop.sql]
  transactions:
    look:
      weight: 3
      statements: [select name from items where id = $1]
      values_sql: select id from items order by id
    buy:
      statements:
        - update items set stock = stock - $2 where id = $1
        - insert into orders (item, note) values ($1, $3)
      values: [[1, 1, "one, please"], [2, 3, null]]
    fail:
      weight: 0.2
      statements: [select 1 / ($1::int4 - 7)]
      values: [[7]]
"""
SHOP = """
create table items (id int4 primary key, name text not null, stock int4 not null);
insert into items select i, 'item ' || i, 1000000 from generate_series(1, 500) as i;
create table orders (item int4 not null references items, note text);
"""


def profile(folder: Path, connections: int, *, tps: float = 20, mix: str = "") -> Path:
    path = folder / "readiness.yaml"
    path.write_text(f"name: t\ntargets: {{connections: {connections}, transactions_per_second: {tps}}}\n{mix}")
    (folder / "shop.sql").write_text(SHOP)
    return path


def drill(cluster: Cluster, declared: Path, *more: str, seconds: float = 120) -> Done:
    arguments = ("drill", "load", "--server", cluster.dsn(), "-p", declared, "--scale", "1", *more)
    return run(*arguments, env=environment(declared.parent), cwd=declared.parent, seconds=seconds)


def ours(cluster: Cluster) -> list[tuple[str]]:
    with cluster.connect() as admin:
        return admin.execute(
            "select datname from pg_database where datname like 'readiness%' union all "
            "select rolname from pg_roles where rolname like 'readiness%' union all "
            "select application_name from pg_stat_activity where datname like 'readiness%'"
        ).fetchall()


def working(cluster: Cluster) -> int:
    return ours(cluster).count(("readiness-drill work",))


def test_200_connections_are_held_and_worked_over(wide: Cluster, tmp_path: Path):
    # Of two seconds the tenth that 200 fresh sessions take for their first transactions is a twentieth: the P95.
    done = drill(wide, profile(tmp_path, 200), "--seconds", "5", "-f", "json")
    assert done.code == 0, done.said
    told = json.loads(done.out)
    assert told["connections_held"] == 200
    assert told["transactions_per_second"] > 20
    assert told["failed"] == told["sessions_lost"] == 0
    assert 0 < told["connect_p95_ms"] < 5000
    assert 0 < told["p95_lower_ms"] <= told["p95_ms"] <= told["p95_upper_ms"]
    # The log, pgbench's own sum, and the server's view of its sessions agree with each other.
    assert sum(s["transactions"] for s in told["series"]) <= told["transactions"]
    assert told["series"]
    assert told["transactions"] >= told["transactions_per_second"]
    assert 1 <= told["active_sessions"] <= 200
    assert sum(told["waits"].values()) <= 1.01
    # At a rate far below what it bears the wait is another than at its limit.
    assert told["at_promised_rate"]["transactions_per_second"] == pytest.approx(20, rel=0.6)
    assert told["at_promised_rate"]["p95_ms"] < told["p95_ms"]
    assert told["kept"].startswith("load-")
    assert ours(wide) == []


def test_the_profiles_own_mix(wide: Cluster, tmp_path: Path):
    done = drill(wide, profile(tmp_path, 30, tps=100, mix=MIX), "--seconds", "1", "-f", "json")
    assert done.code == 0, done.said
    told = json.loads(done.out)
    assert told["workload"].startswith("the profile's mix (look, buy, fail) by readiness")
    assert told["connections_held"] == 30
    assert told["errors"] == {"22012": told["failed"]}
    share = told["failed"] / (told["transactions"] + told["failed"])
    assert share == pytest.approx(0.2 / 4.2, rel=0.4)
    rate = told["at_promised_rate"]
    assert rate["transactions_per_second"] + rate["failed"] == pytest.approx(100, rel=0.3)
    assert told["sessions_lost"] == 0
    assert ours(wide) == []


def test_a_promise_that_is_not_reached(wide: Cluster, tmp_path: Path):
    sleepy = "load: {transactions: {wait: {statements: ['select pg_sleep(0.05)']}}}\n"
    done = drill(wide, profile(tmp_path, 12, tps=300, mix=sleepy), "--connections", "10", "--seconds", "1")
    assert done.code == 1, done.said
    assert "the profile's 12 can be had is not shown by fewer" in done.out
    told = re.search(r"FAIL (\d+) transactions a second over 1 s, promised 300", done.out)
    assert told is not None, done.out
    assert 100 < int(told[1]) <= 200  # ten sessions, 50 ms each: 200 at most
    assert "Timeout:PgSleep" in done.out
    assert "at the promised rate" not in done.out


def test_a_rate_that_cant_be_kept_shows_in_the_wait(wide: Cluster, tmp_path: Path):
    """100 ms each on two sessions bear 20 a second: at 18 due a second a closed loop would still say 100 ms."""
    with scratch.named_server(wide.dsn()) as server, server.database() as database:
        kinds = (Kind(name="wait", weight=1, statements=("select pg_sleep(0.1)",)), None)
        found = load.drill(
            database, connections=2, seconds=2, scale=1, own=load.Mix(prepare=(), kinds=(kinds,)), promised=18
        )
    assert found.capacity is not None
    assert found.capacity.latency is not None
    assert found.capacity.latency.point < 150
    assert found.promised is not None, found.capacity.per_second
    assert found.promised.latency is not None
    assert found.promised.latency.point > found.capacity.latency.point * 1.5


def test_without_pgbench_the_same_mix_by_the_own_driver(embedded_cluster: Cluster):
    with scratch.named_server(embedded_cluster.dsn()) as server, server.database() as database:
        found = load.drill(database, connections=20, seconds=1, scale=1, promised=None)
        with psycopg.connect(database.dsn) as look:
            (moved, entries) = look.execute(
                "select (select sum(balance) from accounts), (select sum(amount) from entries)"
            ).fetchone() or (0, 1)
    assert found.capacity is not None
    assert found.capacity.failed == 0
    assert moved == entries != 0
    assert found.mix == "simple update, scale 1 mix (simple-update) by readiness"
    assert ours(embedded_cluster) == []


def test_a_mix_that_cant_be_made_ready_says_why(wide: Cluster, tmp_path: Path):
    for mix, said in (
        ("load: {prepare: [none.sql], transactions: {a: {statements: [select 1]}}}", "load.prepare: none.sql can't be"),
        (MIX.replace("values_sql: select id from items order by id", "values_sql: select id from none"), "none"),
        (MIX.replace("select id from items order by id", "select 1 where false"), "transactions.look: its values_sql"),
    ):
        done = drill(wide, profile(tmp_path, 10, mix=mix), "--seconds", "2")
        assert done.code == 2, done.said
        assert said in done.err
        assert "Traceback" not in done.said
    assert ours(wide) == []


def test_too_few_slots_fail_with_the_sum(wide: Cluster, tmp_path: Path):
    done = drill(wide, profile(tmp_path, 248), "--seconds", "2")
    assert done.code == 1, done.said
    assert "FAIL 248 are wanted and 5 stay free (max_connections 250, reserved 3" in done.out
    assert ours(wide) == []


def test_the_platforms_own_server_is_refused_with_what_allows_it(wide: Cluster, tmp_path: Path):
    declared = profile(tmp_path, 10, mix=f"database: {{dsn: {wide.dsn()!r}}}")
    done = drill(wide, declared)
    assert done.code == 2, done.said
    assert "this is the platform's own server; name another one, or say --same-server" in done.said


def test_max_connections_50_fails_honestly(tmp_path: Path):
    with embedded.cluster(Runtime(DEBIAN), settings={"max_connections": 50}, fast=True, purpose="test") as narrow:
        done = drill(narrow, profile(tmp_path, 100))
    assert done.code == 1, done.said
    assert "0 of 100 connections" in done.out
    assert "max_connections 50" in done.out


@pytest.mark.parametrize("mix", ["", MIX], ids=["pgbench", "own mix"])
def test_killed_it_leaves_nothing(wide: Cluster, tmp_path: Path, mix: str):
    declared = profile(tmp_path, 50, mix=mix)
    arguments = ("drill", "load", "--server", wide.dsn(), "-p", declared, "--seconds", "60", "--scale", "1")
    going = start(*arguments, env=environment(tmp_path), cwd=tmp_path)
    try:
        assert eventually(lambda: working(wide) >= 50, 60), ours(wide)
    finally:
        going.send_signal(signal.SIGKILL)
        going.communicate()
    assert eventually(lambda: ours(wide) == [], 30), ours(wide)


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

    told: dict[str, Any] = {
        "connections_held": 100,
        "transactions_per_second": 999.0,
        "errors": {},
        "waits": {"CPU": 0.5},
    }
    told["series"] = [{"transactions": n, "p95_ms": 1.5} for n in (990, 1008)]
    kept = load_command.flat(told | {"at_promised_rate": {"p95_ms": 7.5}})
    assert kept == plain(kept), "it comes back from the store as it is"
    shown = record(**kept)
    for check, ok in (("connections-unproven", True), ("throughput-unproven", False)):
        outcome = ask(f"performance/{check}", embedded_database.dsn(), drills=shown)
        assert isinstance(outcome, Examined)
        assert outcome.observations[0].ok is ok
        if check == "throughput-unproven":
            assert outcome.observations[0].evidence["series"] == [990, 1008]
            assert outcome.observations[0].evidence["waited_for"] == "CPU 50%"
            assert outcome.observations[0].evidence["p95_ms_at_promised_rate"] == 7.5
        never = ask(f"performance/{check}", embedded_database.dsn())
        assert isinstance(never, Unknown)
        assert never.reason is Reason.NO_ATTESTATION


def test_a_lost_session_is_no_proof(embedded_database):
    lost = {"connections_held": 100, "transactions_per_second": 2000.0, "sessions_lost": 1}
    made = DrillRecord(
        id="load-1",
        kind="load",
        target="t",
        system_identifier=None,
        taken_at=NOW,
        expires_at=NOW.replace(month=12),
        passed=False,
        evidence=lost,
    )
    drills = DrillRecords(records=(made,), now=NOW)
    outcome = ask("performance/throughput-unproven", embedded_database.dsn(), drills=drills)
    assert isinstance(outcome, Examined)
    assert not outcome.observations[0].ok
