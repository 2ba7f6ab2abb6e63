"""The way to GO: gains are exact, and the plan is the least that reaches it; small cases against brute force."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from readiness import planning, recount
from readiness.model import (
    BINARY,
    Category,
    CheckResult,
    Effort,
    EvidenceKind,
    NotApplicable,
    Priority,
    Reason,
    Status,
    Unknown,
)
from readiness.planning import Kind
from readiness.policy import MustHave, Policy
from readiness.scoring import Decision
from test_recount import made
from test_scoring import FAIL, PASS, UNKNOWN, examined, info, results

ATTESTABLE = Unknown(reason=Reason.NO_ATTESTATION, detail="nobody vouches", unlock="readiness attest x")
GRANT = Unknown(reason=Reason.NO_PERMISSION, detail="denied", unlock="grant pg_monitor to readiness")

small = st.lists(
    st.tuples(
        st.sampled_from([Category.SCHEMA, Category.SECURITY]),
        st.sampled_from([Priority.P0, Priority.P1, Priority.P2]),
        st.sampled_from([PASS, FAIL, UNKNOWN, GRANT, ATTESTABLE, examined(1, 3), NotApplicable("0 things")]),
        st.sampled_from(Effort),
    ),
    min_size=1,
    max_size=9,
).map(
    lambda rows: [
        CheckResult(
            check=replace(info(f"{category}/c{n}", priority), effort=effort, attestable=outcome is ATTESTABLE),
            outcome=outcome,
        )
        for n, (category, priority, outcome, effort) in enumerate(rows)
    ]
)
small_policies = st.builds(
    lambda threshold, coverage, cap, floor, musts: Policy(
        name="p",
        threshold=threshold,
        minimum_coverage=coverage,
        attested_cap=cap,
        drop=(Category.MIGRATION, Category.PERFORMANCE, Category.OPERATIONS),
        category_floors={Category.SCHEMA: floor} if floor else {},
        must_haves=tuple(MustHave(id=f"M{n}", title="m", checks=(c,)) for n, c in enumerate(musts)),
    ),
    st.integers(0, 100),
    st.sampled_from([0, 50, 80]),
    st.sampled_from([0.0, 10.0, 20.0, 100.0]),
    st.sampled_from([0, 50]),
    st.lists(st.sampled_from(["schema/c0", "security/c1", "schema/c2"]), max_size=2, unique=True),
)


def weighed(policy: Policy, rs: list[CheckResult]) -> recount.Weighed:
    return recount.weigh(made(policy, rs))


@given(small_policies, small)
@settings(max_examples=400)
def test_no_set_of_less_effort_reaches_go(policy: Policy, rs: list[CheckResult]):
    w = weighed(policy, rs)
    possible = planning.actions(w)
    plan = planning.least(w, possible)
    reaching = [
        sum(a.hours for a in chosen)
        for size in range(len(possible) + 1)
        for chosen in combinations(possible, size)
        if planning.done(w, chosen).decision is Decision.GO
    ]
    assert plan.reaches_go == bool(reaching)
    if reaching:
        assert plan.least
        assert plan.hours == min(reaching)
        assert plan.missing == ()
    else:
        assert plan.missing


@given(results)
@settings(max_examples=100)
def test_gains_add_up_exactly(rs: list[CheckResult]):
    """Of measured evidence; signatures share a cap."""
    policy = Policy(name="p")
    w = weighed(policy, [replace(r, evidence_kind=EvidenceKind.MEASURED) for r in rs])
    possible = planning.actions(w)
    everything = planning.done(w, possible)
    assert everything.total.floor == w.card.total.floor + sum((a.gain for a in possible), Fraction(0))
    for a in possible:
        assert planning.done(w, [a]).total.floor == w.card.total.floor + a.gain


@given(results)
@settings(max_examples=60)
def test_a_plan_of_many_checks_is_whole_and_go(rs: list[CheckResult]):
    w = weighed(Policy(name="p", threshold=60, minimum_coverage=50), rs)
    plan = planning.least(w, planning.actions(w))
    assert plan.least
    assert plan.reaches_go == (not plan.missing)


def test_a_hundred_actions_are_planned_at_once():
    rs = [
        CheckResult(
            check=replace(
                info(f"{c}/c{n:03}", list(Priority)[n % 3]), effort=list(Effort)[(n * 7 + k) % 3], credit=BINARY
            ),
            outcome=(FAIL, UNKNOWN, examined(n % 5, 7))[(n + k) % 3],
        )
        for k, c in enumerate(Category)
        for n in range(25)
    ]
    for threshold, floor in ((50, 0), (90, 0), (70, 15), (70, 50)):
        w = weighed(Policy(name="p", threshold=threshold, category_floors=dict.fromkeys(Category, floor)), rs)
        plan = planning.least(w, planning.actions(w))
        assert (plan.least, plan.reaches_go) == (True, True), threshold


def test_one_grant_is_one_action():
    rs = [CheckResult(check=info(f"schema/c{n}"), outcome=GRANT) for n in range(3)]
    w = weighed(Policy(name="p"), rs)
    (action,) = planning.actions(w)
    assert (action.kind, action.effort, len(action.checks), action.gain) == (Kind.MEASURE, Effort.S, 3, 30)
    assert action.how == "grant pg_monitor to readiness"
    assert planning.actions(w, without=["schema/c0"])[0].checks == ("schema/c1", "schema/c2")


def test_a_signature_earns_no_more_than_the_cap():
    rs = [CheckResult(check=replace(info(f"{c}/x"), attestable=True), outcome=ATTESTABLE) for c in Category]
    w = weighed(Policy(name="p", threshold=20, minimum_coverage=0), rs)
    plan = planning.least(w, planning.actions(w))
    assert plan.reaches_go
    assert plan.card.total.floor == 20
    w = weighed(Policy(name="p", threshold=21, minimum_coverage=0), rs)
    plan = planning.least(w, planning.actions(w))
    assert not plan.reaches_go
    assert plan.missing


def test_a_must_have_comes_first_and_a_waiver_is_not_undone():
    rs = [
        CheckResult(check=info("schema/a", Priority.INFO), outcome=FAIL),
        CheckResult(check=info("schema/b"), outcome=PASS),
    ]
    policy = Policy(
        name="p",
        threshold=0,
        minimum_coverage=0,
        drop=(Category.MIGRATION, Category.PERFORMANCE, Category.SECURITY, Category.OPERATIONS),
        must_haves=(MustHave(id="M", title="m", checks=("schema/a",)),),
    )
    w = weighed(policy, rs)
    plan = planning.least(w, planning.actions(w))
    assert [(a.checks, a.must_haves, a.gain) for a in plan.actions] == [(("schema/a",), ("M",), 0)]
    gone = Policy.model_validate(
        policy.model_dump() | {"must_haves": [{"id": "M", "title": "m", "checks": ["schema/gone"]}]}
    )
    plan = planning.least(weighed(gone, rs), [])
    assert not plan.reaches_go


def assumed(status: Status) -> Any:
    w = weighed(Policy(name="p"), [CheckResult(check=info(f"schema/{n}"), outcome=FAIL) for n in "ab"])
    return planning.what_if(w, {"schema/a": status}).total.floor


def test_what_if():
    assert [assumed(s) for s in (Status.PASS, Status.PARTIAL, Status.FAIL, Status.UNKNOWN)] == [
        15,
        Fraction(15, 2),
        0,
        0,
    ]
    assert assumed(Status.NOT_APPLICABLE) == 0
