"""A run document read back into what it was made of: weighed again, under its own policy or another; or found tampered with.

Everything that a document concludes follows from three things in it: the evidence, what people signed, and the policy. So
whoever has it can make it again. `verify` does, and compares; `rescored` does under another policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from readiness import __version__, document, register, scoring
from readiness.document import CheckPart, LedgerPart, PolicyPart, Question, RowPart, Run, RunDocument
from readiness.model import (
    BINARY,
    RATIO,
    Category,
    CheckInfo,
    CheckResult,
    Count,
    Credit,
    Effort,
    EvidenceKind,
    Examined,
    NotApplicable,
    Observation,
    Outcome,
    Priority,
    Ramp,
    Reason,
    Status,
    Tiers,
    Unknown,
    Unseen,
)
from readiness.policy import Policy
from readiness.profile import Milestone, Risk, Row
from readiness.redaction import Redactor
from readiness.register import Attestation, Entry, Register, State, Waiver
from readiness.requirements import Plan
from readiness.scoring import Scorecard, ServiceScope

OTHERWISE_ASKED = "was asked with other parameters than this policy's"


class Unreadable(ValueError):  # noqa: N818
    """A document can't be made again: one sentence, with the place."""


class _AsItIs(Redactor):
    """A document holds no secret any more; what stands there stays."""

    def known(self, text: str) -> str:
        return text

    def text(self, text: str) -> str:
        return text

    def value(self, value: Any) -> Any:
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A document's contents, weighed again.

    Args:
        results: with waivers laid on them anew.
        waivers: what became of each.
    """

    policy: Policy
    results: tuple[CheckResult, ...]
    scopes: tuple[ServiceScope, ...]
    waivers: tuple[Entry, ...]
    card: Scorecard


def policy_of(run: RunDocument) -> Policy:
    """The policy that a document carries.

    Raises:
        Unreadable: it carries none, or none that this tool can read.
    """
    if not run.policy.body:
        raise Unreadable("policy.body: the document carries no policy; it can't be weighed again")
    try:
        return Policy.model_validate(run.policy.body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("policy", "body", *first["loc"])))
        raise Unreadable(f"{where}: {first['msg']}") from error


def weigh(run: RunDocument, policy: Policy | None = None) -> Weighed:
    """Weigh a document's evidence again.

    Args:
        policy: None means the document's own. What another one would have asked otherwise is unknown under it.

    Raises:
        Unreadable: the document contradicts itself so that it can't be weighed.
    """
    own = policy_of(run)
    policy = own if policy is None else policy
    try:
        results = [_result(c) for c in run.checks]
        for r in results:
            _ = r.credit, r.best_credit
        signed = Register(waivers=tuple(Waiver.model_validate(w.entry) for w in run.waivers))
        results = [_as_asked_by(r, own, policy) for r in results]
        results, waivers = register.waive(results, signed, run.finished_at)
    except ValidationError as error:
        raise Unreadable(f"waivers: {error.errors()[0]['msg']}") from error
    except Unreadable:
        raise
    except (ValueError, KeyError) as error:
        raise Unreadable(f"checks: {error}") from error
    scopes = scopes_of(run)
    card = scoring.score(policy, results, scopes, mixed_evidence=run.mixed_evidence)
    return Weighed(policy=policy, results=tuple(results), scopes=scopes, waivers=tuple(waivers), card=card)


def scopes_of(run: RunDocument) -> tuple[ServiceScope, ...]:
    return tuple(
        ServiceScope(
            name=s.id,
            title=s.title,
            needs_change=s.needs_change,
            objects=frozenset(s.objects),
            roles=frozenset(s.roles),
            queries=frozenset(s.queries),
        )
        for s in run.services
    )


def rescored(run: RunDocument, policy: Policy) -> RunDocument:
    """The same evidence under another policy.

    What that policy would have asked otherwise (other parameters, other schemas left out) is unknown there: old answers
    to other questions count for nothing.

    Raises:
        Unreadable: see `weigh`.
    """
    body = policy.model_dump(mode="json")
    part = PolicyPart(name=policy.name, threshold=policy.threshold, sha256=policy.sha256, body=body)
    told = f"weighed again under the policy {policy.name}; first it was {run.policy.name}"
    again = _built(run, weigh(run, policy), part, notes=[*run.notes, told])
    return document.sealed(again.model_copy(update={"trend": [], "since": None}))  # those were under the other policy


def verify(text: str) -> list[str]:
    """What is wrong with a saved document, in a sentence each; nothing where every number and hash in it follows.

    The seal shows any change; making the document again shows which numbers don't follow from the evidence. Neither needs
    a key: who forges the evidence with everything that follows and seals it anew is found by the seal that was kept
    elsewhere.

    A document that another version of this tool made is held to what decides: numbers, decisions, states, hashes, names.
    How those are put into words may differ between versions; that the words are as they were, the seal alone shows.

    Raises:
        ValueError: it is no run document.
    """
    text = document.within(text)
    raw = json.loads(text, object_pairs_hook=_no_key_twice)
    run = document.parse(text)
    found = []
    if not run.sha256:
        found.append("sha256: the document carries no seal")
    elif document.seal_of(raw) != run.sha256:
        found.append("sha256: the seal is broken: something in the document was changed after it was made")
    for c in run.checks:
        if document.evidence_sha256(c) != c.evidence_sha256:
            found.append(f"checks[{c.id}].evidence_sha256: the evidence is not what was hashed")
    try:
        own = policy_of(run)
        part = run.policy.model_copy(update={"name": own.name, "threshold": own.threshold, "sha256": own.sha256})
        again = _built(run, weigh(run), part, notes=run.notes)
    except Unreadable as error:
        return [*found, str(error)]
    stated = run.model_dump(mode="json", by_alias=True, exclude={"sha256"})
    follows = again.model_dump(mode="json", by_alias=True, exclude={"sha256"})
    worded_alike = run.tool.version == __version__
    found += [
        f"{d.where}: says {_short(d.stated)}; from the evidence follows {_short(d.follows)}"
        for d in _differences(stated, follows, "")
        if worded_alike or not d.of_words
    ]
    return found


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    where: str
    stated: Any
    follows: Any

    @property
    def of_words(self) -> bool:
        """Whether sentences differ, and nothing that a machine reads or that decides."""
        key = self.where.rpartition(".")[2].partition("[")[0]
        return key in _WORDS and _is_text(self.stated) and _is_text(self.follows)


_WORDS = frozenset({"credit_form", "current", "detail", "how", "note", "reasons", "source", "unlock"})


def _is_text(value: Any) -> bool:
    return (
        value is None or isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))
    )


def _differences(stated: Any, follows: Any, where: str) -> Iterator[_Difference]:
    match stated, follows:
        case dict(), dict():
            for key in {**stated, **follows}:
                yield from _differences(stated.get(key), follows.get(key), f"{where}.{key}" if where else key)
        case list(), list() if len(stated) == len(follows):
            for at, (one, other) in enumerate(zip(stated, follows, strict=True)):
                name = one.get("id") or one.get("check") if isinstance(one, dict) else None
                yield from _differences(one, other, f"{where}[{name or at}]")
        case _ if stated != follows:
            yield _Difference(where=where, stated=stated, follows=follows)


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 120 else f"{said[:117]}..."


def _built(run: RunDocument, weighed: Weighed, part: PolicyPart, *, notes: Sequence[str]) -> RunDocument:
    again = document.build(
        Run(
            id=run.id,
            target=run.target,
            started_at=run.started_at,
            finished_at=run.finished_at,
            seconds=run.duration_seconds,
            partial=run.partial,
            mixed_evidence=run.mixed_evidence,
            notes=notes,
            policy=part,
            checkset_sha256=run.checkset_sha256,
            tool=run.tool,
            card=weighed.card,
            questions={c.id: Question(c.language, c.source) for c in run.checks if c.language},
            services_of={r.check.id: scoring.one_service(r, weighed.scopes) for r in weighed.results},
            waivers=weighed.waivers,
            attestations=[_attestation(a, run) for a in run.attestations],
            drills=run.drills,
            plan=plan_of(run),
            scores=_scores(run),
        ),
        _AsItIs(),
    )
    # What no evidence in it tells (earlier runs, growth) goes along as it stands.
    derived = set(_DERIVED)
    return document.sealed(again.model_copy(update={n: getattr(run, n) for n in run.model_fields_set - derived}))


_DERIVED = (
    *("notes", "policy", "verdict", "categories", "must_haves", "services", "platform_readiness", "checks", "blockers"),
    *("plan", "measurements", "waivers", "attestations", "sha256"),
    *("requirements", "nice_to_have", "success_metrics", "risks", "checklist", "milestones", "projection"),
)


def plan_of(run: RunDocument) -> Plan:
    """What the profile declared, as the document's answers to it say.

    Raises:
        Unreadable: a row, a risk or a milestone is none.
    """
    fields = set(Row.model_fields)

    def row(part: RowPart) -> Row:
        return Row.model_validate(part.model_dump(include=fields))

    def grouped(parts: Sequence[tuple[str, RowPart]]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for name, part in parts:
            found.setdefault(name, []).append(row(part))
        return found

    try:
        return Plan(
            requirements=grouped([(r.table, r) for r in run.requirements]),
            checklist=grouped([(r.phase, r) for r in run.checklist]),
            nice_to_have=[row(r) for r in run.nice_to_have],
            success_metrics=[row(r) for r in run.success_metrics],
            risks=[
                Risk(
                    id=r.id,
                    title=r.title,
                    impact=r.unlimited_impact,
                    prevented_by=tuple(r.prevented_by),
                    limited_by=tuple(r.limited_by),
                    mitigation=r.mitigation,
                )
                for r in run.risks
            ],
            milestones=[Milestone(title=m.title, date=m.due, phases=tuple(m.phases)) for m in run.milestones],
        )
    except ValidationError as error:
        raise Unreadable(f"requirements, checklist, risks or milestones: {error.errors()[0]['msg']}") from error


def _scores(run: RunDocument) -> list[tuple[datetime, Fraction]]:
    try:
        points = run.projection.points if run.projection else []
        return [(at.astimezone(UTC), Fraction(score)) for at, score in points]
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise Unreadable(f"projection.points: {error}") from error


def _attestation(part: LedgerPart, run: RunDocument) -> Entry:
    """An attestation as the run found it; whether its evidence was the file that was signed can't be seen again."""
    try:
        entry = Attestation.model_validate(part.entry)
        state = State(part.state)
    except ValueError as error:
        raise Unreadable(f"attestations[{part.check}]: {error}") from error
    attested = {c.id for c in run.checks if c.evidence_kind == EvidenceKind.ATTESTED.value}
    if state is State.ACTIVE and (part.check not in attested or entry.expires <= run.finished_at.date()):
        raise Unreadable(f"attestations[{part.check}]: it is told as active, and answers nothing")
    return Entry(entry=entry, state=state, note=part.note)


# -- a check, read back ----------------------------------------------------------------------------------------


def _result(part: CheckPart) -> CheckResult:
    return CheckResult(
        check=info_of(part),
        outcome=_outcome(part),
        seconds=part.duration_ms / 1000,
        evidence_kind=EvidenceKind(part.evidence_kind),
        expires=part.expires,
    )


def info_of(part: CheckPart) -> CheckInfo:
    """What a document tells of a check."""
    return CheckInfo(
        id=part.id,
        title=part.title,
        category=Category(part.category),
        priority=Priority(part.own_priority or part.priority),
        effort=Effort(part.effort),
        credit=_credit(part),
        subject_kind=part.subject_kind or "server",
        universe=part.universe,
        why=part.why,
        mend=part.mend,
        needs=tuple(part.needs),
        links=tuple(part.links),
        parameters=part.parameters,
        attestable=part.attestable,
        pack=part.pack,
        sha256=part.sha256,
    )


def _credit(part: CheckPart) -> Credit:
    rule = part.credit_rule
    match rule.form:
        case "binary":
            return BINARY
        case "ratio":
            return RATIO
        case "ramp":
            if rule.measure is None or rule.target is None or rule.limit is None:
                raise Unreadable(f"checks[{part.id}].credit_rule: a ramp has a measure, a target and a limit")
            return Ramp(measure=rule.measure, target=rule.target, limit=rule.limit)
        case "tiers":
            return Tiers(measure=rule.measure or "", steps=tuple(rule.steps))


def _outcome(part: CheckPart) -> Outcome:
    found = [_observation(part, f.subject, f.subject_kind, f.evidence, f.remedy, ok=False) for f in part.findings]
    seen = [_observation(part, s.subject, s.subject_kind, s.evidence, None, ok=True) for s in part.seen]
    unseen = tuple(
        Unseen(
            subject=u.subject,
            reason=u.reason,
            detail=u.detail,
            unlock=u.unlock,
            kind=_own_kind(part, u.subject_kind),
            evidence=u.evidence,
        )
        for u in part.unseen
    )
    match part.status:
        case Status.UNKNOWN:
            return Unknown(
                reason=Reason(part.reason or ""),
                detail=part.detail or "",
                unlock=part.unlock,
                unseen=unseen,
                observations=tuple(seen),
            )
        case Status.NOT_APPLICABLE:
            return NotApplicable(part.detail or "")
        case _:
            counts = {scope: Count(examined=e, ok=ok, unseen=u) for scope, (e, ok, u) in part.tally.items()}
            return Examined(observations=(*found, *seen), tally=counts, unseen=unseen)


def _observation(
    part: CheckPart, subject: str, kind: str, evidence: Mapping[str, Any], remedy: str | None, *, ok: bool
) -> Observation:
    return Observation(subject=subject, ok=ok, evidence=evidence, remedy=remedy, kind=_own_kind(part, kind))


def _own_kind(part: CheckPart, kind: str) -> str | None:
    return None if kind == part.subject_kind else kind


def _as_asked_by(result: CheckResult, own: Policy, other: Policy) -> CheckResult:
    """The result as another policy may take it."""
    name = result.check.id
    if isinstance(result.outcome, Unknown):
        return result
    asked, wanted = ({**p.checks[name].parameters} if name in p.checks else {} for p in (own, other))
    if asked == wanted and own.ignored_schemas == other.ignored_schemas:
        return result
    return replace(
        result,
        outcome=Unknown(reason=Reason.STALE, detail=OTHERWISE_ASKED, unlock="readiness score"),
        evidence_kind=EvidenceKind.MEASURED,
        expires=None,
    )


def read(path: Path) -> RunDocument:
    """A saved document.

    Raises:
        OSError: it can't be read.
        ValueError: it is none.
    """
    return document.parse(path.read_text(encoding="utf-8"))
