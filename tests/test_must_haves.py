"""No must-have of a shipped policy leaves a platform in HOLD for ever: each has a way to an honest answer."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from readiness import audit, policy, register, scoring
from readiness.model import CheckInfo, CheckResult, Count, Examined, NotApplicable, Observation, Reason, Status, Unknown
from readiness.policy import MustHave, Policy
from readiness.register import Attestation, Register
from readiness.yamldoc import ConfigError
from test_scoring import NOW

CHECKS: dict[str, CheckInfo] = {c.info.id: c.info for c in audit.built_in_checks()}
WELL = Examined(observations=(Observation(subject="x", ok=True),), tally={"x": Count(examined=1, ok=1)})
NEEDED = [
    pytest.param(name, must_have, check, id=f"{name}-{must_have.id}-{check}")
    for name in policy.shipped()
    for must_have in policy.load(name, {}).policy.must_haves
    for check in must_have.checks
]


def results(check: str, outcome: object) -> list[CheckResult]:
    """All checks pass, but for one."""
    return [
        CheckResult(check=info, outcome=outcome if i == check else WELL, expires=NOW + timedelta(days=7))
        for i, info in CHECKS.items()
    ]


def decided(chosen: Policy, found: list[CheckResult]) -> str:
    return scoring.score(chosen, found).decision.value


@pytest.mark.parametrize(("name", "must_have", "check"), NEEDED)
def test_what_cannot_be_measured_has_a_way(name: str, must_have: MustHave, check: str, tmp_path: Path):
    """Where there is nothing of the kind, the policy may say so; where no probe can see, somebody vouches; else one looks."""
    chosen = policy.load(name, {}).policy
    assert decided(chosen, results(check, WELL)) == "GO"
    nothing = results(check, NotApplicable("0 things"))
    assert decided(chosen, nothing) == "HOLD", "a must-have is never simply not applicable"
    permitted = must_have.model_copy(update={"permit_not_applicable": (check,)})
    others = tuple(permitted if m.id == must_have.id else m for m in chosen.must_haves)
    assert decided(chosen.model_copy(update={"must_haves": others}), nothing) == "GO"

    unknown = Unknown(reason=Reason.NO_ATTESTATION, detail="nobody vouched")
    assert decided(chosen, results(check, unknown)) == "HOLD"
    (tmp_path / "minutes.md").write_text("what was looked at")
    signed = Attestation(
        check=check,
        statement="It was looked at",
        attested_by="A. Person",
        role="DBA",
        date=NOW.date(),
        valid_days=30,
        evidence="minutes.md",
        sha256=hashlib.sha256(b"what was looked at").hexdigest(),
    )
    if CHECKS[check].attestable:
        kept = Register(attestations=(signed,), attestations_folder=tmp_path)
        vouched, _ = register.attest(results(check, unknown), kept, NOW)
        card = scoring.score(chosen, vouched)
        assert card.decision.value == "GO"
        assert card.attested_points > 0
        refuted, _ = register.attest(results(check, FAILING), kept, NOW)
        assert decided(chosen, refuted) == "NO-GO", "nobody can vouch against what was measured"
    else:
        assert check in MEASURED, "a check that no signature answers is one that can always be looked at: say how"


FAILING = Examined(observations=(Observation(subject="x", ok=False),), tally={"x": Count(examined=1, ok=0)})

# Of must-haves that nobody can vouch for: what it takes to have them measured, whatever the platform.
MEASURED = {
    "operations/service-not-on-postgres": "pg_monitor; services that need no database say uses_postgres: false",
    "operations/unhealthy-service": "a URL for each service; one without a health endpoint says health: null",
    "operations/runbook-outdated": "the document named in the profile, with the day of its review in it",
    "migration/no-framework": "CONNECT: the tables' names are everybody's to see",
    "migration/unversioned-migration": "the repository beside the profile",
    "migration/pending-migration": "select on the framework's table (tier 3)",
    "schema/dual-definition": "CONNECT",
    "schema/missing-table": "the canonical schema in the profile",
    "schema/non-uuid-primary-key": "CONNECT; keys whose maker the catalog doesn't tell are declared in the policy",
    "performance/slow-query": "critical queries in the profile, and select on what they read (tiers 4 and 5)",
    "security/plaintext-admitted": "nothing: whoever is let in without TLS shows it",
    "security/service-superpowers": "the services' roles in the profile",
}


def test_each_of_them_is_needed():
    named = {check for name in policy.shipped() for m in policy.load(name, {}).policy.must_haves for check in m.checks}
    assert {c for c in named if not CHECKS[c].attestable} == set(MEASURED)
    assert {CHECKS[c].id for c in MEASURED} == set(MEASURED)
    assert all(r.status is Status.PASS for r in results("", WELL))


def extending(folder: Path, text: str) -> Policy:
    path = folder / "mine.yaml"
    path.write_text(f"extends: beta\nname: mine\n{text}")
    return policy.load(str(path), {}).policy


def test_what_a_policy_says_of_one_must_have_leaves_the_others(tmp_path: Path):
    beta = policy.load("beta", {}).policy.must_haves
    mine = extending(
        tmp_path,
        "must_haves:\n  - {id: L6, permit_not_applicable: [migration/data-loss-unproven]}\n"
        "  - {id: M1, title: Own, checks: [schema/money-column]}\n",
    ).must_haves
    permitted = {"permit_not_applicable": ("migration/data-loss-unproven",)}
    expected = [m.model_copy(update=permitted) if m.id == "L6" else m for m in beta]
    assert mine == (*expected, MustHave(id="M1", title="Own", checks=("schema/money-column",)))
    assert extending(tmp_path, "must_haves: []\n").must_haves == beta


def test_a_veto_is_lifted_by_its_name_alone(tmp_path: Path):
    ids = [m.id for m in extending(tmp_path, "without_must_haves: [L3, L5]\n").must_haves]
    assert ids == ["L1", "L2", "L4", "L6", "L7"]
    every = "without_must_haves: [L1, L2, L3, L4, L5, L6, L7]\n"
    assert extending(tmp_path, every).must_haves == ()
    alone = extending(tmp_path, f"{every}must_haves: [{{id: L1, title: t, checks: [schema/money-column]}}]\n")
    assert [m.title for m in alone.must_haves] == ["t"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("without_must_haves: [L9]\n", "mine.yaml:3:1: without_must_haves: beta has no must-have 'L9'; it has: L1, L2"),
        ('without_must_haves: [""]\n', "beta has no must-have ''; it has: L1, L2"),
        ("must_haves:\n  - {id: L6, chekcs: [x]}\n", "mine.yaml:4:14: must_haves[5].chekcs"),
        ("must_haves: [{id: L1}, {id: L1}]\n", "must_haves"),
        ("must_haves: [{id: M1, title: t}]\n", "mine.yaml:3:14: must_haves[7]"),
        ("without_must_haves: {L1: true}\n", "without_must_haves"),
        ("must_haves: [{id: [1], title: t, checks: [a]}]\n", "must_haves[7].id"),
    ],
)
def test_a_fault_in_what_extends_stands_where_it_is(text: str, told: str, tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        extending(tmp_path, text)
    assert told in str(caught.value)
