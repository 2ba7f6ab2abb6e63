"""Results in, verdict out. A pure function of (policy, results) in exact arithmetic.

    den_c    = sum of w over the checks of category c that are not not_applicable   (unknown stays in)
    floor    = sum_c W_c * (sum w*s over known) / den_c                             (unknown counts 0)
    ceiling  = the same with unknown counted 1
    coverage = sum_c W_c * (sum w over known) / den_c

so that ceiling - floor == 100 - coverage, always. The score is the floor: it can't be raised by measuring less.
Attested evidence earns at most the policy's cap; what lies over it counts as unmeasured, in every part alike, so that
the parts still add up to the total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from readiness.model import (
    SUBJECT_KINDS,
    Category,
    CheckResult,
    Count,
    EvidenceKind,
    Examined,
    NotApplicable,
    Observation,
    Priority,
    Status,
    Unknown,
    Unseen,
    scope_of,
    settle,
    tally,
)
from readiness.policy import CATEGORY_TITLES, MustHave, Policy

ZERO, ONE, HUNDRED = Fraction(0), Fraction(1), Fraction(100)


class Decision(StrEnum):
    GO = "GO"
    NO_GO = "NO-GO"
    HOLD = "HOLD"


EXIT_CODES: Mapping[Decision, int] = {Decision.GO: 0, Decision.NO_GO: 1, Decision.HOLD: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One check, weighed.

    Args:
        points: of 100, what full credit earns here.
        earned: the share of the points that counts, in [0, 1].
        known: the share of the points that is measured or attested, in [0, 1].
    """

    result: CheckResult
    priority: Priority
    weight: Fraction
    points: Fraction
    earned: Fraction
    known: Fraction

    @property
    def gain(self) -> Fraction:
        """By how many points the score rises when this check passes, all else equal. Exact, and additive."""
        return self.points * (1 - self.earned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a score lies, in points of 100."""

    floor: Fraction
    ceiling: Fraction
    coverage: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryScore:
    id: Category
    title: str
    weight: Fraction
    """Its share of the total, re-summed where the policy drops categories."""
    own: Interval
    """Within the category, 0 to 100."""
    weighted: Fraction
    """What it adds to the total."""
    empty: bool
    """All its checks are not applicable, or there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MustHaveStanding:
    must_have: MustHave
    status: Literal[Status.PASS, Status.FAIL, Status.UNKNOWN]
    waived: bool
    open_checks: tuple[str, ...]
    """The checks that failed, or that are unknown where none failed."""

    @property
    def vetoes(self) -> bool:
        return self.status is Status.FAIL and not self.waived


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceScope:
    """What belongs to a service: names as subjects bear them."""

    name: str
    title: str
    needs_change: bool
    objects: frozenset[str]
    """Its schemas and tables, always quoted."""
    roles: frozenset[str]
    """Always quoted."""
    queries: frozenset[str] = frozenset()

    def owns(self, scope: str, kind: str) -> bool:
        if SUBJECT_KINDS.get(kind) is not None:
            return scope in self.objects
        match kind:
            case "service":
                return scope == self.name
            case "role":
                return scope in self.roles
            case "query":
                return scope in self.queries
            case _:
                return False

    def concerned_by(self, kind: str) -> bool:
        """Whether a check of this kind would have looked at something of the service's."""
        if SUBJECT_KINDS.get(kind) is not None:
            return bool(self.objects)
        return kind == "service" or bool(self.roles if kind == "role" else self.queries if kind == "query" else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceScore:
    scope: ServiceScope
    readiness: Fraction
    """0 to 100, unknown counted as nothing; 0 where nothing of the service was looked at."""
    ceiling: Fraction
    """0 to 100, unknown counted as good."""
    checks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    decision: Decision
    total: Interval
    threshold: Fraction
    categories: tuple[CategoryScore, ...]
    standings: tuple[Standing, ...]
    must_haves: tuple[MustHaveStanding, ...]
    services: tuple[ServiceScore, ...]
    reasons: tuple[str, ...]
    settled_by: tuple[str, ...]
    """For HOLD: the checks whose measurement would settle it."""
    attested_points: Fraction
    accepted_risk: bool
    valid_until: datetime | None

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.decision]

    @property
    def platform_readiness(self) -> Fraction | None:
        """The mean over the services that need a change; None where there is none."""
        counted = [s.readiness for s in self.services if s.scope.needs_change]
        return sum(counted, ZERO) / len(counted) if counted else None


def score(
    policy: Policy,
    results: Sequence[CheckResult],
    services: Sequence[ServiceScope] = (),
    *,
    mixed_evidence: str | None = None,
) -> Scorecard:
    """Weigh the results of every check there is; one that was not asked is there as `unknown (not_selected)`.

    Args:
        mixed_evidence: why the results don't belong together (a failover between them); nothing is decided on such.
    """
    results = sorted(results, key=lambda r: r.check.id)
    weights = category_weights(policy)
    standings, attested = _stand(policy, results, weights)
    categories = tuple(
        _category(c, weights[c], [s for s in standings if s.result.check.category is c])
        for c in Category
        if c in weights
    )
    total = Interval(
        floor=sum((c.weighted for c in categories), ZERO),
        ceiling=sum((c.weight * c.own.ceiling / HUNDRED for c in categories), ZERO),
        coverage=sum((c.weight * c.own.coverage / HUNDRED for c in categories), ZERO),
    )
    by_id = {r.check.id: r for r in results}
    must_haves = tuple(_must_have(m, by_id) for m in policy.must_haves)
    decision, reasons, settled_by = _decide(policy, total, categories, must_haves, standings)
    if mixed_evidence:
        decision, reasons, settled_by = Decision.HOLD, [mixed_evidence], []
    needed = {c for m in must_haves for c in m.must_have.checks}
    return Scorecard(
        decision=decision,
        total=total,
        threshold=exact(policy.threshold),
        categories=categories,
        standings=tuple(standings),
        must_haves=must_haves,
        services=tuple(_service(policy, scope, results, weights) for scope in services),
        reasons=tuple(reasons),
        settled_by=tuple(settled_by),
        attested_points=attested,
        accepted_risk=decision is Decision.GO and any(m.waived for m in must_haves),
        valid_until=_valid_until(standings, needed) if decision is Decision.GO else None,
    )


def exact(number: float) -> Fraction:
    """The decimal as it was written, not its nearest binary neighbour."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def category_weights(policy: Policy) -> dict[Category, Fraction]:
    """The weights of the categories that count, summing to 100."""
    kept = {c: exact(policy.weights[c]) for c in Category if c not in policy.drop}
    total = sum(kept.values(), ZERO)
    return {c: weight * HUNDRED / total for c, weight in kept.items()}


def priority_weight(policy: Policy, result: CheckResult) -> tuple[Priority, Fraction]:
    priority = policy.priority_of(result.check.id, result.check.priority)
    return priority, ZERO if priority is Priority.INFO else exact(policy.priorities[priority])


def _stand(
    policy: Policy, results: Sequence[CheckResult], weights: Mapping[Category, Fraction]
) -> tuple[list[Standing], Fraction]:
    denominators = dict.fromkeys(Category, ZERO)
    for r in results:
        if not isinstance(r.outcome, NotApplicable):
            denominators[r.check.category] += priority_weight(policy, r)[1]
    standings = []
    for r in results:
        priority, weight = priority_weight(policy, r)
        den = denominators[r.check.category]
        counts = den and not isinstance(r.outcome, NotApplicable)
        points = weights.get(r.check.category, ZERO) * weight / den if counts else ZERO
        credit, best = r.credit, r.best_credit
        standings.append(
            Standing(
                result=r,
                priority=priority,
                weight=weight,
                points=points,
                earned=credit if credit is not None else ZERO,
                known=ZERO if credit is None or best is None else 1 - (best - credit),
            )
        )
    attested = [s for s in standings if s.result.evidence_kind is EvidenceKind.ATTESTED]
    claimed = sum((s.points * s.earned for s in attested), ZERO)
    cap = exact(policy.attested_cap)
    if claimed <= cap:
        return standings, claimed
    share = cap / claimed
    standings = [
        replace(s, earned=s.earned * share, known=s.known * share)
        if s.result.evidence_kind is EvidenceKind.ATTESTED
        else s
        for s in standings
    ]
    return standings, cap


def _category(category: Category, weight: Fraction, standings: Sequence[Standing]) -> CategoryScore:
    counted = [s for s in standings if not isinstance(s.result.outcome, NotApplicable)]
    den = sum((s.weight for s in counted), ZERO)
    if not den:
        own = Interval(floor=ZERO, ceiling=HUNDRED, coverage=ZERO)
    else:
        earned = sum((s.weight * s.earned for s in counted), ZERO)
        known = sum((s.weight * s.known for s in counted), ZERO)
        own = Interval(
            floor=HUNDRED * earned / den,
            ceiling=HUNDRED * (earned + den - known) / den,
            coverage=HUNDRED * known / den,
        )
    return CategoryScore(
        id=category,
        title=CATEGORY_TITLES[category],
        weight=weight,
        own=own,
        weighted=weight * own.floor / HUNDRED,
        empty=not den,
    )


def _must_have(must_have: MustHave, by_id: Mapping[str, CheckResult]) -> MustHaveStanding:
    failed: list[str] = []
    waived: list[str] = []
    unknown: list[str] = []
    for check in must_have.checks:
        result = by_id.get(check)
        status = result.status if result else Status.UNKNOWN
        match status:
            case Status.FAIL | Status.PARTIAL:
                (waived if result and result.fully_waived else failed).append(check)
            case Status.UNKNOWN:
                unknown.append(check)
            case Status.NOT_APPLICABLE if check not in must_have.permit_not_applicable:
                unknown.append(check)  # a must-have is never simply not applicable
            case _:
                pass
    if failed:
        return MustHaveStanding(must_have=must_have, status=Status.FAIL, waived=False, open_checks=tuple(failed))
    if unknown:
        return MustHaveStanding(must_have=must_have, status=Status.UNKNOWN, waived=False, open_checks=tuple(unknown))
    if waived:
        return MustHaveStanding(must_have=must_have, status=Status.FAIL, waived=True, open_checks=tuple(waived))
    return MustHaveStanding(must_have=must_have, status=Status.PASS, waived=False, open_checks=())


def _decide(
    policy: Policy,
    total: Interval,
    categories: Sequence[CategoryScore],
    must_haves: Sequence[MustHaveStanding],
    standings: Sequence[Standing],
) -> tuple[Decision, list[str], list[str]]:
    threshold = exact(policy.threshold)
    against: list[str] = []
    if vetoes := [m for m in must_haves if m.vetoes]:
        against.append(_listing("must-have", vetoes, "not met"))
    if total.ceiling < threshold:
        against.append(
            f"even with everything unmeasured counted as good the score would be {shown(total.ceiling)}, "
            f"under the threshold of {shown(threshold)}"
        )
    floors = {c: exact(f) for c, f in policy.category_floors.items()}
    against += [
        f"{c.title} can reach {shown(c.own.ceiling)} at most, under its own floor of {shown(floors[c.id])}"
        for c in categories
        if c.id in floors and c.own.ceiling < floors[c.id]
    ]
    unknown = [m for m in must_haves if m.status is Status.UNKNOWN]
    if against:
        noun = "more must-have" if vetoes else "must-have"
        return Decision.NO_GO, [*against, *([_listing(noun, unknown, "not settled")] if unknown else [])], []
    open_points: list[str] = []
    settled_by: dict[str, None] = {}
    by_gain = [s for s in ranked(standings) if s.known < 1 and s.points]
    everything = [s.result.check.id for s in by_gain]
    if unknown:
        open_points.append(_listing("must-have", unknown, "not settled"))
        settled_by |= {c: None for m in unknown for c in m.open_checks}
    if not total.coverage:
        open_points.append("nothing was measured")
    if total.floor < threshold:
        open_points.append(
            f"the score lies between {shown(total.floor)} and {shown(total.ceiling)}, around the threshold of "
            f"{shown(threshold)}"
        )
        settled_by |= dict.fromkeys(everything)
    if total.coverage < exact(policy.minimum_coverage):
        open_points.append(
            f"{shown(total.coverage)} % is measured, less than the {shown(exact(policy.minimum_coverage))} % that a GO takes"
        )
        settled_by |= dict.fromkeys(everything)
    for c in categories:
        if c.id in floors and c.own.floor < floors[c.id]:
            open_points.append(
                f"{c.title} lies between {shown(c.own.floor)} and {shown(c.own.ceiling)}, around its floor"
            )
            settled_by |= {s.result.check.id: None for s in by_gain if s.result.check.category is c.id}
        if c.empty and c.weight:
            open_points.append(f"nothing in {c.title} applies here; the policy may drop the category")
    if open_points:
        return Decision.HOLD, open_points, list(settled_by)
    said = f"the score is {shown(total.floor)}, at or over the threshold of {shown(threshold)}"
    if must_haves:
        said += ", and every must-have holds"
    if risks := [m for m in must_haves if m.waived]:
        return Decision.GO, [said, _listing("must-have", risks, "accepted as a risk by a waiver")], []
    return Decision.GO, [said], []


def _listing(noun: str, standings: Sequence[MustHaveStanding], what: str) -> str:
    verb = "is" if len(standings) == 1 else "are"
    names = ", ".join(f"{m.must_have.id} {m.must_have.title}" for m in standings)
    return f"{len(standings)} {noun}{'' if len(standings) == 1 else 's'} {verb} {what}: {names}"


def _valid_until(standings: Sequence[Standing], needed: Iterable[str]) -> datetime | None:
    """The earliest end of anything that the decision rests on."""
    rests_on = [s.result for s in standings if (s.points and s.known) or s.result.check.id in set(needed)]
    ends = [r.expires for r in rests_on if r.expires is not None]
    ends += [r.waiver_expires for r in rests_on if r.waived and r.waiver_expires is not None]
    return min(ends, default=None)


def ranked(standings: Sequence[Standing]) -> list[Standing]:
    """By gain, largest first; then by id, so that equal ones keep one order."""
    return sorted(standings, key=lambda s: (-s.gain, s.result.check.id))


def blockers(card: Scorecard) -> list[Standing]:
    """Failed must-haves and failed P0s, the must-haves first, then by gain."""
    vetoed = {check for m in card.must_haves if m.vetoes for check in m.open_checks}
    failed = [
        s
        for s in ranked(card.standings)
        if s.result.status in (Status.FAIL, Status.PARTIAL)
        and (s.result.check.id in vetoed or (s.priority is Priority.P0 and not s.result.fully_waived))
    ]
    return sorted(failed, key=lambda s: s.result.check.id not in vetoed)


# -- services --------------------------------------------------------------------------------------------------


def _service(
    policy: Policy, scope: ServiceScope, results: Sequence[CheckResult], weights: Mapping[Category, Fraction]
) -> ServiceScore:
    earned, possible, den = (dict.fromkeys(Category, ZERO) for _ in range(3))
    checks = 0
    for r in results:
        weight = priority_weight(policy, r)[1]
        credit = _own_credit(scope, r)
        if credit is None or not weight:
            continue
        checks += 1
        den[r.check.category] += weight
        earned[r.check.category] += weight * credit[0]
        possible[r.check.category] += weight * credit[1]
    counted = [c for c in weights if den[c] and weights[c]]
    total = sum((weights[c] for c in counted), ZERO)

    def of(sums: Mapping[Category, Fraction]) -> Fraction:
        return sum((weights[c] * sums[c] / den[c] for c in counted), ZERO) * HUNDRED / total if total else ZERO

    return ServiceScore(scope=scope, readiness=of(earned), ceiling=of(possible) if total else HUNDRED, checks=checks)


def _own_credit(scope: ServiceScope, result: CheckResult) -> tuple[Fraction, Fraction] | None:
    """A check's credit over the service's own subjects: what it earns, and what it would if all that is unseen were good.

    None where it has none of them.
    """
    part = own_part(scope, result)
    if part is None or isinstance(part.outcome, NotApplicable):
        return None
    credit, best = part.credit, part.best_credit
    return ZERO if credit is None else credit, ONE if best is None else best


def own_part(scope: ServiceScope, result: CheckResult) -> CheckResult | None:
    """A check's result over the service's own subjects alone; None where it looked at none of them."""
    kind = result.check.subject_kind
    if result.evidence_kind is EvidenceKind.ATTESTED:
        return result if scope.concerned_by(kind) else None

    def owned(subject: Observation | Unseen) -> bool:
        its = subject.kind or kind
        return scope.owns(scope_of(subject.subject, its, scope.objects), its)

    def of(observations: Sequence[Observation], unseen: Sequence[Unseen], counts: Mapping[str, Count]) -> CheckResult:
        return replace(result, outcome=settle(observations, unseen, counts), waived=frozenset())

    match result.outcome:
        case NotApplicable():
            return result
        case Unknown(unseen=unseen, observations=observations):
            if not unseen:
                return result if scope.concerned_by(kind) else None
            # It looked at some subjects: those that it names tell whose they are.
            its, hidden = tuple(filter(owned, observations)), tuple(filter(owned, unseen))
            return of(its, hidden, tally(its, hidden, kind, scope.objects)) if its or hidden else None
        case Examined() as examined:
            kinds = {scope_of(o.subject, o.kind or kind, scope.objects): o.kind or kind for o in examined.observations}
            scopes = {s for s in examined.tally if scope.owns(s, kinds.get(s, kind))}
            if not scopes:
                return None
            its, hidden = tuple(filter(owned, examined.observations)), tuple(filter(owned, examined.unseen))
            counts = {s: examined.tally[s] for s in scopes}
            # Of unseen subjects a few are listed; where its own are only counted, any of them tells why.
            counted = any(c.unseen for c in counts.values())
            return of(its, hidden or (examined.unseen if counted else ()), counts)


def one_service(result: CheckResult, scopes: Sequence[ServiceScope]) -> str | None:
    """The service that all of a check's subjects belong to; None where there are several, or none."""
    if not isinstance(result.outcome, Examined):
        return None
    kind = result.check.subject_kind
    owners = {next((s.name for s in scopes if s.owns(scope, kind)), None) for scope in result.outcome.tally}
    return owners.pop() if len(owners) == 1 else None


def owners_of_findings(result: CheckResult, scopes: Sequence[ServiceScope]) -> list[str]:
    """The services that a check's findings belong to, as the profile lists them."""
    if not isinstance(result.outcome, Examined):
        return []
    kind = result.check.subject_kind
    bad = [(o.subject, o.kind or kind) for o in result.outcome.observations if not o.ok]
    return [s.name for s in scopes if any(s.owns(scope_of(subject, its, s.objects), its) for subject, its in bad)]


# -- figures ---------------------------------------------------------------------------------------------------


def tenths(points: Fraction) -> float:
    """Rounded down to one decimal: 69.99 must not read as 70."""
    return (points * 10 // 1) / 10


def shown(points: Fraction) -> str:
    return f"{tenths(points):g}"
