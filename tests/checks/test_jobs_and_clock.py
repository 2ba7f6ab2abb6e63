"""Jobs that the database runs by itself, by a real pg_cron, and the server's clock beside ours."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import stage
from asking import ask, found
from conftest import DEBIAN, SETTINGS, Database
from readiness import embedded
from readiness.embedded import Cluster, Runtime
from readiness.facts import clocks
from readiness.model import Examined, NotApplicable, Reason, Unknown

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

    def run(job: str, status: str, said: str) -> None:
        admin.execute(
            "insert into cron.job_run_details (jobid, database, username, command, status, return_message, start_time, end_time)"
            " select j.jobid, j.database, j.username, j.command, %s, %s, now(), now() from cron.job as j where j.jobname = %s",
            (status, said, job),
        )

    with cron.connect("postgres") as admin:
        admin.execute("create extension pg_cron")
        for name in ("nightly", "hourly", "paused"):
            admin.execute("select cron.schedule(%s, '0 3 1 1 *', 'select 1')", (name,))
        admin.execute("update cron.job set active = false where jobname = 'paused'")
        run("paused", "failed", "ERROR: long ago")
        unsure = ask(CHECK, home)
        assert isinstance(unsure, Unknown)
        assert {u.subject for u in unsure.unseen} == {"nightly", "hourly"}
        run("nightly", "succeeded", "1 row")
        run("hourly", "succeeded", "1 row")
        run("hourly", "failed", "ERROR: relation gone does not exist")
        admin.execute("update cron.job_run_details set start_time = null, end_time = null where status = 'failed'")
        run("hourly", "running", "")
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
        assert found(ask(CHECK, weak)) == {"hourly"}
        run("hourly", "succeeded", "1 row")
        assert found(ask(CHECK, home)) == set()
        # What starts them is ended, and comes back after a while.
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'pg_cron launcher'")
        gone = "select not exists (select from pg_stat_activity where backend_type = 'pg_cron launcher')"
        if stage.eventually(lambda: admin.execute(gone).fetchone() == (True,), 5):
            assert found(ask(CHECK, home)) <= {"pg_cron launcher"}


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
