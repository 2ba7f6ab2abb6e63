"""The run document: everything that any report or metric prints, as one versioned JSON value.

Reports are made from this and from nothing else, so that a saved run renders the same a year later. The models are the
contract; their JSON Schema ships as `readiness_config/schemas/run.schema.json`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from readiness import __version__, requirements, scoring
from readiness.authoring import Check
from readiness.model import (
    Binary,
    CheckInfo,
    CheckResult,
    Count,
    Credit,
    Examined,
    NotApplicable,
    Observation,
    Ramp,
    Ratio,
    Reason,
    Status,
    Tiers,
    Unknown,
    Unseen,
)
from readiness.profile import Row
from readiness.redaction import Redactor
from readiness.register import Entry
from readiness.scoring import Decision, Scorecard, Standing, tenths


class _Part(BaseModel):
    """Unknown fields are left out, not refused: a later minor version may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Tool(_Part):
    name: str
    version: str


THIS_TOOL = Tool(name="readiness", version=__version__)


class TargetPart(_Part):
    name: str
    title: str = ""
    server_version: str | None
    database: str | None
    role: str | None
    system_identifier: str | None
    """Hashed, with the database's name."""
    superuser: bool | None = None
    profile: str | None = None
    """The profile's file, as it was named; None where there was none."""
    profile_lines: dict[str, int] = {}
    """Part of the profile (`database`, `services.auth`, `queries.feed`) -> the line where it stands in that file."""


class PolicyPart(_Part):
    name: str
    threshold: float
    sha256: str
    body: dict[str, Any] = {}
    """The whole policy, so that anybody can weigh the checks again."""


class Verdict(_Part):
    decision: Decision
    exit_code: int
    score: float
    ceiling: float
    coverage: float
    threshold: float
    score_exact: str
    ceiling_exact: str
    coverage_exact: str
    attested: float = 0
    """Points of the score that rest on attestations."""
    accepted_risk: bool = False
    reasons: list[str]
    settled_by: list[str] = []
    """Where the decision is HOLD: the checks whose measurement settles it."""
    valid_until: datetime | None


class CategoryPart(_Part):
    id: str
    title: str
    weight: float
    score: float
    ceiling: float
    coverage: float
    weighted: float
    score_exact: str
    weighted_exact: str


class MustHavePart(_Part):
    id: str
    title: str
    status: Literal[Status.PASS, Status.FAIL, Status.UNKNOWN]
    waived: bool
    checks: list[str]
    open_checks: list[str] = []


class ServicePart(_Part):
    id: str
    title: str
    readiness: float
    """Percent, unknown counted as nothing."""
    needs_change: bool
    readiness_exact: str = "0"
    ceiling: float = 100.0
    """Percent, unknown counted as good."""
    checks: int = 0
    objects: list[str] = []
    """Its schemas and tables, always quoted: what is found there counts for it."""
    roles: list[str] = []
    queries: list[str] = []


class FindingPart(_Part):
    subject: str
    subject_kind: str
    evidence: dict[str, Any]
    remedy: str | None
    waived: bool
    fingerprint: str
    """Of the check and the subject; stays as long as they do."""


class SeenPart(_Part):
    """A healthy subject that was listed."""

    subject: str
    subject_kind: str
    evidence: dict[str, Any]


class UnseenPart(_Part):
    subject: str
    subject_kind: str
    reason: Reason
    detail: str
    unlock: str | None
    evidence: dict[str, Any] = {}


class CreditRule(_Part):
    """How a check is scored: `binary`, `ratio`, `ramp` (measure, target, limit) or `tiers` (measure, steps)."""

    form: Literal["binary", "ratio", "ramp", "tiers"]
    measure: str | None = None
    target: float | None = None
    limit: float | None = None
    steps: list[tuple[float, float]] = []


class CheckPart(_Part):
    id: str
    title: str
    category: str
    service: str | None
    subject_kind: str = ""
    """What it looks at, where a subject doesn't say otherwise."""
    priority: str
    """As this policy has it."""
    own_priority: str = ""
    """As the check itself has it."""
    effort: str
    status: Status
    reason: str | None
    detail: str | None
    """Why it is unknown or not applicable, in words."""
    unlock: str | None
    """What would let it look."""
    credit: float | None
    credit_exact: str | None
    credit_form: str
    credit_rule: CreditRule
    gain: float
    gain_exact: str
    points: float
    points_exact: str
    """Of 100: what full credit earns here."""
    earned_exact: str
    """The share of the points that counts in the score."""
    known_exact: str
    """The share of the points that is measured or attested."""
    weight: float
    weight_exact: str
    examined: int
    healthy: int
    hidden: int = 0
    """Subjects that could not be looked at."""
    tally: dict[str, tuple[int, int, int]] = {}
    """Scope -> subjects examined, healthy, and unseen."""
    universe: str
    evidence_kind: str
    evidence_sha256: str
    expires: datetime | None
    duration_ms: float
    mend: str
    pack: str
    why: str = ""
    needs: list[str] = []
    """What the auditor's role needs beyond CONNECT."""
    links: list[str] = []
    parameters: dict[str, Any] = {}
    """What a policy may set, as it was set in this run."""
    language: Literal["sql", "python", ""] = ""
    source: str = ""
    """The exact statement, as psql runs it; of a check in Python, its source."""
    sha256: str = ""
    """Of the check's source: whether two runs asked the same question."""
    attestable: bool = False
    """Whether a signed statement may stand in where no probe can see."""
    findings: list[FindingPart]
    seen: list[SeenPart] = []
    unseen: list[UnseenPart] = []


class BlockerPart(_Part):
    check: str
    title: str
    priority: str
    must_haves: list[str]
    gain: float
    gain_exact: str
    findings: int
    owners: list[str] = []
    """The services whose objects were found at fault; none: the platform's."""


class PlanPart(_Part):
    """One thing to do: mend what a check found, or let it look."""

    kind: Literal["fix", "measure"]
    check: str
    title: str
    effort: str
    gain: float
    gain_exact: str
    how: str
    must_haves: list[str] = []


class MeasurementPart(_Part):
    """A named figure, with how it was taken."""

    name: str
    figure: str
    subject: str
    value: float | None
    unit: str
    samples: int | None = None
    lower: float | None = None
    upper: float | None = None
    target: float | None = None
    source: str
    waits: list[float] = []
    """Samples that came to an end, sorted, in the unit: at most 500, of evenly spaced ranks. `samples` counts all."""
    series: list[float] = []
    """The figure in each second of the measurement, in their order."""


class CostPart(_Part):
    """What the audit cost the server, of its own session alone."""

    statements: int
    longest_ms: float
    """Of one statement with its transaction, on the auditor's side: the network is in it."""
    rested_seconds: float = 0
    """In which it asked nothing, since others were at work, or since the role may not see whether they are."""
    cpu_ms: float | None = None
    """CPU time of the server's process; None where the server's processes can't be seen from here."""
    blocks: int | None = None
    """Read, or found in shared buffers; None before PostgreSQL 18, which doesn't tell them by session."""


class TrendPart(_Part):
    """An earlier run of the same target."""

    run: str
    finished_at: datetime
    decision: str
    score: float
    ceiling: float
    comparable: bool
    """Weighed by the same policy over the same set of checks as this run."""


class MovePart(_Part):
    """What one check adds to the score now, against then."""

    check: str
    before: float
    after: float
    before_exact: str
    after_exact: str


class SincePart(_Part):
    """What moved the score since the last comparable run; the moves add up to the whole difference, exactly."""

    run: str
    finished_at: datetime
    score: float
    score_exact: str
    moves: list[MovePart]


class GrowthPart(_Part):
    """A figure over time, where it goes, and when it meets its limit."""

    name: str
    unit: str
    points: list[tuple[datetime, float]]
    limit: float | None = None
    full_at: datetime | None = None
    per_day: float | None = None
    days_lower: float | None = None
    """How soon the limit may be met; None where no end is in sight."""
    days_upper: float | None = None


class RiskPart(_Part):
    """A risk, its place in the matrix, and the checks that put it there."""

    id: str
    title: str
    impact: Literal["low", "medium", "high"]
    probability: Literal["low", "medium", "high"]
    why: str = ""
    checks: list[str] = []
    """Those that are no control now: failed, or not measured."""
    mitigation: str = ""
    unlimited_impact: Literal["low", "medium", "high"] = "high"
    """As the profile declares it: when nothing limits it."""
    prevented_by: list[str] = []
    limited_by: list[str] = []


class AnswerPart(_Part):
    """One check's word on a row."""

    check: str
    status: Status
    evidence_kind: str


class RowPart(_Part):
    """A row of the profile's plan, answered by checks."""

    id: str = ""
    title: str
    status: Status
    checks: list[str] = []
    priority: str = ""
    target: str = ""
    current: str = ""
    """What was found, in a few words: of the check that decides."""
    rule: Literal["all", "any"] = "all"
    service: str | None = None
    """Only what checks say of this service's own subjects counts."""
    subjects: list[str] = []
    """Only what checks say of these subjects counts."""
    answers: list[AnswerPart] = []


class RequirementPart(RowPart):
    """A row of a table of requirements."""

    table: str


class ChecklistPart(RowPart):
    """A row of the migration's checklist, ticked from evidence."""

    phase: str


class MilestonePart(_Part):
    title: str
    due: date
    met: bool | None
    """None where that is not known yet."""
    note: str = ""
    phases: list[str] = []
    """Of the checklist; without any the milestone is a GO."""


class ProjectionPart(_Part):
    """When the score meets the threshold, if it goes on as it did; why there is no date, where there is none."""

    note: str
    expected: date | None = None
    earliest: date | None = None
    latest: date | None = None
    """Of an 80 % band."""
    points_per_week: float | None = None
    points: list[tuple[datetime, str]] = []
    """The last earlier run of each day that compares: when it ended, its exact score."""


class LedgerPart(_Part):
    """A waiver or an attestation, and what became of it."""

    check: str
    state: str
    note: str
    expires: date
    days_left: int
    entry: dict[str, Any]


class DrillPart(_Part):
    id: str
    kind: str
    taken_at: datetime
    expires_at: datetime
    passed: bool
    evidence: dict[str, Any]


class RunDocument(_Part):
    schema_: Literal["readiness.run/1"] = Field(default="readiness.run/1", alias="schema")
    id: str
    tool: Tool
    target: TargetPart
    started_at: datetime
    finished_at: datetime
    duration_seconds: float
    cost: CostPart | None = None
    partial: bool = False
    """The run was interrupted; what was not asked is unknown."""
    mixed_evidence: str | None = None
    """Why what was seen doesn't belong together (a failover in between): nothing is decided on such."""
    notes: list[str] = []
    """What a reader must know beside the findings."""
    policy: PolicyPart
    checkset_sha256: str
    verdict: Verdict
    categories: list[CategoryPart]
    must_haves: list[MustHavePart]
    services: list[ServicePart]
    platform_readiness: float | None = None
    """The mean over the services that need a change."""
    checks: list[CheckPart]
    blockers: list[BlockerPart]
    requirements: list[RequirementPart] = []
    nice_to_have: list[RowPart] = []
    success_metrics: list[RowPart] = []
    risks: list[RiskPart] = []
    checklist: list[ChecklistPart] = []
    milestones: list[MilestonePart] = []
    projection: ProjectionPart | None = None
    trend: list[TrendPart] = []
    """Earlier runs, oldest first."""
    since: SincePart | None = None
    growth: list[GrowthPart] = []
    plan: list[PlanPart]
    measurements: list[MeasurementPart]
    waivers: list[LedgerPart]
    attestations: list[LedgerPart]
    drills: list[DrillPart]
    sha256: str = ""
    """The seal: of everything else here. Whoever keeps it elsewhere sees whether the document is still the same."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, use_attribute_docstrings=True)

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    def check(self, check_id: str) -> CheckPart:
        return next(c for c in self.checks if c.id == check_id)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the run document, as it is shipped."""
    schema = RunDocument.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@dataclass(frozen=True, slots=True)
class Question:
    """What a check asks: the exact statement as psql runs it, or its Python."""

    language: Literal["sql", "python"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one audit saw and concluded, before it becomes a document."""

    id: str
    target: TargetPart
    started_at: datetime
    finished_at: datetime
    seconds: float
    partial: bool
    mixed_evidence: str | None = None
    notes: Sequence[str]
    policy: PolicyPart
    checkset_sha256: str
    tool: Tool
    card: Scorecard
    services_of: Mapping[str, str | None]
    """Check id -> the one service that all its subjects belong to."""
    questions: Mapping[str, Question]
    """By check id."""
    plan: requirements.Plan = requirements.NO_PLAN
    scores: Sequence[tuple[datetime, Fraction]] = ()
    """Earlier runs that compare, the last of each day, oldest first: when each ended, and its score."""
    trend: Sequence[TrendPart] = ()
    last: RunDocument | None = None
    """The newest earlier run that compares with this one."""
    waivers: Sequence[Entry]
    attestations: Sequence[Entry]
    drills: Sequence[DrillPart]
    cost: CostPart | None = None


def build(run: Run, redactor: Redactor) -> RunDocument:
    """The document of a run, with no secret in it, and sealed."""
    card = run.card
    checks = [_check(s, run, redactor) for s in card.standings]
    today = run.finished_at.date()
    in_must_haves = _must_haves_by_check(card)
    built = RunDocument(
        id=run.id,
        tool=run.tool,
        target=run.target.model_copy(update={"title": redactor.text(run.target.title)}),
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration_seconds=round(run.seconds, 3),
        cost=run.cost,
        partial=run.partial,
        mixed_evidence=run.mixed_evidence,
        notes=[redactor.text(n) for n in run.notes],
        policy=run.policy,
        checkset_sha256=run.checkset_sha256,
        verdict=Verdict(
            decision=card.decision,
            exit_code=card.exit_code,
            score=tenths(card.total.floor),
            ceiling=tenths(card.total.ceiling),
            coverage=tenths(card.total.coverage),
            threshold=float(card.threshold),
            score_exact=str(card.total.floor),
            ceiling_exact=str(card.total.ceiling),
            coverage_exact=str(card.total.coverage),
            attested=tenths(card.attested_points),
            accepted_risk=card.accepted_risk,
            reasons=list(card.reasons),
            settled_by=list(card.settled_by),
            valid_until=card.valid_until,
        ),
        categories=[
            CategoryPart(
                id=c.id.value,
                title=c.title,
                weight=tenths(c.weight),
                score=tenths(c.own.floor),
                ceiling=tenths(c.own.ceiling),
                coverage=tenths(c.own.coverage),
                weighted=tenths(c.weighted),
                score_exact=str(c.own.floor),
                weighted_exact=str(c.weighted),
            )
            for c in card.categories
        ],
        must_haves=[
            MustHavePart(
                id=m.must_have.id,
                title=m.must_have.title,
                status=m.status,
                waived=m.waived,
                checks=list(m.must_have.checks),
                open_checks=list(m.open_checks),
            )
            for m in card.must_haves
        ],
        services=[
            ServicePart(
                id=s.scope.name,
                title=s.scope.title,
                readiness=tenths(s.readiness),
                needs_change=s.scope.needs_change,
                readiness_exact=str(s.readiness),
                ceiling=tenths(s.ceiling),
                checks=s.checks,
                objects=[redactor.known(o) for o in sorted(s.scope.objects)],
                roles=[redactor.known(r) for r in sorted(s.scope.roles)],
                queries=[redactor.known(q) for q in sorted(s.scope.queries)],
            )
            for s in card.services
        ],
        platform_readiness=None if card.platform_readiness is None else tenths(card.platform_readiness),
        checks=checks,
        blockers=[
            BlockerPart(
                check=s.result.check.id,
                title=s.result.check.title,
                priority=s.priority.value,
                must_haves=in_must_haves.get(s.result.check.id, []),
                gain=tenths(s.gain),
                gain_exact=str(s.gain),
                findings=_bad(s.result),
                owners=scoring.owners_of_findings(s.result, [own.scope for own in card.services]),
            )
            for s in scoring.blockers(card)
        ],
        **_answered(run, redactor),
        plan=_plan(card, in_must_haves, redactor),
        measurements=_measurements(checks),
        growth=_growth(checks),
        trend=list(run.trend),
        since=_since(run.last, checks) if run.last else None,
        waivers=[_ledger(e, today, redactor) for e in run.waivers],
        attestations=[_ledger(e, today, redactor) for e in run.attestations],
        drills=list(run.drills),
    )
    return sealed(built)


def _answered(run: Run, redactor: Redactor) -> dict[str, Any]:
    """The parts that answer the profile's own plan."""
    plan, card = run.plan, run.card
    results = {s.result.check.id: s.result for s in card.standings}
    scopes = {s.scope.name: s.scope for s in card.services}

    def told(row: Row) -> dict[str, Any]:
        found = requirements.standing(row, results, scopes)
        return row.model_dump() | {
            "status": found.status,
            "current": redactor.text(found.current),
            "answers": [AnswerPart(check=a.check, status=a.status, evidence_kind=a.kind.value) for a in found.answers],
        }

    checklist = [ChecklistPart(phase=phase, **told(row)) for phase, rows in plan.checklist.items() for row in rows]
    day = [(run.finished_at, card.total.floor)]
    projected = requirements.projection(requirements.by_day([*run.scores, *day]), card.threshold)
    phases = {phase: [row.status for row in checklist if row.phase == phase] for phase in plan.checklist}
    milestones = []
    for m in plan.milestones:
        met, note = requirements.milestone_met(m, phases, card.decision, projected.expected, run.finished_at.date())
        milestones.append(MilestonePart(title=m.title, due=m.date, met=met, note=note, phases=list(m.phases)))
    risks = []
    for r in plan.risks:
        place = requirements.risk_standing(r, results)
        risks.append(
            RiskPart(
                id=r.id,
                title=r.title,
                impact=place.impact,
                probability=place.probability,
                why=place.why,
                checks=list(place.open_controls),
                mitigation=r.mitigation,
                unlimited_impact=r.impact,
                prevented_by=list(r.prevented_by),
                limited_by=list(r.limited_by),
            )
        )
    return {
        "requirements": [
            RequirementPart(table=table, **told(row)) for table, rows in plan.requirements.items() for row in rows
        ],
        "nice_to_have": [RowPart(**told(row)) for row in plan.nice_to_have],
        "success_metrics": [RowPart(**told(row)) for row in plan.success_metrics],
        "risks": risks,
        "checklist": checklist,
        "milestones": milestones,
        "projection": ProjectionPart(
            note=projected.note,
            expected=projected.expected,
            earliest=projected.earliest,
            latest=projected.latest,
            points_per_week=projected.points_per_week,
            points=[(at, str(score)) for at, score in run.scores],
        )
        if plan.milestones
        else None,
    }


def sealed(run: RunDocument) -> RunDocument:
    """The document with its seal set anew: the last thing that is done to it."""
    return run.model_copy(update={"sha256": seal_of(run.model_dump(mode="json", by_alias=True))})


def seal_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of a document as JSON has it, without its seal; 70 and 70.0 are one number there."""
    return _sha256(_numbers({key: value for key, value in body.items() if key != "sha256"}))


def _numbers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _numbers(item) for key, item in value.items()}
        case list():
            return [_numbers(item) for item in value]
        case _:
            return value


def _must_haves_by_check(card: Scorecard) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for m in card.must_haves:
        for check in m.must_have.checks:
            found.setdefault(check, []).append(m.must_have.id)
    return found


def _bad(result: CheckResult) -> int:
    return result.outcome.examined - result.outcome.healthy if isinstance(result.outcome, Examined) else 0


def _since(last: RunDocument, checks: Sequence[CheckPart]) -> SincePart:
    """Where the score's difference to an earlier run comes from: exactly, since a score is the sum of what checks add."""
    then = {c.id: _added(c) for c in last.checks}
    moved = [(c.id, then.get(c.id, Fraction(0)), _added(c)) for c in checks]
    return SincePart(
        run=last.id,
        finished_at=last.finished_at,
        score=last.verdict.score,
        score_exact=last.verdict.score_exact,
        moves=[
            MovePart(check=check, before=tenths(b), after=tenths(a), before_exact=str(b), after_exact=str(a))
            for check, b, a in moved
            if a != b
        ],
    )


def _added(check: CheckPart) -> Fraction:
    """What a check adds to the score, in points."""
    return Fraction(check.points_exact) * Fraction(check.earned_exact)


def _check(standing: Standing, run: Run, redactor: Redactor) -> CheckPart:
    result = standing.result
    service = run.services_of.get(result.check.id)
    info, outcome = result.check, result.outcome
    observations: tuple[Observation, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    counts: Mapping[str, Count] = {}
    reason = detail = unlock = None
    match outcome:
        case Examined():
            observations, unseen, counts = outcome.observations, outcome.unseen, outcome.tally
        case Unknown():
            observations, unseen = outcome.observations, outcome.unseen
            reason, detail, unlock = outcome.reason.value, redactor.text(outcome.detail), outcome.unlock
        case NotApplicable():
            detail = redactor.text(outcome.evidence)
    part = CheckPart(
        id=info.id,
        title=info.title,
        category=info.category.value,
        service=service,
        subject_kind=info.subject_kind,
        priority=standing.priority.value,
        own_priority=info.priority.value,
        effort=info.effort.value,
        status=result.status,
        reason=reason,
        detail=detail,
        unlock=redactor.known(unlock) if unlock else None,
        credit=None if result.credit is None else float(result.credit),
        credit_exact=None if result.credit is None else str(result.credit),
        credit_form=credit_form(info.credit),
        credit_rule=credit_rule(info.credit),
        gain=tenths(standing.gain),
        gain_exact=str(standing.gain),
        points=tenths(standing.points),
        points_exact=str(standing.points),
        earned_exact=str(standing.earned),
        known_exact=str(standing.known),
        weight=float(standing.weight),
        weight_exact=str(standing.weight),
        examined=sum(c.examined for c in counts.values()),
        healthy=sum(c.ok for c in counts.values()),
        hidden=sum(c.unseen for c in counts.values()) if counts else len(unseen),
        tally=_tally(counts, redactor),
        universe=info.universe,
        evidence_kind=result.evidence_kind.value,
        evidence_sha256="",
        expires=result.expires,
        duration_ms=round(result.seconds * 1000, 1),
        mend=info.mend,
        pack=info.pack,
        why=info.why,
        needs=list(info.needs),
        links=list(info.links),
        parameters=redactor.value(_parameters(info, run.policy)),
        language=run.questions[info.id].language if info.id in run.questions else "",
        source=redactor.text(run.questions[info.id].text) if info.id in run.questions else "",
        sha256=info.sha256,
        attestable=info.attestable,
        findings=[
            FindingPart(
                subject=redactor.known(o.subject),
                subject_kind=o.kind or info.subject_kind,
                evidence=redactor.value(dict(o.evidence)),
                remedy=redactor.known(o.remedy) if o.remedy else None,
                waived=at in result.waived,
                fingerprint=fingerprint(info.id, o.subject),
            )
            for at, o in enumerate(o for o in observations if not o.ok)
        ],
        seen=[
            SeenPart(
                subject=redactor.known(o.subject),
                subject_kind=o.kind or info.subject_kind,
                evidence=redactor.value(dict(o.evidence)),
            )
            for o in observations
            if o.ok
        ],
        unseen=[
            UnseenPart(
                subject=redactor.known(u.subject),
                subject_kind=u.kind or info.subject_kind,
                reason=u.reason,
                detail=redactor.text(u.detail),
                unlock=redactor.known(u.unlock) if u.unlock else None,
                evidence=redactor.value(dict(u.evidence)),
            )
            for u in unseen
        ],
    )
    return part.model_copy(update={"evidence_sha256": evidence_sha256(part)})


def _parameters(info: CheckInfo, policy: PolicyPart) -> dict[str, Any]:
    own: Mapping[str, Any] = policy.body.get("checks", {}).get(info.id, {})
    return {**info.parameters, **own.get("parameters", {})}


def _tally(counts: Mapping[str, Count], redactor: Redactor) -> dict[str, tuple[int, int, int]]:
    told: dict[str, tuple[int, int, int]] = {}
    for scope, c in sorted(counts.items()):
        name = redactor.known(scope)
        before = told.get(name, (0, 0, 0))  # two scopes that redaction made one
        told[name] = (before[0] + c.examined, before[1] + c.ok, before[2] + c.unseen)
    return told


def evidence_of(part: CheckPart) -> dict[str, Any]:
    """What a check saw, as its document has it: this is what `evidence_sha256` is the hash of."""
    fields = {"id", "status", "reason", "detail", "unlock", "tally", "evidence_kind", "findings", "seen", "unseen"}
    found = part.model_dump(mode="json", include=fields)
    for finding in found["findings"]:
        del finding["waived"]  # a waiver changes what is accepted, not what was seen
    return found


def evidence_sha256(part: CheckPart) -> str:
    return _sha256(evidence_of(part))


def fingerprint(check: str, subject: str) -> str:
    """The finding's name for baselines: of what it is about, never of its wording."""
    return hashlib.sha256(f"{check}\0{subject}".encode("utf-8", "backslashreplace")).hexdigest()[:32]


def credit_form(form: Credit) -> str:
    """How the check is scored, in words."""
    match form:
        case Binary():
            return "all or nothing"
        case Ratio():
            return "the healthy share"
        case Ramp():
            return f"{form.measure}: full credit to {form.target:g}, falling to none at {form.limit:g}"
        case Tiers():
            steps = ", ".join(f"{credit:g} to {bound:g}" for bound, credit in form.steps)
            return f"{form.measure}: credit {steps}, then none"


def credit_rule(form: Credit) -> CreditRule:
    match form:
        case Binary():
            return CreditRule(form="binary")
        case Ratio():
            return CreditRule(form="ratio")
        case Ramp():
            return CreditRule(form="ramp", measure=form.measure, target=form.target, limit=form.limit)
        case Tiers():
            return CreditRule(form="tiers", measure=form.measure, steps=list(form.steps))


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def checkset_sha256(checks: Iterable[Check]) -> str:
    """Of every check's id and source, and of the tool that asks: runs of different sets of questions don't compare."""
    return _sha256([__version__, sorted((c.info.id, c.info.sha256) for c in checks)])


def _plan(card: Scorecard, in_must_haves: Mapping[str, list[str]], redactor: Redactor) -> list[PlanPart]:
    rows = []
    for s in scoring.ranked(card.standings):
        result = s.result
        must_haves = in_must_haves.get(result.check.id, [])
        match result.outcome:
            case Examined() as examined if examined.findings:
                remedies = [o.remedy for o in examined.findings if o.remedy]
                kind: Literal["fix", "measure"] = "fix"
                how = remedies[0] if len(remedies) == 1 == _bad(result) else result.check.mend
            case Unknown() as unknown:
                kind, how = "measure", unknown.unlock or unknown.detail
            case _:
                continue
        if s.gain or must_haves:
            rows.append(
                PlanPart(
                    kind=kind,
                    check=result.check.id,
                    title=result.check.title,
                    effort=result.effort.value,
                    gain=tenths(s.gain),
                    gain_exact=str(s.gain),
                    how=redactor.known(how),
                    must_haves=must_haves,
                )
            )
    return rows


def _measurements(checks: Sequence[CheckPart]) -> list[MeasurementPart]:
    """The named figures in the evidence: a check that measures one says `figure`, `unit` and `value` there."""
    found = []
    for c in checks:
        parts: list[FindingPart | SeenPart | UnseenPart] = [*c.findings, *c.seen, *c.unseen]
        for part in parts:
            e = part.evidence
            if not isinstance(e.get("figure"), str) or not isinstance(e.get("unit"), str):
                continue
            samples = e.get("samples")
            found.append(
                MeasurementPart(
                    name=f"{e['figure']}:{part.subject}",
                    figure=e["figure"],
                    subject=part.subject,
                    value=_number(e.get("value")),
                    unit=e["unit"],
                    samples=samples if isinstance(samples, int) else None,
                    lower=_number(e.get("lower")),
                    upper=_number(e.get("upper")),
                    target=_number(e.get("target")),
                    source=str(e.get("source") or c.id),
                    waits=[w for w in e.get("waits") or () if isinstance(w, float | int)],
                    series=[n for n in e.get("series") or () if isinstance(n, float | int)],
                )
            )
    return sorted(found, key=lambda m: m.name)


def _growth(checks: Sequence[CheckPart]) -> list[GrowthPart]:
    """The series in the evidence: a check that follows one says `series_at` and `series` there."""
    found = []
    for c in checks:
        parts: list[FindingPart | SeenPart | UnseenPart] = [*c.findings, *c.seen, *c.unseen]
        for part in parts:
            e = part.evidence
            if (
                not isinstance(e.get("series_at"), list)
                or not isinstance(e.get("series"), list)
                or len(e["series"]) < 2
            ):
                continue
            found.append(
                GrowthPart(
                    name=part.subject,
                    unit=str(e.get("unit") or ""),
                    points=[
                        (datetime.fromisoformat(at), value)
                        for at, value in zip(e["series_at"], e["series"], strict=True)
                    ],
                    limit=_number(e.get("limit")),
                    full_at=datetime.fromisoformat(e["full_at"]) if isinstance(e.get("full_at"), str) else None,
                    per_day=_number(e.get("per_day")),
                    days_lower=_number(e.get("days_lower")),
                    days_upper=_number(e.get("days_upper")),
                )
            )
    return sorted(found, key=lambda g: g.name)


def _number(value: Any) -> float | None:
    """A figure; None where it is none, or has no end."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _ledger(entry: Entry, today: date, redactor: Redactor) -> LedgerPart:
    return LedgerPart(
        check=entry.entry.check,
        state=entry.state.value,
        note=redactor.text(entry.note),
        expires=entry.entry.expires,
        days_left=entry.days_left(today),
        entry=redactor.value(entry.entry.model_dump(mode="json", exclude_none=True)),
    )


_LONGEST = 512 * 2**20  # characters of a document that is taken out of a page
_EMBEDDED = re.compile(
    r'<script type="application/json" id="run-document">([^<]*)</script>\s*'
    r'<script type="application/gzip" id="run-findings">([A-Za-z0-9+/=]*)</script>',
    re.IGNORECASE,
)
_FINDINGS = TypeAdapter(list[list[FindingPart]])


def embedded(run: RunDocument) -> tuple[str, ...]:
    """The document as elements of a page that nobody sees, in pieces: JSON, and its findings by themselves.

    These are much alike, so that compressing them takes little time and leaves little; the rest would take four times as
    long for a third of its size.
    """
    told = run.model_dump_json(by_alias=True, exclude={"checks": {"__all__": {"findings"}}})
    if not told.isascii():
        told = json.dumps(json.loads(told))
    told = told.replace("<", "\\u003c").replace("\x7f", "\\u007f")  # both stand in strings alone
    packed = gzip.compress(_FINDINGS.dump_json([c.findings for c in run.checks]), 1, mtime=0)
    return (
        '<script type="application/json" id="run-document">',
        told,
        '</script>\n<script type="application/gzip" id="run-findings">',
        base64.b64encode(packed).decode(),
        "</script>\n",
    )


def parse(text: str) -> RunDocument:
    """A saved document, or the one that an HTML report carries.

    Raises:
        ValueError: it is none, or of a version that this tool doesn't know.
    """
    return RunDocument.model_validate_json(within(text))


def within(text: str) -> str:
    """A saved document's JSON: an HTML report's is taken out of the page, anything else is left as it is.

    Raises:
        ValueError: the page carries none.
    """
    if text.lstrip()[:9].lower() != "<!doctype":
        return text
    found = _EMBEDDED.search(text)
    if found is None:
        raise ValueError("the page carries no run document")
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(base64.b64decode(found[2]), _LONGEST)
        body, findings = json.loads(found[1]), json.loads(unpacked)
        for check, own in zip(body["checks"], findings, strict=True):
            check["findings"] = own
    except (zlib.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError("the page's run document is damaged") from error
    return json.dumps(body)
