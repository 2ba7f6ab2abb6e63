"""The finished sample platform on PostgreSQL 15 with TLS: it is GO, by what its people proved; and whatever is broken costs what it says."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import pytest

from conftest import DEBIAN
from readiness import audit as auditing
from readiness import auditor_role, policy, recount
from readiness.audit import Request
from readiness.demo import database, platform
from readiness.demo.platform import Platform
from readiness.document import CheckPart, RunDocument
from readiness.embedded import Runtime

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished() -> Iterator[Platform]:
    with platform.raised("after", runtime=Runtime(DEBIAN)) as up:
        yield up


def audited(up: Platform, dsn: str = "") -> RunDocument:
    """An audit that takes little time: fewer samples, and targets that a busy machine meets too."""
    p = up.source.profile
    # Little more than a P95 takes: of 72 waits the longest is the upper end of its interval.
    quick = p.probing.model_copy(
        update={
            "query_samples": 75,
            "http_requests": 75,
            "pause_ms": 0.0,
            "query_seconds": 60.0,
            "http_timeout_seconds": 30.0,
        }
    )
    queries = {name: q.model_copy(update={"target_ms": 250.0}) for name, q in p.queries.items()}
    targets = p.targets.model_copy(update={"service_p95_ms": 5000.0})
    calm = p.model_copy(update={"probing": quick, "queries": queries, "targets": targets})
    request = Request(
        profile=up.source.model_copy(update={"profile": calm}),
        policy=policy.load("beta", {}),
        dsn=dsn or up.dsn,
        evidence=up.evidence,
        environment={},
    )
    return auditing.audit(request).document


@pytest.fixture(scope="module")
def sound(finished: Platform) -> RunDocument:
    return audited(finished)


def test_it_is_go(finished: Platform, sound: RunDocument):
    """With exactly the role that role-sql prints with all its tiers: it may look, and nothing else."""
    assert sound.verdict.decision == "GO", sound.verdict.reasons
    assert sound.target.role == auditor_role.DEFAULT_ROLE
    assert sound.target.superuser is False
    assert {m.status.value for m in sound.must_haves} == {"pass"}
    assert all(d.passed for d in sound.drills if d.kind != "load"), sound.drills
    assert {d.kind for d in sound.drills} >= {
        "rollback",
        "snapshot",
        "services",
        "rls",
        "audit-trail",
        "restore",
        "load",
    }
    assert sound.verdict.valid_until is not None
    assert not any(b.must_haves for b in sound.blockers)
    for check in ("security/plaintext-admitted", "security/weak-tls-setting", "migration/data-loss-unproven"):
        assert sound.check(check).status.value == "pass", check
    assert recount.verify(sound.to_json()) == []


@pytest.mark.parametrize("tier", range(len(auditor_role.TIERS)))
def test_with_less_than_its_tiers_it_is_never_go(finished: Platform, tier: int):
    role = f"less_{tier}"
    script = auditor_role.script(role=role, database=database.DATABASE, tier=tier)
    with finished.cluster.connect(database.DATABASE) as admin:
        admin.execute(script.encode())
        database.set_password(admin, role, "of-a-test")
    try:
        run = audited(finished, finished.cluster.dsn(database.DATABASE, user=role, password="of-a-test"))
    finally:
        with finished.cluster.connect(database.DATABASE) as admin:
            admin.execute(f"drop owned by {role}; drop role {role}".encode())
    assert run.verdict.decision in ("HOLD", "NO-GO"), (tier, run.verdict)
    assert run.verdict.settled_by
    assert run.verdict.coverage < 100


# -- sabotages -------------------------------------------------------------------------------------------------


def as_superuser(up: Platform, *statements: str) -> None:
    with up.cluster.connect(database.DATABASE) as admin:
        for statement in statements:
            admin.execute(statement.encode())


@contextmanager
def dropped_table(up: Platform) -> Iterator[None]:
    saved = up.cluster.tool("pg_dump", "--table", "learning.recommendations", database.DATABASE).stdout
    script = up.cluster.workshop.folder / "recommendations.sql"
    script.write_text(saved)
    up.cluster.give(script)
    as_superuser(up, "drop table learning.recommendations")
    yield
    up.cluster.tool("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file", str(script), database.DATABASE)
    as_superuser(up, "analyze learning.recommendations")


@contextmanager
def serial_key(up: Platform) -> Iterator[None]:
    as_superuser(
        up,
        "set role devmentor_owner; create table projects.labels (id serial primary key, name text not null); reset role",
        "insert into projects.labels (name) select 'label ' || n from generate_series(1, 20) as n",
        "analyze projects.labels",
    )
    yield
    as_superuser(up, "drop table projects.labels")


@contextmanager
def fewer_points(up: Platform) -> Iterator[None]:
    with up.cluster.connect(database.DATABASE) as admin:
        ids = [
            str(p)
            for (p,) in admin.execute("select qdrant_point_id from memory.chunks order by qdrant_point_id limit 10")
        ]

    def ask(method: str, path: str, body: Any) -> None:
        request = urllib.request.Request(
            f"{up.values['QDRANT_URL']}/collections/chunks/points{path}",
            method=method,
            data=json.dumps(body).encode(),
            headers={"api-key": up.values["QDRANT_API_KEY"], "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()

    ask("POST", "/delete", {"points": ids})
    yield
    ask("PUT", "", {"points": [{"id": i, "vector": [1.0, 2.0, 3.0, 4.0], "payload": {"user_id": i}} for i in ids]})


def archiver(up: Platform) -> tuple[int, int]:
    with up.cluster.connect() as admin:
        row = admin.execute("select archived_count, failed_count from pg_stat_archiver").fetchone()
        assert row is not None
        return row


@contextmanager
def no_archiving(up: Platform) -> Iterator[None]:
    conf = up.cluster.data / "postgresql.conf"
    was = conf.read_text()

    def until(count: int, more_than: int) -> None:
        deadline = time.monotonic() + 30
        while archiver(up)[count] <= more_than:
            assert time.monotonic() < deadline, (archiver(up), up.cluster.log.read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    failed = archiver(up)[1]
    up.cluster.configure({"archive_command": "/bin/false"})
    as_superuser(up, "select pg_reload_conf()")  # in force for whoever connects next, and for the archiver
    # A segment in which nothing was written since the last switch is not handed over.
    as_superuser(up, "select pg_logical_emit_message(true, 'test', 'written')", "select pg_switch_wal()")
    until(1, failed)
    yield
    archived = archiver(up)[0]
    conf.write_text(was)
    as_superuser(up, "select pg_reload_conf()", "select pg_switch_wal()")
    until(0, archived)


@contextmanager
def superuser(up: Platform) -> Iterator[None]:
    as_superuser(up, "alter role auth_service superuser")
    yield
    as_superuser(up, "alter role auth_service nosuperuser")


@contextmanager
def no_row_security(up: Platform) -> Iterator[None]:
    as_superuser(up, "alter table projects.tasks disable row level security")
    yield
    as_superuser(up, "alter table projects.tasks enable row level security")


@contextmanager
def slow_query(up: Platform) -> Iterator[None]:
    """What the query reads is a view now, that takes its time every other time."""
    as_superuser(
        up,
        "alter table auth.user_sessions rename to kept_sessions",
        "create view auth.user_sessions as select k.* from auth.kept_sessions as k, (select pg_sleep(case when random() < 0.5 then 0.3 else 0 end) offset 0) as s",
        "grant select on auth.user_sessions to auth_service, readiness",
    )
    yield
    as_superuser(up, "drop view auth.user_sessions", "alter table auth.kept_sessions rename to user_sessions")


@contextmanager
def edited_migration(up: Platform) -> Iterator[None]:
    (file,) = (up.folder / "database" / "migrations").glob("*create-gateway-and-scraper-tables.sql")
    text = file.read_text()
    assert "'1 day'" in text
    file.write_text(text.replace("'1 day'", "'2 days'"))
    git = ["git", "-C", str(up.folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "commit", "--quiet", "--all", "--message", "Pages are read less often"], check=True)
    yield
    subprocess.run([*git, "reset", "--quiet", "--hard", "HEAD~1"], check=True)


@contextmanager
def removed_alert(up: Platform) -> Iterator[None]:
    file = up.folder / "monitoring" / "alerts.yml"
    text = file.read_text()
    before, lag, after = text.partition("      - alert: PostgresReplicationLag")
    file.write_text(before + "      - alert" + after.partition("      - alert")[2])
    assert lag
    yield
    file.write_text(text)


@contextmanager
def killed_service(up: Platform) -> Iterator[None]:
    """The last one: nobody starts it again."""
    up.processes["scraper"].kill()
    up.processes["scraper"].wait()
    yield


Sabotage = Callable[[Platform], Any]
# Sabotage -> a check that it must turn, and words of which each turned check names one.
SABOTAGES: dict[str, tuple[Sabotage, str, tuple[str, ...]]] = {
    "drop a table": (dropped_table, "schema/missing-table", ("learning.recommendations",)),
    "add a SERIAL key": (serial_key, "schema/non-uuid-primary-key", ("projects.labels",)),
    "delete ten Qdrant points": (fewer_points, "operations/unresolved-reference", ("memory.chunks",)),
    "stop WAL archiving": (no_archiving, "operations/wal-archiving-failing", ("archiver",)),
    "grant superuser": (
        superuser,
        "security/service-superpowers",
        ("auth_service", "policies, rights, views or functions changed"),
    ),
    "disable RLS on one table": (no_row_security, "security/row-security-missing", ("projects.tasks",)),
    "slow one query": (slow_query, "performance/slow-query", ("session-by-token", "user_sessions", "kept_sessions")),
    "edit an applied migration": (edited_migration, "migration/edited-migration", ("create-gateway-and-scraper",)),
    "remove an alert": (removed_alert, "operations/alert-missing", ("replication-lag", "alerts.yml")),
    "kill a service": (killed_service, "operations/unhealthy-service", ("scraper",)),
}


def told(check: CheckPart) -> str:
    """All that a check says of what is wrong."""
    parts = [check.detail or "", *(f"{f.subject} {f.evidence}" for f in check.findings)]
    return " ".join([*parts, *(f"{u.subject} {u.detail}" for u in check.unseen)])


@pytest.mark.timeout(600)
def test_each_sabotage_costs_what_the_checks_that_it_turns_say(finished: Platform, sound: RunDocument):
    """The score moves by exactly the sum of the gains that are stated for them, and each of them names the cause."""
    before = {c.id: c for c in sound.checks}
    wrong: list[str] = []
    for name, (sabotage, expected, words) in SABOTAGES.items():
        with sabotage(finished):
            run = audited(finished)
        turned = [c for c in run.checks if Fraction(c.gain_exact) != Fraction(before[c.id].gain_exact)]
        lost = sum((Fraction(c.gain_exact) - Fraction(before[c.id].gain_exact) for c in turned), Fraction(0))
        moved = Fraction(sound.verdict.score_exact) - Fraction(run.verdict.score_exact)
        assert moved == lost, name
        assert moved > 0, name
        ids = {c.id for c in turned}
        if expected not in ids:
            wrong.append(f"{name}: {expected} did not turn; {sorted(ids)} did")
        wrong += [
            f"{name}: {c.id} ({before[c.id].status.value} -> {c.status.value}) doesn't name it: {told(c)[:300]}"
            for c in turned
            if not any(word in told(c) for word in words)
        ]
    assert not wrong, "\n".join(wrong)
    assert len(SABOTAGES) == 10
