"""The run document: everything that any report or metric prints, as one versioned JSON value.

Reports are made from this and from nothing else, so that a saved run renders the same a year later. The models are the
contract; their JSON Schema ships as `readiness_config/schemas/run.schema.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from readiness import __version__, scoring
from readiness.authoring import Check
from readiness.model import (
    Binary,
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
from readiness.redaction import Redactor
from readiness.register import Entry
from readiness.scoring import Decision, Scorecard, Standing, tenths


class _Part(BaseModel):
    """Unknown fields are left out, not refused: a later minor version may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Tool(_Part):
    name: str
    version: str


class TargetPart(_Part):
    name: str
    title: str = ""
    server_version: str | None
    database: str | None
    role: str | None
    system_identifier: str | None
    """Hashed, with the database's name."""
    superuser: bool | None = None


class PolicyPart(_Part):
    name: str
    threshold: float
    sha256: str
    minimum_coverage: float = 0


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
    needs_change: bool
    readiness_exact: str = "0"
    checks: int = 0


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


class CheckPart(_Part):
    id: str
    title: str
    category: str
    service: str | None
    priority: str
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
    gain: float
    gain_exact: str
    points: float
    weight: float
    examined: int
    healthy: int
    universe: str
    evidence_kind: str
    evidence_sha256: str
    expires: datetime | None
    duration_ms: float
    mend: str
    pack: str
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
    value: float | None
    unit: str
    samples: int | None = None
    lower: float | None = None
    upper: float | None = None
    target: float | None = None
    source: str


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
    partial: bool = False
    """The run was interrupted; what was not asked is unknown."""
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
    risks: list[dict[str, Any]] = []
    checklist: list[dict[str, Any]] = []
    milestones: list[dict[str, Any]] = []
    plan: list[PlanPart]
    measurements: list[MeasurementPart]
    waivers: list[LedgerPart]
    attestations: list[LedgerPart]
    drills: list[DrillPart]

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, use_attribute_docstrings=True)

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    def check(self, check_id: str) -> CheckPart:
        return next(c for c in self.checks if c.id == check_id)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the run document, as it is shipped."""
    schema = RunDocument.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one audit saw and concluded, before it becomes a document."""

    id: str
    target: TargetPart
    started_at: datetime
    finished_at: datetime
    seconds: float
    partial: bool
    notes: Sequence[str]
    policy: PolicyPart
    checkset_sha256: str
    card: Scorecard
    services_of: Mapping[str, str | None]
    """Check id -> the one service that all its subjects belong to."""
    waivers: Sequence[Entry]
    attestations: Sequence[Entry]
    drills: Sequence[DrillPart]


def build(run: Run, redactor: Redactor) -> RunDocument:
    """The document of a run, with no secret in it."""
    card = run.card
    checks = [_check(s, run.services_of.get(s.result.check.id), redactor) for s in card.standings]
    today = run.finished_at.date()
    in_must_haves = _must_haves_by_check(card)
    return RunDocument(
        id=run.id,
        tool=Tool(name="readiness", version=__version__),
        target=run.target.model_copy(update={"title": redactor.text(run.target.title)}),
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration_seconds=round(run.seconds, 3),
        partial=run.partial,
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
                checks=s.checks,
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
            )
            for s in scoring.blockers(card)
        ],
        plan=_plan(card, in_must_haves, redactor),
        measurements=_measurements(checks),
        waivers=[_ledger(e, today, redactor) for e in run.waivers],
        attestations=[_ledger(e, today, redactor) for e in run.attestations],
        drills=list(run.drills),
    )


def _must_haves_by_check(card: Scorecard) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for m in card.must_haves:
        for check in m.must_have.checks:
            found.setdefault(check, []).append(m.must_have.id)
    return found


def _bad(result: CheckResult) -> int:
    return result.outcome.examined - result.outcome.healthy if isinstance(result.outcome, Examined) else 0


def _check(standing: Standing, service: str | None, redactor: Redactor) -> CheckPart:
    result = standing.result
    info, outcome = result.check, result.outcome
    examined, healthy = (outcome.examined, outcome.healthy) if isinstance(outcome, Examined) else (0, 0)
    observations: tuple[Observation, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    reason = detail = unlock = None
    match outcome:
        case Examined():
            observations, unseen = outcome.observations, outcome.unseen
        case Unknown():
            observations, unseen = outcome.observations, outcome.unseen
            reason, detail, unlock = outcome.reason.value, redactor.text(outcome.detail), outcome.unlock
        case NotApplicable():
            detail = outcome.evidence
    findings = [o for o in observations if not o.ok]
    evidence = outcome_record(outcome, redactor)
    return CheckPart(
        id=info.id,
        title=info.title,
        category=info.category.value,
        service=service,
        priority=standing.priority.value,
        effort=info.effort.value,
        status=result.status,
        reason=reason,
        detail=detail,
        unlock=redactor.text(unlock) if unlock else None,
        credit=None if result.credit is None else float(result.credit),
        credit_exact=None if result.credit is None else str(result.credit),
        credit_form=credit_form(info.credit),
        gain=tenths(standing.gain),
        gain_exact=str(standing.gain),
        points=tenths(standing.points),
        weight=float(standing.weight),
        examined=examined,
        healthy=healthy,
        universe=info.universe,
        evidence_kind=result.evidence_kind.value,
        evidence_sha256=_sha256(evidence),
        expires=result.expires,
        duration_ms=round(result.seconds * 1000, 1),
        mend=info.mend,
        pack=info.pack,
        findings=[
            FindingPart(
                subject=redactor.text(o.subject),
                subject_kind=o.kind or info.subject_kind,
                evidence=redactor.value(dict(o.evidence)),
                remedy=redactor.text(o.remedy) if o.remedy else None,
                waived=at in result.waived,
                fingerprint=fingerprint(info.id, o.subject),
            )
            for at, o in enumerate(findings)
        ],
        seen=[
            SeenPart(
                subject=redactor.text(o.subject),
                subject_kind=o.kind or info.subject_kind,
                evidence=redactor.value(dict(o.evidence)),
            )
            for o in observations
            if o.ok
        ],
        unseen=[
            UnseenPart(
                subject=redactor.text(u.subject),
                subject_kind=u.kind or info.subject_kind,
                reason=u.reason,
                detail=redactor.text(u.detail),
                unlock=redactor.text(u.unlock) if u.unlock else None,
            )
            for u in unseen
        ],
    )


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


def outcome_record(outcome: Any, redactor: Redactor) -> dict[str, Any]:
    """An outcome as plain data, for the evidence store and the evidence's hash."""
    match outcome:
        case NotApplicable(evidence=evidence):
            return {"kind": "not_applicable", "evidence": redactor.text(evidence)}
        case Unknown():
            return {
                "kind": "unknown",
                "reason": outcome.reason.value,
                "detail": redactor.text(outcome.detail),
                "unlock": redactor.value(outcome.unlock),
                "unseen": [_subject_record(u, redactor) for u in outcome.unseen],
                "observations": [_subject_record(o, redactor) for o in outcome.observations],
            }
        case Examined():
            return {
                "kind": "examined",
                "tally": {redactor.text(scope): _count(count) for scope, count in sorted(outcome.tally.items())},
                "unseen": [_subject_record(u, redactor) for u in outcome.unseen],
                "observations": [_subject_record(o, redactor) for o in outcome.observations],
            }
        case _:
            raise TypeError(f"{outcome!r} is no outcome")


def _count(count: Count) -> list[int]:
    return [count.examined, count.ok]


def _subject_record(subject: Observation | Unseen, redactor: Redactor) -> dict[str, Any]:
    match subject:
        case Observation():
            fields: dict[str, Any] = {
                "subject": subject.subject,
                "ok": subject.ok,
                "evidence": dict(subject.evidence),
                "remedy": subject.remedy,
            }
        case Unseen():
            fields = {
                "subject": subject.subject,
                "reason": subject.reason.value,
                "detail": subject.detail,
                "unlock": subject.unlock,
            }
    if subject.kind:
        fields["kind"] = subject.kind
    return {name: redactor.value(value) for name, value in fields.items()}


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def checkset_sha256(checks: Iterable[Check]) -> str:
    """Of every check's id and source: runs under different sets of questions don't compare."""
    return _sha256(sorted((c.info.id, c.info.sha256) for c in checks))


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
                    effort=result.check.effort.value,
                    gain=tenths(s.gain),
                    gain_exact=str(s.gain),
                    how=redactor.text(how),
                    must_haves=must_haves,
                )
            )
    return rows


def _measurements(checks: Sequence[CheckPart]) -> list[MeasurementPart]:
    """The named figures in the evidence: a check that measures one says `figure`, `unit` and `value` there."""
    found = []
    for c in checks:
        parts: list[FindingPart | SeenPart] = [*c.findings, *c.seen]
        for part in parts:
            e = part.evidence
            if "figure" not in e or "unit" not in e:
                continue
            found.append(
                MeasurementPart(
                    name=f"{e['figure']}:{part.subject}",
                    value=e.get("value"),
                    unit=e["unit"],
                    samples=e.get("samples"),
                    lower=e.get("lower"),
                    upper=e.get("upper"),
                    target=e.get("target"),
                    source=str(e.get("source") or c.id),
                )
            )
    return sorted(found, key=lambda m: m.name)


def _ledger(entry: Entry, today: date, redactor: Redactor) -> LedgerPart:
    return LedgerPart(
        check=entry.entry.check,
        state=entry.state.value,
        note=redactor.text(entry.note),
        expires=entry.entry.expires,
        days_left=entry.days_left(today),
        entry=redactor.value(entry.entry.model_dump(mode="json")),
    )


def parse(text: str) -> RunDocument:
    """A saved document.

    Raises:
        ValueError: it is none, or of a version that this tool doesn't know.
    """
    return RunDocument.model_validate_json(text)
