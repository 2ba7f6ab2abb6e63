"""What an audit cost the server: measured where it can be, and said where not."""

from __future__ import annotations

from pathlib import Path

from conftest import DEBIAN, Database
from readiness import embedded
from readiness.embedded import Runtime
from readiness.facts.cost import Cost, _all, _cpu_ms
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from stage import environment, run, write_policy


def test_what_the_server_says_of_its_process_is_what_is_told(database: Database):
    postgres = Postgres(database.bare_dsn())
    server = Server.take(postgres)
    before = Cost.of([postgres], server)
    postgres.rows("select count(*) from pg_catalog.generate_series(1, 1500000)", marker="test")
    postgres.rows("select count(*) from pg_catalog.pg_attribute", marker="test")
    after = Cost.of([postgres], server)
    assert before.cpu_ms is not None
    assert after.cpu_ms is not None
    assert after.cpu_ms - before.cpu_ms > 30  # a million and a half rows take longer than that anywhere
    assert after.statements >= before.statements + 2
    assert after.longest_ms > 30
    if server.version_num >= 180000:
        assert before.blocks is not None
        assert after.blocks is not None
        assert after.blocks - before.blocks > 20  # pg_attribute has some sixty
    else:
        assert after.blocks is None
    postgres.close()


def test_a_sum_of_which_a_part_is_not_known_is_not_known():
    assert _all([1.5, 2.5]) == 4
    assert _all([1.5, None]) is None


def test_a_process_that_isnt_the_sessions_is_not_taken_for_it(embedded_database: Database, tmp_path: Path):
    postgres = Postgres(embedded_database.dsn())
    postgres.rows("select 1", marker="test")
    folder = tmp_path / str(postgres.startup_pid)
    folder.mkdir()
    (folder / "schedstat").write_text("5000000000 0 1\n")
    for title, known in (
        (f"postgres: postgres t 127.0.0.1({postgres.own_port}) idle\0", 5000.0),
        ("postgres: postgres t 127.0.0.1(1) idle\0", None),  # another machine's, of the same pid
        ("/usr/bin/python3\0x\0", None),
    ):
        (folder / "cmdline").write_text(title)
        assert _cpu_ms(postgres, tmp_path) == known
    assert _cpu_ms(postgres, tmp_path / "none") is None
    postgres.close()


def test_over_a_unix_socket_there_is_no_port_to_know_it_by(tmp_path: Path):
    with embedded.cluster(
        Runtime(DEBIAN), settings={"unix_socket_directories": "/tmp"}, fast=True, purpose="test"
    ) as made:
        postgres = Postgres(made.dsn(host="/tmp", hostaddr=""))
        assert Cost.of([postgres], Server.take(postgres)).cpu_ms is None
        postgres.close()


def test_it_is_printed_and_kept(embedded_database: Database, tmp_path: Path):
    dsn, policy = embedded_database.bare_dsn(), write_policy(tmp_path)
    told = run("score", "-d", dsn, "--policy", policy, "-f", "json", env=environment(tmp_path), cwd=tmp_path).document
    assert told["cost"]["cpu_ms"] > 1
    assert told["cost"]["statements"] > 50
    assert told["cost"]["blocks"] > 100
    assert told["cost"]["longest_ms"] > 0
    shown = run("score", "-d", dsn, "--policy", policy, env=environment(tmp_path), cwd=tmp_path)
    assert "cost the server " in shown.out
    assert " ms of CPU, " in " ".join(shown.out.split())
