"""A profile's own plan, answered: rows, risks, milestones and the projection, from results alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

import stage
from conftest import Database
from readiness import profile, recount, requirements, scoring
from readiness.model import (
    BINARY,
    CheckResult,
    Count,
    EvidenceKind,
    Examined,
    NotApplicable,
    Observation,
    Reason,
    Status,
    Unseen,
    settle,
    tally,
)
from readiness.policy import Policy
from readiness.profile import Milestone, Risk, Row
from readiness.scoring import Decision
from test_scoring import FAIL, PASS, UNKNOWN, info, scope

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NA = NotApplicable("0 things")
PARTLY = Examined(observations=(Observation(subject="s.t", ok=False),), tally={'"s"': Count(examined=4, ok=3)})
OUTCOMES = {"pass": PASS, "fail": FAIL, "partial": PARTLY, "unknown": UNKNOWN, "n/a": NA}


def results(**outcomes: str) -> dict[str, CheckResult]:
    """By check id, `schema/<name>`."""
    return {f"schema/{n}": CheckResult(check=info(f"schema/{n}"), outcome=OUTCOMES[o]) for n, o in outcomes.items()}


def row(*checks: str, **own) -> Row:
    return Row(title="r", checks=tuple(f"schema/{c}" for c in checks), **own)


# -- rows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "rule", "status"),
    [
        (["pass", "pass"], "all", Status.PASS),
        (["pass", "n/a"], "all", Status.PASS),
        (["n/a", "n/a"], "all", Status.NOT_APPLICABLE),
        (["pass", "unknown"], "all", Status.UNKNOWN),
        (["fail", "unknown"], "all", Status.FAIL),
        (["fail", "n/a"], "all", Status.FAIL),
        (["fail", "pass"], "all", Status.PARTIAL),
        (["partial", "unknown"], "all", Status.PARTIAL),
        (["fail", "pass"], "any", Status.PASS),
        (["fail", "unknown"], "any", Status.UNKNOWN),
        (["n/a", "fail"], "any", Status.FAIL),
        (["n/a"], "any", Status.NOT_APPLICABLE),
    ],
)
def test_a_row_is_what_its_checks_are(outcomes, rule, status):
    found = results(**{f"c{n}": o for n, o in enumerate(outcomes)})
    standing = requirements.standing(row(*(f"c{n}" for n in range(len(outcomes))), rule=rule), found, {})
    assert standing.status is status
    assert [a.status for a in standing.answers] == [r.status for r in found.values()]


def test_a_check_that_is_not_there_leaves_a_row_unknown():
    assert requirements.standing(row("gone"), {}, {}).status is Status.UNKNOWN


TABLES = [
    Observation(subject="auth.users", ok=True),
    Observation(subject="auth.resets", ok=False),
    Observation(subject="memory.chunks", ok=True),
]


def looked(*subjects: Observation | Unseen, kind: str = "table") -> CheckResult:
    seen = [s for s in subjects if isinstance(s, Observation)]
    unseen = [s for s in subjects if isinstance(s, Unseen)]
    outcome = settle(seen, unseen, tally(seen, unseen, kind))
    return CheckResult(check=info("schema/a", kind=kind), outcome=outcome)


@pytest.mark.parametrize(
    ("own", "status", "said"),
    [
        ({"subjects": ("auth.*",)}, Status.PARTIAL, "does not hold for 1 of 2 things: auth.resets"),
        ({"subjects": ("auth.users", "memory.*")}, Status.PASS, "holds for 2 things"),
        ({"subjects": ("billing.*",)}, Status.UNKNOWN, "not_observable: nothing of billing.* was looked at"),
        ({"service": "memory"}, Status.PASS, "holds for 1 thing"),
        ({"service": "auth"}, Status.PARTIAL, "does not hold for 1 of 2 things: auth.resets"),
        ({"service": "billing"}, Status.UNKNOWN, "not_observable: nothing of billing was looked at"),
    ],
)
def test_a_row_may_concern_a_part(own, status, said):
    scopes = {s: scope(s, s) for s in ("auth", "memory", "billing")}
    standing = requirements.standing(row("a", **own), {"schema/a": looked(*TABLES)}, scopes)
    assert (standing.status, standing.current) == (status, said)


@pytest.mark.parametrize("own", [{"subjects": ("auth.*",)}, {"service": "auth"}])
def test_what_could_not_be_seen_of_a_part_leaves_it_open_and_others_do_not(own):
    hidden = Unseen(subject="memory.documents", reason=Reason.NO_PERMISSION, detail="no", unlock="grant")
    scopes = {s: scope(s, s) for s in ("auth", "memory")}
    there = looked(TABLES[0], hidden)
    assert requirements.standing(row("a", **own), {"schema/a": there}, scopes).status is Status.PASS
    of_memory = row("a", **{k: "memory" if k == "service" else ("memory.*",) for k in own})
    assert requirements.standing(of_memory, {"schema/a": there}, scopes).status is Status.UNKNOWN
    refused = replace(there, outcome=UNKNOWN)
    assert requirements.standing(row("a", **own), {"schema/a": refused}, scopes).status is Status.UNKNOWN


def test_of_counted_subjects_a_service_knows_its_own():
    """The server counts healthy subjects by schema; of the finding's schema alone something is wrong."""
    outcome = Examined(
        observations=(Observation(subject="auth.t", ok=False),),
        tally={'"auth"': Count(examined=9, ok=8), '"memory"': Count(examined=4, ok=4)},
    )
    found = {"schema/a": CheckResult(check=info("schema/a"), outcome=outcome)}
    scopes = {s: scope(s, s) for s in ("auth", "memory")}
    assert requirements.standing(row("a", service="memory"), found, scopes).status is Status.PASS
    assert (
        requirements.standing(row("a", service="auth"), found, scopes).current
        == "does not hold for 1 of 9 things: auth.t"
    )


def test_what_is_attested_and_what_was_measured_is_said():
    signed = Examined(
        observations=(Observation(subject="Disks are enciphered", ok=True),), tally={"x": Count(examined=1, ok=1)}
    )
    attested = CheckResult(
        check=info("security/a", credit=BINARY, kind="server"), outcome=signed, evidence_kind=EvidenceKind.ATTESTED
    )
    standing = requirements.standing(Row(title="r", checks=("security/a",)), {"security/a": attested}, {})
    assert standing.current == "attested: Disks are enciphered"
    assert standing.answers[0].kind is EvidenceKind.ATTESTED
    figures = [
        Observation(subject=q, ok=True, evidence={"figure": "query_p95", "unit": "ms", "value": v})
        for q, v in (("feed", 4.25), ("login", 1.0))
    ]
    timed = looked(*figures, kind="query")
    assert requirements.said(timed) == "1 to 4.25 ms"


# -- services --------------------------------------------------------------------------------------------------


def test_the_mission_s_table_of_services():
    """40, 60, 0 and 0 percent make 25; the gateway that needs no change is whole, and left out."""
    progress = {"auth": 40, "project": 60, "memory": 0, "ai-gateway": 0, "api-gateway": 100}
    steps = [Observation(subject=f"{name}.t{n}", ok=n * 20 < done) for name, done in progress.items() for n in range(5)]
    scopes = [scope(name, name, needs_change=name != "api-gateway") for name in progress]
    card = scoring.score(Policy(name="p"), [looked(*steps)], scopes)
    assert {s.scope.name: s.readiness for s in card.services} == progress
    assert card.platform_readiness == 25


# -- risks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preventing", "limiting", "cell"),
    [
        (["pass", "pass"], ["pass"], ("medium", "low")),
        (["pass", "n/a"], ["unknown"], ("high", "low")),
        (["pass", "unknown"], ["pass", "fail"], ("high", "medium")),
        (["unknown", "fail"], ["n/a"], ("high", "high")),
        (["partial", "pass", "fail"], [], ("high", "high")),
        (["n/a"], ["pass"], ("medium", "high")),
    ],
)
def test_a_risk_lies_where_its_controls_put_it(preventing, limiting, cell):
    found = results(**{f"p{n}": o for n, o in enumerate(preventing)}, **{f"l{n}": o for n, o in enumerate(limiting)})
    risk = Risk(
        id="r",
        title="R",
        impact="high",
        prevented_by=tuple(f"schema/p{n}" for n in range(len(preventing))),
        limited_by=tuple(f"schema/l{n}" for n in range(len(limiting))),
    )
    place = requirements.risk_standing(risk, found)
    assert (place.impact, place.probability) == cell
    assert set(place.open_controls) == {
        c for c, r in found.items() if r.status not in (Status.PASS, Status.NOT_APPLICABLE)
    }


def test_the_lowest_impact_stays():
    risk = Risk(id="r", title="R", impact="low", prevented_by=("schema/a",), limited_by=("schema/a",))
    assert requirements.risk_standing(risk, results(a="pass")).impact == "low"


# -- the timeline ----------------------------------------------------------------------------------------------


def days(*scores: float, step: float = 1) -> list[tuple[datetime, Fraction]]:
    """A run each `step` days, the last one now."""
    return [(NOW - timedelta(days=step * (len(scores) - 1 - n)), Fraction(repr(s))) for n, s in enumerate(scores)]


def test_a_date_takes_runs_enough():
    said = requirements.projection(days(10, 20, 30), Fraction(70))
    assert said.expected is None
    assert "so far it is 3 days with a run over 2 days" in said.note
    hourly = days(*range(10, 40), step=1 / 24)
    assert requirements.projection(requirements.by_day(hourly), Fraction(70)).expected is None, (
        "one afternoon is no trend"
    )
    assert requirements.projection(days(*range(10, 18), step=0.9), Fraction(70)).expected is None, "eight in 6.3 days"


def test_a_steady_rise_meets_the_threshold_when_it_does():
    said = requirements.projection(days(*range(30, 50, 2)), Fraction(70))
    assert said.expected == said.earliest == said.latest == (NOW + timedelta(days=11)).date()
    assert said.points_per_week == 14


def test_noise_widens_the_band_and_one_odd_run_does_not_turn_it():
    random = Random(7)
    noisy = [30 + n + random.uniform(-2, 2) for n in range(15)]
    noisy[11] = 0.0
    said = requirements.projection(days(*noisy), Fraction(70))
    truth = (NOW + timedelta(days=26)).date()
    assert said.expected is not None
    assert said.earliest is not None
    assert said.latest is not None
    assert said.earliest < said.expected < said.latest
    assert said.earliest <= truth <= said.latest
    assert abs((said.expected - truth).days) < 8


@pytest.mark.parametrize(
    ("scores", "word"),
    [
        (range(60, 50, -1), "does not rise"),
        ([50] * 10, "does not rise"),
        ([50 + n / 100 for n in range(10)], "two years"),
        ([50, 60, 65, 72], "meets the threshold"),
        ([], "no run compares"),
    ],
)
def test_what_leads_nowhere_is_told(scores, word):
    said = requirements.projection(days(*scores), Fraction(70))
    assert word in said.note
    assert said.expected is None


MILESTONE = Milestone(title="Done", date=date(2026, 11, 25), phases=("One",))


@pytest.mark.parametrize(
    ("states", "today", "met"),
    [
        ([Status.PASS, Status.NOT_APPLICABLE], date(2027, 1, 1), True),
        ([Status.PASS, Status.UNKNOWN], date(2026, 11, 25), None),
        ([Status.PASS, Status.FAIL], date(2026, 11, 26), False),
        ([Status.NOT_APPLICABLE], date(2026, 11, 20), None),
    ],
)
def test_a_milestone_is_met_by_its_phases(states, today, met):
    assert requirements.milestone_met(MILESTONE, {"One": states}, Decision.GO, None, today)[0] is met


def test_a_milestone_without_phases_is_a_go():
    go = Milestone(title="Beta", date=date(2026, 12, 1))
    assert requirements.milestone_met(go, {}, Decision.GO, None, date(2027, 1, 1))[0] is True
    met, note = requirements.milestone_met(go, {}, Decision.HOLD, date(2026, 12, 9), date(2026, 11, 25))
    assert met is None
    assert note == "in 6 days, projected 2026-12-09; the decision is HOLD"


# -- the profile -----------------------------------------------------------------------------------------------

PLAN = """
name: shop
services: {auth: {title: Auth, schemas: [auth]}}
requirements:
  Keys:
    - {id: T1, title: Keys, target: uuid, checks: [schema/non-uuid-primary-key, schema/table-without-primary-key]}
    - {title: Of auth, service: auth, checks: [schema/non-uuid-primary-key]}
checklist: {First: [{title: Tables, checks: [schema/table-without-primary-key]}]}
nice_to_have: [{title: Words, checks: [schema/undocumented-table]}]
success_metrics: [{title: Keys, checks: [schema/table-without-primary-key]}]
risks: [{id: mixed, title: Mixed keys, impact: high, prevented_by: [schema/non-uuid-primary-key], mitigation: "Uuids."}]
milestones: [{title: First, date: 2026-01-01, phases: [First]}, {title: GO, date: 2099-01-01}]
"""


def test_it_stands_in_the_document_and_every_report_and_is_verified(embedded_database: Database, tmp_path: Path):
    embedded_database.run(
        "create schema auth; create table auth.users (id int primary key); create table t (id uuid primary key);"
        "comment on table t is 'things'"
    )
    (tmp_path / "readiness.yaml").write_text(PLAN)
    env = stage.environment(tmp_path)
    only = ("--only", "schema/*")
    for _ in range(2):
        done = stage.run(
            *(
                "score",
                "-d",
                embedded_database.dsn(),
                "-f",
                "json",
                "-o",
                "r.json",
                "-f",
                "html",
                "-o",
                "r.html",
                *only,
            ),
            env=env,
            cwd=tmp_path,
        )
    run = recount.read(tmp_path / "r.json")
    assert [(r.table, r.id, r.status.value) for r in run.requirements] == [
        ("Keys", "T1", "partial"),
        ("Keys", "", "fail"),
    ]
    assert run.requirements[0].current == "does not hold for 1 of 2 tables with a primary key: auth.users"
    assert [r.status.value for r in (*run.checklist, *run.nice_to_have, *run.success_metrics)] == [
        "pass",
        "partial",
        "pass",
    ]
    (risk,) = run.risks
    assert (risk.impact, risk.probability, risk.checks) == ("high", "high", ["schema/non-uuid-primary-key"])
    assert [m.met for m in run.milestones] == [True, None]
    assert run.projection is not None
    assert "so far it is 1 day with a run" in run.projection.note, done.said
    assert len(run.projection.points) == 1
    for name in ("markdown", "html"):
        text = stage.run("report", "r.json", "-f", name, env=env, cwd=tmp_path).out
        for word in ("T1", "Of auth", "Tables", "Words", "Mixed keys", "Uuids", "2099", "so far it is"):
            assert word in text.replace("\\", ""), (name, word)
    text = (tmp_path / "r.json").read_text()
    assert recount.verify(text) == []
    forged = json.loads(text)
    forged["requirements"][0]["status"] = "pass"
    forged["risks"][0]["probability"] = "low"
    found = recount.verify(json.dumps(forged))
    assert [f.partition(":")[0] for f in found] == ["sha256", "requirements[T1].status", "risks[mixed].probability"]
    for at, value in (("service", "nobody"), ("checks", [])):
        forged = json.loads(text)
        forged["requirements"][0][at] = value
        assert len(recount.verify(json.dumps(forged))) > 1
    forged = json.loads(text)
    forged["projection"]["points"][0][1] = "1/0"
    assert "projection.points" in recount.verify(json.dumps(forged))[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "risks: [{id: r, title: R, impact: high, prevented_by: [schema/mising-table]}]",
            "did you mean 'schema/missing-table'",
        ),
        ("nice_to_have: [{title: R, checks: [schema/none-such]}]", "nice_to_have: no check is named"),
        ("nice_to_have: [{title: R, checks: []}]", "nice_to_have"),
        ("nice_to_have: [{title: R, service: x, checks: [schema/missing-table]}]", "no service is named 'x'"),
        ("milestones: [{title: M, date: 2026-01-01, phases: [X]}]", "no phase 'X'"),
        (
            "services: {a: {}}\nnice_to_have: [{title: R, service: a, subjects: [b], checks: [schema/missing-table]}]",
            "not both",
        ),
    ],
)
def test_a_plan_that_cannot_be_answered_is_refused(text, said, tmp_path):
    (tmp_path / "readiness.yaml").write_text(f"name: shop\n{text}\n")
    done = stage.run("profile", "check", env=stage.environment(tmp_path), cwd=tmp_path)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_the_shipped_profile_s_plan_is_the_mission_s():
    plan = profile.load_shipped("devmentor", {}).profile
    assert [len(rows) for rows in plan.checklist.values()] == [5] * 5
    assert [r.id for r in plan.risks] == ["data-loss", "schema-conflict", "slower", "downtime"]
    assert [(m.title, m.date.isoformat()) for m in plan.milestones] == [
        ("Migration complete", "2025-02-12"),
        ("Testing complete", "2025-02-19"),
        ("Beta ready", "2025-02-26"),
    ]
    assert len(plan.success_metrics) == 4
