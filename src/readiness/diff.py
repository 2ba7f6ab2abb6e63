"""Two run documents: what is new, mended, gone, changed or no longer measured, and why the score moved, to the exact point.

The score is the sum over the checks of points * earned. So what one check moved it by is

    p'e' - pe  =  (p + p')/2 * (e' - e)  +  (e + e')/2 * (p' - p)

exactly: the first part is what was found, the second is what the check weighs (which changes when checks of its category
join, leave or stop to apply). All parts add up to the whole move, in fractions, without a rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from readiness import recount
from readiness.document import CheckPart, FindingPart, RunDocument
from readiness.model import Status, count_of, scope_of

ZERO = Fraction(0)


class Cause(StrEnum):
    """Why a check moved the score."""

    MENDED = "mended"
    GONE = "no longer there"
    WORSE = "worse"
    MEASURED = "newly measured"
    UNMEASURED = "no longer measured"
    QUESTION = "asked otherwise"
    ATTESTED = "attested share"
    WEIGHT = "weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One part of why the score moved.

    Args:
        subject: a check's id; for weights a category's.
        points: signed, exact.
        why: in words.
    """

    cause: Cause
    subject: str
    points: Fraction
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingMove:
    check: CheckPart
    subject: str
    was: FindingPart | None = None
    now: FindingPart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMove:
    """A check whose status is another than before; None where the run did not have it."""

    check: CheckPart
    was: Status | None
    now: Status | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMove:
    """A critical query that the server runs another way than before; the shapes of its plans, without figures."""

    query: str
    was: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What lies between two runs.

    Args:
        incomparable: why the scores can't be compared; then nothing is said of why they moved.
        caveats: what a reader must know where they can.
        new, mended, changed: findings. One is mended only where its check looked again and listed it no more.
        unmeasured: checks that were answered before and are not now; their findings are not mended.
        measured: the reverse; what applies no more was not measured.
        gone: findings whose subject was not there to be looked at: it was dropped, or the profile names it no more.
        unseen: findings that can't be told to be gone: their check is unknown now, or did not list every finding.
        statuses: every check whose status changed, joined or left.
        plans: critical queries whose plan is another; where one of the runs saw none, nothing is said.
        moves: parts of the move, the largest first; they sum to `moved` exactly. Empty where incomparable.
    """

    old: RunDocument
    new_run: RunDocument
    incomparable: str | None
    caveats: tuple[str, ...]
    new: tuple[FindingMove, ...]
    mended: tuple[FindingMove, ...]
    gone: tuple[FindingMove, ...]
    changed: tuple[FindingMove, ...]
    unseen: tuple[FindingMove, ...]
    unmeasured: tuple[StatusMove, ...]
    measured: tuple[StatusMove, ...]
    statuses: tuple[StatusMove, ...]
    plans: tuple[PlanMove, ...]
    moves: tuple[Move, ...]

    @property
    def moved(self) -> Fraction:
        return score_of(self.new_run) - score_of(self.old)

    @property
    def coverage_moved(self) -> Fraction:
        return Fraction(self.new_run.verdict.coverage_exact) - Fraction(self.old.verdict.coverage_exact)

    @property
    def nothing(self) -> bool:
        """Whether both say the same."""
        findings = (self.new, self.mended, self.gone, self.changed, self.unseen)
        return not (any(findings) or self.statuses or self.plans or self.moved)


def score_of(run: RunDocument) -> Fraction:
    return Fraction(run.verdict.score_exact)


def compare(old: RunDocument, new: RunDocument) -> Difference:
    """What lies between two runs, the older one first."""
    incomparable = None
    if old.policy.sha256 != new.policy.sha256:
        incomparable = (
            f"the runs were weighed by different policies ({_policy(old)} and {_policy(new)}): "
            f"their scores can't be compared"
        )
    before, after = ({c.id: c for c in run.checks} for run in (old, new))
    statuses = tuple(
        StatusMove(
            check=after.get(name) or before[name],
            was=before[name].status if name in before else None,
            now=after[name].status if name in after else None,
        )
        for name in sorted({*before, *after})
        if name not in before or name not in after or before[name].status is not after[name].status
    )
    findings = [_findings(before[name], after[name]) for name in sorted({*before} & {*after})]
    alone = [_joined(c) for name, c in sorted(after.items()) if name not in before]
    unasked = [
        FindingMove(check=c, subject=f.subject, was=f) for n, c in before.items() if n not in after for f in c.findings
    ]
    return Difference(
        old=old,
        new_run=new,
        incomparable=incomparable,
        caveats=tuple(_caveats(old, new, before, after)),
        new=tuple(m for found in (*findings, *alone) for m in found[0]),
        mended=tuple(m for found in findings for m in found[1]),
        changed=tuple(m for found in findings for m in found[2]),
        gone=tuple(m for found in findings for m in found[4]),
        unseen=(*(m for found in findings for m in found[3]), *unasked),
        unmeasured=tuple(s for s in statuses if s.was is not None and _answered(s.was) and not _answered(s.now)),
        measured=tuple(
            s
            for s in statuses
            if s.was is not None and not _answered(s.was) and _answered(s.now) and s.now is not Status.NOT_APPLICABLE
        ),
        statuses=statuses,
        plans=_plans(old, new),
        moves=() if incomparable else tuple(_moves(old, new, before, after)),
    )


def _plans(old: RunDocument, new: RunDocument) -> tuple[PlanMove, ...]:
    before, after = _plans_of(old), _plans_of(new)
    return tuple(
        PlanMove(query=query, was=str(before[query].get("plan")), now=str(after[query].get("plan")))
        for query in sorted({*before} & {*after})
        if before[query]["plan_fingerprint"] != after[query]["plan_fingerprint"]
    )


def _plans_of(run: RunDocument) -> dict[str, Mapping[str, Any]]:
    """Critical query -> the evidence with its plan and the plan's fingerprint."""
    parts = (part for c in run.checks for told in (c.findings, c.seen, c.unseen) for part in told)
    return {part.subject: part.evidence for part in parts if isinstance(part.evidence.get("plan_fingerprint"), str)}


def under_one_policy(old: RunDocument, new: RunDocument) -> RunDocument:
    """The older run's evidence under the newer one's policy, so that the two compare.

    Raises:
        recount.Unreadable: one of them carries no policy, or can't be weighed again.
    """
    return old if old.policy.sha256 == new.policy.sha256 else recount.rescored(old, recount.policy_of(new))


def _policy(run: RunDocument) -> str:
    return f"{run.policy.name} {run.policy.sha256[:8]}"


def _answered(status: Status | None) -> bool:
    return status not in (None, Status.UNKNOWN)


def _caveats(
    old: RunDocument, new: RunDocument, before: Mapping[str, CheckPart], after: Mapping[str, CheckPart]
) -> list[str]:
    found = []
    if old.target.name != new.target.name:
        found.append(f"these are two platforms: {old.target.name} and {new.target.name}")
    elif None not in (a := old.target.system_identifier, b := new.target.system_identifier) and a != b:
        found.append("two servers, or two databases of one, answered")
    if old.finished_at > new.finished_at:
        found.append("the older run is the younger one: they may stand in the wrong order")
    if old.tool.version != new.tool.version:
        found.append(f"two versions of the tool asked: {old.tool.version} and {new.tool.version}")
    if rewritten := [n for n in before if n in after and _rewritten(before[n], after[n])]:
        found.append(f"asked otherwise than before: {', '.join(sorted(rewritten))}")
    found += [f"the {name} run was cut short" for name, run in (("older", old), ("newer", new)) if run.partial]
    if old.target.role != new.target.role:
        found.append(f"two roles looked: {old.target.role} and {new.target.role}")
    return found


def _rewritten(was: CheckPart, now: CheckPart) -> bool:
    return bool(was.sha256 and now.sha256) and was.sha256 != now.sha256


_Found = tuple[list[FindingMove], list[FindingMove], list[FindingMove], list[FindingMove], list[FindingMove]]


def _joined(check: CheckPart) -> _Found:
    return [FindingMove(check=check, subject=f.subject, now=f) for f in check.findings], [], [], [], []


def _findings(was: CheckPart, now: CheckPart) -> _Found:
    """New, mended, changed, what can't be told to be gone, and what went with its subject."""
    old, new = ({f.fingerprint: f for f in c.findings} for c in (was, now))
    hidden = {u.subject for u in now.unseen}
    all_listed = now.examined - now.healthy == len(now.findings) and now.hidden <= len(now.unseen)
    appeared = [FindingMove(check=now, subject=f.subject, now=f) for key, f in new.items() if key not in old]
    changed = [
        FindingMove(check=now, subject=f.subject, was=old[key], now=f)
        for key, f in new.items()
        if key in old and (f.evidence, f.waived, f.remedy) != (old[key].evidence, old[key].waived, old[key].remedy)
    ]
    left = [FindingMove(check=now, subject=f.subject, was=f) for key, f in old.items() if key not in new]
    looked = _answered(now.status) and all_listed
    settled = [m for m in left if looked and m.subject not in hidden]
    dropped = _dropped(was, now)
    gone = [m for m in settled if m.was and scope_of(m.subject, m.was.subject_kind) in dropped]
    mended = [m for m in settled if m not in gone]
    return appeared, mended, changed, [m for m in left if m not in settled], gone


def _dropped(was: CheckPart, now: CheckPart) -> set[str]:
    """Scopes with findings, or out of sight, that the check has no subject of any more.

    A service that was taken out of the profile was not mended. Relations count for their schema, which stays.
    """
    return {scope for scope, (examined, ok, unseen) in was.tally.items() if examined > ok or unseen} - {*now.tally}


# -- why the score moved ---------------------------------------------------------------------------------------


def _moves(
    old: RunDocument, new: RunDocument, before: Mapping[str, CheckPart], after: Mapping[str, CheckPart]
) -> list[Move]:
    found: list[Move] = []
    weights: dict[str, Fraction] = {}
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        points, earned = _standing(was)
        points_now, earned_now = _standing(now)
        by_earning = (points + points_now) / 2 * (earned_now - earned)
        category = (now or before[name]).category
        weights[category] = weights.get(category, ZERO) + (earned + earned_now) / 2 * (points_now - points)
        if by_earning:
            cause, why = _cause(was, now)
            found.append(Move(cause=cause, subject=name, points=by_earning, why=why))
    for category, points in weights.items():
        if points:
            why = _reweighed(category, before, after)
            found.append(Move(cause=Cause.WEIGHT, subject=category, points=points, why=why))
    assert sum((m.points for m in found), ZERO) == score_of(new) - score_of(old)
    return sorted(found, key=lambda m: (-abs(m.points), m.subject))


def _standing(check: CheckPart | None) -> tuple[Fraction, Fraction]:
    return (Fraction(check.points_exact), Fraction(check.earned_exact)) if check else (ZERO, ZERO)


def _cause(was: CheckPart | None, now: CheckPart | None) -> tuple[Cause, str]:
    if was is None:
        assert now is not None
        return Cause.QUESTION, f"is asked now: {now.status.value}"
    if now is None:
        return Cause.QUESTION, f"is asked no more; it was {was.status.value}"
    if not _answered(now.status):
        return Cause.UNMEASURED, f"{now.reason}: {now.detail}"
    if not _answered(was.status):
        return Cause.MEASURED, f"{now.status.value}; it was {was.reason}"
    better = Fraction(now.earned_exact) > Fraction(was.earned_exact)
    if better and Status.NOT_APPLICABLE not in (was.status, now.status) and (dropped := _dropped(was, now)):
        lost = f"{count_of(len(dropped), 'subjects')} with findings or out of sight"
        left = f"{count_of(now.examined, now.universe)} looked at; before, {was.examined:,}"
        return Cause.GONE, f"{lost} dropped, or declared no more; {left}"
    if now.hidden != was.hidden and bool(now.hidden) != bool(was.hidden):
        cause = Cause.UNMEASURED if now.hidden else Cause.MEASURED
        return cause, f"{now.hidden:,} subjects could not be looked at; before, {was.hidden:,}"
    if _rewritten(was, now):
        return Cause.QUESTION, f"the check itself changed; {was.status.value} before, {now.status.value} now"
    if was.credit_exact == now.credit_exact:
        return Cause.ATTESTED, "what is attested earns another share under the policy's cap"
    if was.status is Status.NOT_APPLICABLE or now.status is Status.NOT_APPLICABLE:
        applied = "applies now" if was.status is Status.NOT_APPLICABLE else "applies no more"
        return Cause.QUESTION, f"it {applied}: {was.status.value} before, {now.status.value} now"
    better = Fraction(now.credit_exact or "0") > Fraction(was.credit_exact or "0")
    bad, worse = (c.examined - c.healthy for c in (was, now))
    why = (
        f"{count_of(worse, 'findings')} of {count_of(now.examined, now.universe)}; before, {bad:,} of {was.examined:,}"
    )
    return Cause.MENDED if better else Cause.WORSE, why


def _reweighed(category: str, before: Mapping[str, CheckPart], after: Mapping[str, CheckPart]) -> str:
    def counted(checks: Mapping[str, CheckPart]) -> set[str]:
        return {c.id for c in checks.values() if c.category == category and Fraction(c.points_exact)}

    was, now = counted(before), counted(after)
    said = [
        f"{'joined' if at else 'left'}: {', '.join(names)}"
        for at, names in ((1, sorted(now - was)), (0, sorted(was - now)))
        if names
    ]
    return f"the checks share the category's weight anew ({'; '.join(said) or 'their priorities changed'})"
