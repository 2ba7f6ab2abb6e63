"""The finished sample platform on PostgreSQL 15 with TLS: it is GO, by what its people proved; and whatever is broken costs what it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import DEBIAN
from readiness import audit as auditing
from readiness import auditor_role, policy, recount
from readiness.audit import Request
from readiness.demo import database, platform
from readiness.demo.platform import Platform
from readiness.document import RunDocument
from readiness.embedded import Runtime

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished() -> Iterator[Platform]:
    with platform.raised("after", runtime=Runtime(DEBIAN)) as up:
        yield up


def audited(up: Platform, dsn: str = "") -> RunDocument:
    """An audit that takes little time: fewer samples, and targets that a busy machine meets too."""
    p = up.source.profile
    quick = p.probing.model_copy(
        update={"query_samples": 80, "http_requests": 80, "pause_ms": 0.0, "query_seconds": 60.0}
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
    assert {d.kind for d in sound.drills} >= {"rollback", "snapshot", "rls", "audit-trail", "restore", "load"}
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
