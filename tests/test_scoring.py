"""The scoring model's promises, under hypothesis. Numbers are compared exactly: they are fractions."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness import scoring
from readiness.model import (
    BINARY,
    RATIO,
    Category,
    CheckInfo,
    CheckResult,
    Count,
    Effort,
    EvidenceKind,
    Examined,
    NotApplicable,
    Observation,
    Priority,
    Ramp,
    Reason,
    Tiers,
    Unknown,
    Unseen,
    credit_of,
    settle,
    tally,
)
from readiness.policy import MustHave, Policy
from readiness.scoring import Decision, ServiceScope

NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNKNOWN = Unknown(reason=Reason.TIMEOUT, detail="took too long")


def info(check_id: str = "schema/a", priority: Priority = Priority.P1, credit=RATIO, kind: str = "table") -> CheckInfo:
    return CheckInfo(
        id=check_id,
        title="t",
        category=Category(check_id.split("/", maxsplit=1)[0]),
        priority=priority,
        effort=Effort.S,
        credit=credit,
        subject_kind=kind,
        universe="things",
        why="w",
        mend="m",
    )


def examined(good: int, total: int) -> Examined:
    return Examined(
        observations=tuple(Observation(subject=f"s.t{n}", ok=False) for n in range(total - good)),
        tally={'"s"': Count(examined=total, ok=good)},
    )


PASS, FAIL = examined(1, 1), examined(0, 1)

outcomes = st.one_of(
    st.just(UNKNOWN),
    st.just(NotApplicable("0 things")),
    st.integers(1, 12).flatmap(lambda total: st.integers(0, total).map(lambda good: examined(good, total))),
)
results = st.lists(
    st.tuples(st.sampled_from(Category), st.sampled_from(Priority), outcomes, st.booleans()), min_size=1, max_size=25
).map(
    lambda rows: [
        CheckResult(
            check=info(f"{category}/c{n:02}", priority),
            outcome=outcome,
            evidence_kind=EvidenceKind.ATTESTED if attested and outcome == PASS else EvidenceKind.MEASURED,
        )
        for n, (category, priority, outcome, attested) in enumerate(rows)
    ]
)
policies = st.builds(
    lambda threshold, drop, cap: Policy(name="p", threshold=threshold, drop=tuple(drop), attested_cap=cap),
    st.integers(0, 100),
    st.lists(st.sampled_from(Category), max_size=2, unique=True),
    st.sampled_from([0.0, 5.0, 20.0, 100.0]),
)


def with_outcome(rs: list[CheckResult], at: int, outcome) -> list[CheckResult]:
    changed = replace(rs[at], outcome=outcome, evidence_kind=EvidenceKind.MEASURED)
    return [*rs[:at], changed, *rs[at + 1 :]]


@given(policies, results)
@settings(max_examples=300)
def test_the_interval_closes_exactly(policy: Policy, rs: list[CheckResult]):
    total = scoring.score(policy, rs).total
    assert total.ceiling - total.floor == 100 - total.coverage
    assert 0 <= total.floor <= total.ceiling <= 100


@given(policies, results)
def test_the_parts_add_up(policy: Policy, rs: list[CheckResult]):
    card = scoring.score(policy, rs)
    assert sum(c.weighted for c in card.categories) == card.total.floor
    assert sum(s.points * s.earned for s in card.standings) == card.total.floor
    for c in card.categories:
        if not c.empty:
            assert c.own.ceiling - c.own.floor == 100 - c.own.coverage


@given(policies, results, st.data())
def test_fail_to_unknown_never_changes_the_floor_nor_raises_coverage(policy: Policy, rs: list[CheckResult], data):
    at = data.draw(st.integers(0, len(rs) - 1))
    before = scoring.score(policy, with_outcome(rs, at, FAIL)).total
    after = scoring.score(policy, with_outcome(rs, at, UNKNOWN)).total
    assert after.floor == before.floor
    assert after.coverage <= before.coverage


@given(results, st.data())
def test_pass_to_unknown_lowers_the_floor(rs: list[CheckResult], data):
    at = data.draw(st.integers(0, len(rs) - 1))
    policy = Policy(name="p", attested_cap=100)
    before = scoring.score(policy, with_outcome(rs, at, PASS))
    after = scoring.score(policy, with_outcome(rs, at, UNKNOWN))
    weighs = next(s for s in before.standings if s.result.check.id == rs[at].check.id).points > 0
    assert after.total.floor < before.total.floor if weighs else after.total.floor == before.total.floor


@given(results, st.data())
def test_unknown_to_pass_raises_the_floor_by_exactly_the_stated_gain(rs: list[CheckResult], data):
    at = data.draw(st.integers(0, len(rs) - 1))
    policy = Policy(name="p", attested_cap=100)
    for outcome in (UNKNOWN, FAIL, examined(1, 3)):
        before = scoring.score(policy, with_outcome(rs, at, outcome))
        after = scoring.score(policy, with_outcome(rs, at, PASS))
        stated = next(s for s in before.standings if s.result.check.id == rs[at].check.id).gain
        assert after.total.floor - before.total.floor == stated


@given(policies, results, st.randoms())
def test_order_never_changes_a_number(policy: Policy, rs: list[CheckResult], rng: random.Random):
    shuffled = rs[:]
    rng.shuffle(shuffled)
    assert scoring.score(policy, rs) == scoring.score(policy, shuffled)


@given(policies, results, outcomes)
def test_an_informational_check_changes_nothing(policy: Policy, rs: list[CheckResult], outcome):
    extra = CheckResult(check=info("schema/zz-preview", Priority.INFO), outcome=outcome)
    before, after = scoring.score(policy, rs), scoring.score(policy, [*rs, extra])
    assert (before.total, before.decision, before.categories) == (after.total, after.decision, after.categories)


@given(results)
def test_no_run_is_go_where_nothing_was_measured(rs: list[CheckResult]):
    blind = [replace(r, outcome=UNKNOWN) for r in rs]
    assert scoring.score(Policy(name="p", threshold=0, minimum_coverage=0), blind).decision is not Decision.GO


@given(policies, results)
def test_attested_evidence_never_earns_more_than_its_cap(policy: Policy, rs: list[CheckResult]):
    card = scoring.score(policy, rs)
    without = scoring.score(
        policy, [r if r.evidence_kind is EvidenceKind.MEASURED else replace(r, outcome=UNKNOWN) for r in rs]
    )
    assert card.total.floor - without.total.floor == card.attested_points <= scoring.exact(policy.attested_cap)


# -- the mission's worked example ------------------------------------------------------------------------------


def test_the_missions_worked_example():
    """20, 10, 0, 30, 20 -> 6 + 2.5 + 0 + 4.5 + 2 = 15: NO-GO, 55 short."""
    shares = {"schema": 20, "migration": 10, "performance": 0, "security": 30, "operations": 20}
    rs = [CheckResult(check=info(f"{c}/only"), outcome=examined(share, 100)) for c, share in shares.items()]
    card = scoring.score(Policy(name="beta"), rs)
    assert [c.weighted for c in card.categories] == [6, Fraction(5, 2), 0, Fraction(9, 2), 2]
    assert card.total.floor == 15
    assert card.threshold - card.total.floor == 55
    assert card.decision is Decision.NO_GO
    assert card.exit_code == 1


# -- decisions -------------------------------------------------------------------------------------------------


def all_passing(**changed) -> list[CheckResult]:
    return [CheckResult(check=info(f"{c}/x"), outcome=changed.get(c.value, PASS)) for c in Category]


def must(*checks: str, permit: tuple[str, ...] = ()) -> Policy:
    return Policy(name="p", must_haves=(MustHave(id="L1", title="must", checks=checks, permit_not_applicable=permit),))


def test_go_and_what_it_rests_on():
    soon, later = NOW + timedelta(days=2), NOW + timedelta(days=9)
    rs = [replace(r, expires=later) for r in all_passing()]
    rs[0] = replace(rs[0], expires=soon)
    card = scoring.score(must("schema/x"), rs)
    assert (card.decision, card.valid_until) == (Decision.GO, soon)


@pytest.mark.parametrize(
    ("policy", "changed", "decision", "word"),
    [
        (must("schema/x"), {"schema": FAIL}, Decision.NO_GO, "must-have"),
        (must("schema/x"), {"schema": examined(99, 100)}, Decision.NO_GO, "must-have"),
        (must("schema/x"), {"schema": UNKNOWN}, Decision.HOLD, "not settled"),
        (must("schema/x"), {"schema": NotApplicable("0")}, Decision.HOLD, "not settled"),
        (must("schema/gone"), {}, Decision.HOLD, "not settled"),
        (Policy(name="p"), {"schema": FAIL, "migration": FAIL}, Decision.NO_GO, "even with everything"),
        (Policy(name="p"), {"schema": UNKNOWN, "migration": UNKNOWN}, Decision.HOLD, "lies between"),
        (Policy(name="p", minimum_coverage=90), {"security": UNKNOWN}, Decision.HOLD, "is measured"),
        (Policy(name="p"), {"operations": NotApplicable("0")}, Decision.HOLD, "may drop"),
        (Policy(name="p", category_floors={Category.SECURITY: 50}), {"security": FAIL}, Decision.NO_GO, "own floor"),
        (
            Policy(name="p", category_floors={Category.SECURITY: 50}, minimum_coverage=0),
            {"security": UNKNOWN},
            Decision.HOLD,
            "around its floor",
        ),
        (Policy(name="p", drop=(Category.OPERATIONS,)), {"operations": NotApplicable("0")}, Decision.GO, "at or over"),
    ],
)
def test_decisions(policy: Policy, changed: dict, decision: Decision, word: str):
    card = scoring.score(policy, all_passing(**changed))
    assert card.decision is decision
    assert any(word in reason for reason in card.reasons)


def test_a_permitted_must_have_may_be_not_applicable():
    rs = all_passing()
    rs.append(CheckResult(check=info("schema/none-here"), outcome=NotApplicable("0 things")))
    assert scoring.score(must("schema/none-here"), rs).decision is Decision.HOLD
    assert scoring.score(must("schema/none-here", permit=("schema/none-here",)), rs).decision is Decision.GO


def test_hold_names_what_would_settle_it():
    rs = all_passing(schema=UNKNOWN)
    card = scoring.score(must("schema/x"), rs)
    assert card.settled_by == ("schema/x",)


def test_nothing_at_all_is_hold():
    assert scoring.score(Policy(name="p", threshold=0, minimum_coverage=0), []).decision is Decision.HOLD


def test_a_waiver_lifts_a_veto_and_adds_no_point():
    rs = all_passing(operations=examined(0, 1))
    policy = must("operations/x")
    plain = scoring.score(policy, rs)
    waived = [replace(r, waived=frozenset({0}), waiver_expires=NOW) if r.check.id == "operations/x" else r for r in rs]
    card = scoring.score(policy, waived)
    assert (plain.decision, card.decision) == (Decision.NO_GO, Decision.GO)
    assert plain.total == card.total
    assert card.accepted_risk
    assert card.must_haves[0].waived
    assert card.valid_until == NOW


def test_a_waiver_of_some_findings_lifts_nothing():
    rs = [
        replace(r, outcome=examined(0, 2), waived=frozenset({0})) if r.check.id == "operations/x" else r
        for r in all_passing()
    ]
    assert scoring.score(must("operations/x"), rs).decision is Decision.NO_GO


def test_69_99_is_neither_70_on_the_gate_nor_on_the_page():
    assert scoring.tenths(Fraction(6999, 100)) == 69.9
    assert scoring.shown(Fraction(700, 10)) == "70"
    short = examined(6999, 10000)
    rs = [CheckResult(check=info(f"{c}/x"), outcome=short) for c in Category]
    assert scoring.score(Policy(name="p"), rs).decision is Decision.NO_GO


# -- credit ----------------------------------------------------------------------------------------------------


def of(form, *subjects: Observation | Unseen) -> Fraction:
    listed = [s for s in subjects if isinstance(s, Observation)]
    unseen = [s for s in subjects if isinstance(s, Unseen)]
    outcome = settle(listed, unseen, tally(listed, unseen, "table"))
    assert isinstance(outcome, Examined)
    return credit_of(form, outcome)[0]


def seen(ok: bool, **evidence) -> Observation:
    return Observation(subject="s.t", ok=ok, evidence=evidence)


def test_credit_forms():
    assert of(BINARY, seen(True), seen(False)) == 0
    assert of(BINARY, seen(True), seen(True)) == 1
    assert of(RATIO, seen(True), seen(False), seen(False)) == Fraction(1, 3)
    ramp = Ramp(measure="used", target=0.5, limit=0.9)
    assert of(ramp, seen(False, used=0.7)) == Fraction(1, 2)
    assert of(ramp, seen(False, used=0.95), seen(True)) == Fraction(1, 2)
    assert of(ramp, seen(False, used=float("inf"))) == 0
    assert of(ramp, seen(False, used=float("nan"))) == 0
    assert of(ramp, seen(False, used=None)) == 0
    tiers = Tiers(measure="days", steps=((7, 0.5),))
    assert of(tiers, seen(False, days=3)) == Fraction(1, 2)
    assert of(tiers, seen(False, days=8)) == 0


def test_an_unseen_subject_beside_a_finding_earns_nothing_and_leaves_the_rest_open():
    hidden = Unseen(subject="s.u", reason=Reason.LOCKED, detail="locked")
    assert of(RATIO, seen(True), seen(False), hidden) == 0
    outcome = settle([seen(True), seen(False)], [hidden], {"s": Count(examined=2, ok=1, unseen=1)})
    assert credit_of(RATIO, outcome) == (0, Fraction(2, 3))
    assert credit_of(BINARY, outcome) == (0, 0)


@given(policies, results, st.data())
def test_mending_a_finding_never_lowers_the_floor(policy: Policy, rs: list[CheckResult], data):
    """Not even where other subjects stay unseen, so that the check becomes unknown."""
    at = data.draw(st.integers(0, len(rs) - 1))
    hidden = [Unseen(subject=f"s.h{n}", reason=Reason.LOCKED, detail="x") for n in range(data.draw(st.integers(0, 3)))]
    bad, good = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 4))

    def outcome(bad: int, good: int):
        listed = [Observation(subject=f"s.t{n}", ok=n >= bad) for n in range(bad + good)]
        return settle(listed, hidden, tally(listed, hidden, "table"))

    before = scoring.score(policy, with_outcome(rs, at, outcome(bad, good))).total
    after = scoring.score(policy, with_outcome(rs, at, outcome(bad - 1, good + 1))).total
    assert after.floor >= before.floor
    assert after.ceiling >= before.ceiling


def test_an_unseen_subject_without_a_finding_is_unknown():
    hidden = Unseen(subject="s.u", reason=Reason.LOCKED, detail="locked", unlock="wait")
    outcome = settle([seen(True)], [hidden], {"s": Count(examined=1, ok=1, unseen=1)})
    assert isinstance(outcome, Unknown)
    assert (outcome.reason, outcome.unlock) == (Reason.LOCKED, "wait")


# -- services --------------------------------------------------------------------------------------------------


def scope(name: str, *schemas: str, role: str | None = None, needs_change: bool = True) -> ServiceScope:
    return ServiceScope(
        name=name,
        title=name,
        needs_change=needs_change,
        objects=frozenset(f'"{s}"' for s in schemas),
        roles=frozenset({f'"{role}"'} if role else ()),
    )


def test_services_are_scored_by_their_own_subjects():
    mixed = Examined(
        observations=(Observation(subject="auth.users", ok=False),),
        tally={'"auth"': Count(examined=4, ok=3), '"projects"': Count(examined=6, ok=6)},
    )
    health = Examined(
        observations=(Observation(subject="auth", ok=True), Observation(subject="projects", ok=False)),
        tally={"auth": Count(examined=1, ok=1), "projects": Count(examined=1, ok=0)},
    )
    rs = [
        CheckResult(check=info("schema/x"), outcome=mixed),
        CheckResult(check=info("operations/h", kind="service"), outcome=health),
    ]
    gateway = scope("gateway", needs_change=False)
    card = scoring.score(Policy(name="p"), rs, [scope("auth", "auth"), scope("projects", "projects"), gateway])
    auth, projects, other = (s.readiness for s in card.services)
    assert auth == (30 * Fraction(3, 4) + 10) * 100 / 40
    assert projects == Fraction(30 * 100, 40)
    assert other == 0
    assert [s.ceiling for s in card.services] == [auth, projects, 100], "nothing was looked at of the last"
    assert card.platform_readiness == (auth + projects) / 2


def test_a_finding_is_owned_by_the_services_whose_objects_are_at_fault():
    mixed = Examined(
        observations=(
            Observation(subject="projects.tasks", ok=False),
            Observation(subject="auth.users", ok=True),
            Observation(subject="public.tmp", ok=False),
        ),
        tally={
            '"auth"': Count(examined=1, ok=1),
            '"projects"': Count(examined=1, ok=0),
            '"public"': Count(examined=1, ok=0),
        },
    )
    scopes = [scope("auth", "auth"), scope("projects", "projects")]
    assert scoring.owners_of_findings(CheckResult(check=info("schema/x"), outcome=mixed), scopes) == ["projects"]
    assert scoring.owners_of_findings(CheckResult(check=info("schema/x"), outcome=UNKNOWN), scopes) == []


def test_what_could_not_be_looked_at_counts_against_every_service_it_concerns():
    rs = [CheckResult(check=info("schema/x"), outcome=UNKNOWN), CheckResult(check=info("schema/y"), outcome=PASS)]
    card = scoring.score(Policy(name="p"), rs, [scope("s", "s"), scope("roles", role="r")])
    assert (card.services[0].readiness, card.services[0].ceiling) == (50, 100)
    assert (card.services[1].checks, card.services[1].ceiling) == (0, 100)


def test_mixed_evidence_decides_nothing():
    card = scoring.score(Policy(name="p"), all_passing(), mixed_evidence="another server answered")
    assert card.decision is Decision.HOLD
    assert card.reasons == ("another server answered",)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ramp(measure="m", target=1, limit=1),
        lambda: Ramp(measure="m", target=float("nan"), limit=1),
        lambda: Tiers(measure="m", steps=()),
        lambda: Tiers(measure="m", steps=((5, 50),)),
        lambda: Tiers(measure="m", steps=((5, 0.5), (3, 0.2))),
    ],
)
def test_credit_forms_that_make_no_sense(make):
    with pytest.raises(ValueError):  # noqa: PT011
        make()


def test_a_finding_never_earns_full_credit():
    assert of(Ramp(measure="used", target=0.5, limit=0.9), seen(False, used=0.1)) < 1
