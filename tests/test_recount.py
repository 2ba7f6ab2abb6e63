"""A saved run computed again, compared and gated: properties under hypothesis. Numbers are compared exactly."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from readiness import diff, document, gates, recount, register, scoring
from readiness.document import PolicyPart, Run, RunDocument, TargetPart
from readiness.model import (
    BINARY,
    CheckResult,
    Count,
    Examined,
    NotApplicable,
    Observation,
    Ramp,
    Reason,
    Unknown,
    Unseen,
)
from readiness.policy import CheckPolicy, MustHave, Policy
from readiness.quantiles import quantile
from readiness.recount import _AsItIs
from readiness.register import Register, Waiver
from readiness.scoring import ServiceScope
from test_scoring import FAIL, PASS, examined, info, policies, results

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCOPES = (
    ServiceScope(name="a", title="A", needs_change=True, objects=frozenset({'"s"'}), roles=frozenset({'"r"'})),
    ServiceScope(name="b", title="B", needs_change=False, objects=frozenset(), roles=frozenset()),
)


def made(policy: Policy, rs: list[CheckResult], *, waivers: tuple[Waiver, ...] = (), **own: Any) -> RunDocument:
    """The document of an audit that found this."""
    rs, entries = register.waive(rs, Register(waivers=waivers), NOW)
    fields: dict[str, Any] = {
        "id": "20261122T120000Z-0",
        "target": TargetPart(
            name="p", server_version="18.1", database="d", role="readiness", system_identifier="i", superuser=False
        ),
        "started_at": NOW,
        "finished_at": NOW,
        "seconds": 1.25,
        "partial": False,
        "notes": [],
        "policy": PolicyPart(
            name=policy.name, threshold=policy.threshold, sha256=policy.sha256, body=policy.model_dump(mode="json")
        ),
        "checkset_sha256": "c",
        "tool": document.THIS_TOOL,
        "card": scoring.score(policy, rs, SCOPES, mixed_evidence=own.get("mixed_evidence")),
        "questions": {},
        "services_of": {r.check.id: scoring.one_service(r, SCOPES) for r in rs},
        "waivers": entries,
        "attestations": [],
        "drills": [],
    }
    return document.build(Run(**(fields | own)), _AsItIs())


documents = st.builds(made, policies, results)


@given(documents)
@settings(max_examples=60)
def test_what_was_not_touched_verifies(run: RunDocument):
    assert recount.verify(run.to_json()) == []


def numbers(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where numbers stand in a document, exact ones among them."""
    match value:
        case bool():
            return
        case int() | float():
            yield at
        case str():
            try:
                Fraction(value)
            except (ValueError, ZeroDivisionError):
                return
            yield at
        case dict():
            for key, item in value.items():
                yield from numbers(item, (*at, key))
        case list():
            for n, item in enumerate(value):
                yield from numbers(item, (*at, n))


def changed(run: RunDocument, at: tuple[Any, ...], by: int) -> dict[str, Any]:
    body = json.loads(run.to_json())
    place = body
    for key in at[:-1]:
        place = place[key]
    old = place[at[-1]]
    place[at[-1]] = str(Fraction(old) + by) if isinstance(old, str) else old + by
    return body


@given(documents, st.data(), st.sampled_from([-3, -1, 1, 7]))
@settings(max_examples=150)
def test_any_single_changed_number_is_found(run: RunDocument, data: Any, by: int):
    at = data.draw(st.sampled_from(sorted(numbers(json.loads(run.to_json())), key=str)))
    with suppress(ValueError):  # it is no run document any more
        assert recount.verify(json.dumps(changed(run, at, by)))


CONCLUDED = (
    "verdict",
    "categories",
    "must_haves",
    "services",
    "platform_readiness",
    "blockers",
    "plan",
    "measurements",
)
MEASURED = {"duration_ms", "waived", "expires"}


@given(documents, st.data(), st.sampled_from([-1, 1]))
@settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_conclusion_is_found_even_under_a_new_seal(run: RunDocument, data: Any, by: int):
    """Whoever changes a conclusion and seals the document anew is found by the evidence."""
    places = [
        at
        for at in numbers(json.loads(run.to_json()))
        if at[0] in CONCLUDED or (at[0] == "checks" and not MEASURED & set(at)) or at[:2] == ("policy", "body")
    ]
    at = data.draw(st.sampled_from(sorted(places, key=str)))
    body = changed(run, at, by)
    body["sha256"] = document.seal_of(body)
    with suppress(ValueError):
        assert recount.verify(json.dumps(body)), at


def test_a_missing_seal_and_a_key_that_stands_twice_are_found():
    text = made(Policy(name="p"), [CheckResult(check=info(), outcome=PASS)]).to_json()
    body = json.loads(text)
    assert recount.verify(json.dumps(body | {"sha256": ""})) == ["sha256: the document carries no seal"]
    with pytest.raises(ValueError, match="stands twice"):
        recount.verify(text.replace('"partial":', '"partial": true, "partial":', 1))


def test_json_written_anew_keeps_its_seal():
    """`jq .` writes 70.0 as 70 and takes other white space; nothing was changed by that."""
    body = json.loads(made(Policy(name="p"), [CheckResult(check=info(), outcome=PASS)]).to_json())

    def as_jq(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, dict):
            return {k: as_jq(v) for k, v in value.items()}
        return [as_jq(v) for v in value] if isinstance(value, list) else value

    assert recount.verify(json.dumps(as_jq(body), indent=4)) == []


def test_every_part_comes_back():
    """Waivers, attested evidence, unseen subjects, measured credit, mixed evidence, services: all verify."""
    hidden = Unseen(subject="s.x", reason=Reason.NO_PERMISSION, detail="hidden", unlock="grant;")
    rs = [
        CheckResult(
            check=info("schema/waived", credit=BINARY), outcome=examined(1, 2), expires=NOW + timedelta(days=3)
        ),
        CheckResult(
            check=info("performance/ramp", credit=Ramp(measure="used", target=10, limit=20)),
            outcome=Examined(
                observations=(Observation(subject="s.a", ok=False, evidence={"used": 14.5}),),
                tally={'"s"': Count(examined=2, ok=1, unseen=1)},
                unseen=(hidden,),
            ),
        ),
        CheckResult(
            check=info("security/seen"),
            outcome=Unknown(
                reason=Reason.NO_PERMISSION,
                detail="s.x: hidden",
                unlock="grant;",
                unseen=(hidden,),
                observations=(Observation(subject="s.y", ok=True),),
            ),
        ),
    ]
    waiver = Waiver(
        check="schema/waived",
        object="s.*",
        reason="r",
        owner="o",
        approver="a",
        ticket="t",
        created=date(2026, 11, 1),
        expires=date(2026, 12, 1),
    )
    policy = Policy(name="p", must_haves=(MustHave(id="M", title="m", checks=("schema/waived",)),))
    run = made(policy, rs, waivers=(waiver,), mixed_evidence="a failover")
    assert run.must_haves[0].waived
    assert recount.verify(run.to_json()) == []
    weighed = recount.weigh(run)
    assert [r.waived for r in weighed.results if r.check.id == "schema/waived"] == [frozenset({0})]
    body = json.loads(run.to_json())
    body["checks"] = [c | {"findings": [f | {"waived": True} for f in c["findings"]]} for c in body["checks"]]
    body["sha256"] = document.seal_of(body)
    assert recount.verify(json.dumps(body)), "a finding that no waiver covers is told as waived"


@given(documents, st.data())
@settings(max_examples=60)
def test_of_another_versions_run_what_decides_is_computed_again(run: RunDocument, data: Any):
    """Which puts its verdict and its credits into other words; it is sealed with them, as it made them."""
    body = json.loads(run.to_json())
    body["verdict"]["reasons"] = ["said otherwise", *body["verdict"]["reasons"]]
    body["checks"] = [c | {"credit_form": "in other words"} for c in body["checks"]]
    body["plan"] = [step | {"how": "otherwise"} for step in body["plan"]]
    body["sha256"] = document.seal_of(body)
    assert recount.verify(json.dumps(body)), "this version says it in its own words"
    older = body | {"tool": body["tool"] | {"version": "0.0.9"}}
    older["sha256"] = document.seal_of(older)
    assert recount.verify(json.dumps(older)) == []
    at = data.draw(st.sampled_from(sorted(numbers(older), key=str)))
    forged = changed(document.parse(json.dumps(older)), at, 1)
    with suppress(ValueError):  # it is no run document any more
        forged["sha256"] = document.seal_of(forged)
        if at[0] in ("verdict", "categories", "must_haves"):
            assert recount.verify(json.dumps(forged)), at
    decided = older | {
        "verdict": older["verdict"] | {"decision": "GO" if older["verdict"]["decision"] != "GO" else "NO-GO"}
    }
    decided["sha256"] = document.seal_of(decided)
    assert any("verdict.decision" in line for line in recount.verify(json.dumps(decided)))


@given(policies, policies, results)
@settings(max_examples=60)
def test_weighing_again_is_weighing_under_the_other_policy(own: Policy, other: Policy, rs: list[CheckResult]):
    run = recount.rescored(made(own, rs), other)
    card = scoring.score(other, rs, SCOPES)
    assert Fraction(run.verdict.score_exact) == card.total.floor
    assert (run.verdict.decision, run.policy.sha256) == (card.decision, other.sha256)
    assert recount.verify(run.to_json()) == []


def test_an_answer_to_another_question_counts_for_nothing():
    rs = [CheckResult(check=info("schema/a"), outcome=PASS), CheckResult(check=info("schema/b"), outcome=PASS)]
    stricter = Policy(name="q", checks={"schema/a": CheckPolicy(parameters={"most": 1})})
    run = recount.rescored(made(Policy(name="p"), rs), stricter)
    assert [(c.status, c.reason) for c in run.checks] == [("unknown", "stale"), ("pass", None)]
    narrower = recount.rescored(made(Policy(name="p"), rs), Policy(name="q", ignored_schemas=("legacy",)))
    assert {c.status for c in narrower.checks} == {"unknown"}


# -- what moved ------------------------------------------------------------------------------------------------


@given(policies, results, results)
@settings(max_examples=150)
def test_the_parts_of_a_move_sum_to_it_exactly(policy: Policy, before: list[CheckResult], after: list[CheckResult]):
    old, new = made(policy, before), made(policy, after)
    found = diff.compare(old, new)
    assert found.incomparable is None
    assert sum((m.points for m in found.moves), Fraction(0)) == found.moved
    assert found.moved == Fraction(new.verdict.score_exact) - Fraction(old.verdict.score_exact)
    assert all(m.points for m in found.moves)


@given(policies, results, results)
@settings(max_examples=60)
def test_every_finding_is_accounted_for_once(policy: Policy, before: list[CheckResult], after: list[CheckResult]):
    old, new = made(policy, before), made(policy, after)
    found = diff.compare(old, new)

    def of(run: RunDocument) -> set[tuple[str, str]]:
        return {(c.id, f.subject) for c in run.checks for f in c.findings}

    def named(moves: tuple[diff.FindingMove, ...]) -> set[tuple[str, str]]:
        return {(m.check.id, m.subject) for m in moves}

    assert named(found.new) == of(new) - of(old)
    left = (*found.mended, *found.gone, *found.unseen)
    assert named(left) == of(old) - of(new)
    assert len(left) == len(named(left))
    unanswered = {c.id for c in new.checks if c.status == "unknown"}
    assert not {m.check.id for m in found.mended} & unanswered, "what isn't looked at is not mended"


@given(documents)
@settings(max_examples=60)
def test_a_run_and_itself_say_the_same(run: RunDocument):
    assert diff.compare(run, run).nothing


@given(policies, policies, results, results)
@settings(max_examples=60)
def test_different_policies_do_not_compare_until_weighed_alike(
    one: Policy, other: Policy, before: list[CheckResult], after: list[CheckResult]
):
    assume(one.sha256 != other.sha256)
    old, new = made(one, before), made(other, after)
    found = diff.compare(old, new)
    assert found.incomparable
    assert found.moves == ()
    alike = diff.compare(diff.under_one_policy(old, new), new)
    assert alike.incomparable is None
    assert sum((m.points for m in alike.moves), Fraction(0)) == alike.moved


def moved(before: Any, after: Any, **own: Any) -> diff.Difference:
    check = info("schema/a")
    other = CheckResult(check=info("schema/b"), outcome=PASS)
    policy = Policy(name="p")
    return diff.compare(
        made(policy, [CheckResult(check=check, outcome=before), other]),
        made(policy, [CheckResult(check=check, outcome=after), other], **own),
    )


def test_the_cause_of_a_move_is_told():
    unknown = Unknown(reason=Reason.TIMEOUT, detail="took too long")
    causes = [
        (FAIL, PASS, diff.Cause.MENDED),
        (PASS, FAIL, diff.Cause.WORSE),
        (PASS, unknown, diff.Cause.UNMEASURED),
        (unknown, PASS, diff.Cause.MEASURED),
    ]
    for before, after, cause in causes:
        found = moved(before, after)
        (move,) = found.moves
        assert (move.cause, move.subject, abs(move.points)) == (cause, "schema/a", 15)
    applies = moved(NotApplicable("no table"), PASS)
    assert [m.why for m in applies.moves if m.cause is diff.Cause.QUESTION] == [
        "it applies now: not_applicable before, pass now"
    ], "nothing was mended"
    assert diff.Cause.MENDED not in [m.cause for m in applies.moves]
    applied = moved(unknown, NotApplicable("no table"))
    assert applied.measured == (), "nothing was measured"
    gone = moved(FAIL, unknown)
    assert (gone.mended, len(gone.unseen), len(gone.unmeasured)) == ((), 1, 1)


def test_what_the_profile_names_no_more_is_not_mended():
    def of(**services: bool | None) -> CheckResult:
        """name -> healthy, or None where it could not be looked at."""
        seen = {name: ok for name, ok in services.items() if ok is not None}
        return CheckResult(
            check=info("operations/a", kind="service"),
            outcome=Examined(
                observations=tuple(Observation(subject=n, ok=ok) for n, ok in seen.items()),
                tally={
                    n: Count(examined=0, ok=0, unseen=1) if ok is None else Count(examined=1, ok=int(ok))
                    for n, ok in services.items()
                },
                unseen=tuple(
                    Unseen(subject=n, reason=Reason.TIMEOUT, detail="d") for n, ok in services.items() if ok is None
                ),
            ),
        )

    def compared(before: CheckResult, after: CheckResult) -> diff.Difference:
        return diff.compare(made(Policy(name="p"), [before]), made(Policy(name="p"), [after]))

    dropped = compared(of(auth=True, down=False), of(auth=True))
    assert [m.subject for m in dropped.gone] == ["down"]
    assert gates.judge(gates.parse(["gone"]), dropped) == ["gone: operations/a: down is gone with what it was found on"]
    assert dropped.mended == ()
    (move,) = dropped.moves
    assert (move.cause, move.points > 0) == (diff.Cause.GONE, True)
    assert "1 subject with findings or out of sight dropped" in move.why
    unseen = compared(of(auth=True, far=None), of(auth=True))
    assert [m.cause for m in unseen.moves] == [diff.Cause.GONE], "nothing is newly measured"
    mended = compared(of(auth=True, down=False), of(auth=True, down=True))
    assert ([m.subject for m in mended.mended], mended.gone) == (["down"], ())
    assert [m.cause for m in mended.moves] == [diff.Cause.MENDED]


def test_a_check_that_joins_takes_weight_from_its_category():
    policy = Policy(name="p")
    a, b = (CheckResult(check=info(f"schema/{n}"), outcome=o) for n, o in (("a", PASS), ("b", FAIL)))
    found = diff.compare(made(policy, [a]), made(policy, [a, b]))
    (move,) = found.moves
    assert (move.cause, move.subject, move.points) == (diff.Cause.WEIGHT, "schema", -15)
    assert "joined: schema/b" in move.why


# -- gates -----------------------------------------------------------------------------------------------------


def test_gates_see_what_became_worse_and_nothing_else():
    worse, better, same = moved(PASS, FAIL), moved(FAIL, PASS), moved(FAIL, FAIL)
    met = {c: gates.judge(gates.parse([c]), worse) for c in ("new-fail", "new-finding", "score-drop:14.9")}
    assert all(met.values())
    assert gates.judge(gates.parse(["score-drop:15"]), worse) == [], "a drop of more than the limit"
    everything = gates.parse(["new-fail,new-finding,new-unknown,score-drop:0", "coverage-drop:0,slower:0%"])
    assert gates.judge(everything, better) == gates.judge(everything, same) == []
    blind = moved(PASS, Unknown(reason=Reason.TIMEOUT, detail="d"))
    met = {c: gates.judge(gates.parse([c]), blind) for c in ("new-unknown", "coverage-drop:5", "score-drop:2")}
    assert all(met.values())
    assert gates.judge(gates.parse(["new-fail"]), moved(Unknown(reason=Reason.TIMEOUT, detail="d"), FAIL))
    gone = gates.parse(["gone"])
    for before in (PASS, FAIL, Unknown(reason=Reason.NOT_CONFIGURED, detail="d")):
        said = gates.judge(gone, moved(before, NotApplicable("0 things")))
        assert any("applies no more: 0 things" in line for line in said)
    for before, after in ((FAIL, PASS), (PASS, FAIL), (PASS, Unknown(reason=Reason.TIMEOUT, detail="d"))):
        assert gates.judge(gone, moved(before, after)) == [], "mended, broken or not looked at: told by others"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("new-fails", "no such condition"),
        ("new-fail:2", "takes no limit"),
        ("score-drop", "expected score-drop:2"),
        ("score-drop:2%", "expected score-drop:2"),
        ("slower:20", "expected slower:20%"),
        ("coverage-drop:-1", "expected coverage-drop:2"),
    ],
)
def test_a_condition_that_cannot_be_read_is_told(written: str, said: str):
    with pytest.raises(gates.UnknownCondition, match=said):
        gates.parse([written])


def timed(value: float | None, lower: float | None = None, upper: float | None = None) -> RunDocument:
    evidence = {"figure": "query_p95", "unit": "ms", "value": value, "lower": lower, "upper": upper}
    outcome = Examined(
        observations=(Observation(subject="q", ok=True, evidence=evidence),), tally={"q": Count(examined=1, ok=1)}
    )
    return made(Policy(name="p"), [CheckResult(check=info("performance/slow-query", kind="query"), outcome=outcome)])


def test_slower_is_said_where_chance_does_not_explain_it():
    slower = gates.parse(["slower:20%"])

    def judged(old: RunDocument, new: RunDocument) -> list[str]:
        return gates.judge(slower, diff.compare(old, new))

    base = timed(10, 9, 11)
    assert judged(base, timed(13, 12, 14))
    assert judged(base, timed(11.9, 11.5, 12)) == []
    assert judged(base, timed(13, 10, 20)) == [], "the intervals overlap"
    assert judged(base, timed(None)), "what has no figure any more is not as quick as before"
    assert judged(base, made(Policy(name="p"), [])), "nor is what was not timed"
    assert judged(timed(10), timed(13)), "without intervals the figures decide"


def test_chance_alone_is_not_slower_and_half_as_slow_again_is():
    """1,000 seeded pairs of runs of 200 calls each: the same workload is told in at most 1 %, one 1.6 times slower mostly."""
    chance = random.Random(20261125)
    slower = gates.parse(["slower:20%"])

    def run(factor: float) -> RunDocument:
        q = quantile([chance.lognormvariate(2, 0.5) * factor for _ in range(200)])
        return timed(q.point, q.lower, q.upper)

    def told(factor: float, pairs: int) -> int:
        return sum(bool(gates.judge(slower, diff.compare(run(1), run(factor)))) for _ in range(pairs))

    assert told(1, 1_000) <= 10
    assert told(1.6, 100) >= 80


def planned(plan: str, fingerprint: str) -> RunDocument:
    seen = Observation(subject="q", ok=True, evidence={"plan": plan, "plan_fingerprint": fingerprint})
    outcome = Examined(observations=(seen,), tally={"q": Count(examined=1, ok=1)})
    return made(
        Policy(name="p"), [CheckResult(check=info("performance/sequential-scan", kind="query"), outcome=outcome)]
    )


def test_another_plan_is_told():
    before, after = planned("Index Scan t by i", "a"), planned("Seq Scan t", "b")
    gate = gates.parse(["changed-plan"])
    assert gates.judge(gate, diff.compare(before, after)) == [
        "changed-plan: q runs by Seq Scan t; before, by Index Scan t by i"
    ]
    assert not diff.compare(before, after).nothing
    assert gates.judge(gate, diff.compare(before, before)) == []
    assert gates.judge(gate, diff.compare(before, made(Policy(name="p"), []))) == [], "not seen is not changed"


def test_replaced_findings_are_new_and_mended():
    one, other = (
        Examined(observations=(Observation(subject=s, ok=False),), tally={'"s"': Count(examined=2, ok=1)})
        for s in ("s.a", "s.b")
    )
    found = moved(one, other)
    assert ([m.subject for m in found.new], [m.subject for m in found.mended]) == (["s.b"], ["s.a"])
    assert (found.moved, found.nothing) == (0, False)
    unlisted = replace(other, tally={'"s"': Count(examined=3, ok=1)})
    assert [m.subject for m in moved(one, unlisted).unseen] == ["s.a"], "not every finding was listed"
