"""Jobs that the database runs by itself, by a real pg_cron, and the server's clock beside ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

import stage
from asking import ask, checks, found
from conftest import DEBIAN, SETTINGS, Database
from readiness import embedded
from readiness.embedded import Cluster, Runtime
from readiness.facts import clocks
from readiness.facts.jobs import ScheduledJobs
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Examined, NotApplicable, Observation, Reason, Unknown, Unseen

CHECK = "operations/scheduled-job-failing"


@pytest.fixture(scope="module")
def cron() -> Iterator[Cluster]:
    """A server whose jobs lie in the database postgres."""
    if not (DEBIAN.parent / "lib" / "pg_cron.so").exists():
        pytest.skip("Debian's postgresql-15-cron is not installed")
    settings = {**SETTINGS, "shared_preload_libraries": "pg_cron", "cron.host": "/nowhere"}
    with embedded.cluster(Runtime(DEBIAN), settings=settings, fast=True, purpose="test") as made:
        with made.connect() as admin:
            admin.execute("create role weak login password 'of-a-test'")
            admin.execute("create database another")
        yield made


def test_jobs_that_fail_and_what_starts_them(cron: Cluster):
    home = cron.dsn(database="postgres")
    assert isinstance(ask(CHECK, home), NotApplicable), "nobody made the extension"
    elsewhere = ask(CHECK, cron.dsn(database="another"))
    assert isinstance(elsewhere, Unknown)
    assert "in the database postgres" in elsewhere.detail
    unseen = ask(CHECK, cron.dsn(user="weak", password="of-a-test", database="another"))
    assert isinstance(unseen, Unknown)
    assert unseen.unlock == "grant pg_monitor to weak;"

    with cron.connect("postgres") as admin:
        admin.execute("create extension pg_cron")
        for name in ("nightly", "hourly", "paused"):
            admin.execute("select cron.schedule(%s, '0 3 1 1 *', 'select 1')", (name,))
        admin.execute("update cron.job set active = false where jobname = 'paused'")
        run(admin, "paused", "failed", "ERROR: long ago")
        unsure = ask(CHECK, home)
        assert isinstance(unsure, Unknown)
        assert {u.subject for u in unsure.unseen} == {"nightly", "hourly"}
        run(admin, "nightly", "succeeded", "1 row")
        run(admin, "hourly", "succeeded", "1 row")
        run(admin, "hourly", "failed", "ERROR: relation gone does not exist")
        admin.execute("update cron.job_run_details set start_time = null, end_time = null where status = 'failed'")
        run(admin, "hourly", "running", "")
        outcome = ask(CHECK, home)
        assert found(outcome) == {"hourly"}
        assert isinstance(outcome, Examined)
        assert {o.subject for o in outcome.observations} == {"nightly", "hourly", "pg_cron launcher"}
        assert "relation gone" in str(outcome.findings[0].evidence["said"])
        # Each role is shown its own jobs alone: a weak one is told that there may be more.
        weak = cron.dsn(user="weak", password="of-a-test", database="postgres")
        admin.execute("grant usage on schema cron to weak")
        admin.execute("grant select on cron.job, cron.job_run_details to weak")
        hidden = ask(CHECK, weak)
        assert isinstance(hidden, Unknown)
        assert hidden.reason is Reason.NO_PERMISSION
        for statement in str(hidden.unlock).split(";"):
            admin.execute(statement.encode())
        seen = ask(CHECK, weak)
        assert isinstance(seen, Unknown | Examined)
        assert {o.subject for o in seen.observations if not o.ok} == {"hourly"}
        run(admin, "hourly", "succeeded", "1 row")
        assert found(ask(CHECK, home)) == set()
        # A run of long ago says nothing, where it can't be seen whether anybody starts the next.
        unsure = ask(CHECK, weak)
        assert isinstance(unsure, Unknown)
        assert [(u.subject, u.unlock) for u in unsure.unseen] == [("pg_cron launcher", "grant pg_monitor to weak;")]
        admin.execute(str(unsure.unseen[0].unlock).encode())
        assert found(ask(CHECK, weak)) == set()
        assert [(u.subject, u.reason) for u in of_standby(home)] == [("pg_cron launcher", Reason.WRONG_ROLE)]


def test_a_server_on_which_nobody_starts_jobs(cron: Cluster):
    with cron.connect("postgres") as admin:
        admin.execute("create extension if not exists pg_cron")
        admin.execute("delete from cron.job")
        admin.execute("select cron.schedule('nightly', '0 3 1 1 *', 'select 1')")
        run(admin, "nightly", "succeeded", "1 row")
        admin.execute("alter system set shared_preload_libraries = 'auto_explain'")
    cron.stop()
    cron.start()
    home = cron.dsn(database="postgres")
    assert found(ask(CHECK, home)) == {"pg_cron launcher"}
    with cron.connect("postgres") as admin:
        admin.execute("alter system reset shared_preload_libraries")
    cron.stop()
    cron.start()
    assert stage.eventually(lambda: found(ask(CHECK, home)) == set())


def run(admin: psycopg.Connection[Any], job: str, status: str, said: str) -> None:
    """A run as pg_cron logs it."""
    admin.execute(
        "insert into cron.job_run_details (jobid, database, username, command, status, return_message, start_time, end_time)"
        " select j.jobid, j.database, j.username, j.command, %s, %s, now(), now() from cron.job as j where j.jobname = %s",
        (status, said, job),
    )


def of_standby(dsn: str) -> list[Unseen]:
    """What can't be told where the same server were a standby, on which pg_cron starts nothing."""
    postgres = Postgres(dsn)
    try:
        server = replace(Server.take(postgres), standby=True)
        answer = checks()[CHECK].ask(scheduled=ScheduledJobs.take(postgres, server), server=server)
    finally:
        postgres.close()
    assert isinstance(answer, list)
    assert {seen.subject for seen in answer if isinstance(seen, Observation)} == {"nightly", "hourly"}
    return [unseen for unseen in answer if isinstance(unseen, Unseen)]


def test_a_server_without_jobs(database: Database):
    assert isinstance(ask(CHECK, database.bare_dsn()), NotApplicable)


def test_clocks_that_differ(database: Database, monkeypatch: pytest.MonkeyPatch):
    check = "operations/clock-adrift"
    assert found(ask(check, database.bare_dsn())) == set()
    real = time.time
    for ahead, findings in ((60, {"clock"}), (-60, {"clock"}), (4, set())):
        monkeypatch.setattr(clocks.time, "time", lambda by=ahead: real() + by)
        assert found(ask(check, database.bare_dsn())) == findings
    monkeypatch.undo()
    assert found(ask(check, database.dsn())) == set()
