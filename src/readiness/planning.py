"""The way to GO: what each fix and each measurement gains, and the least effort that gets there. Pure and exact.

Fixed denominators make gains additive, so that the search is a covering problem in exact numbers: of all sets of actions that meet
every must-have, the threshold, the coverage that the policy asks for and its category floors, the one of least effort. It is
found by branch and bound, and is least, not merely good; where the search had to be cut short, that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from math import lcm

from readiness import scoring
from readiness.model import (
    CheckResult,
    Count,
    Effort,
    EvidenceKind,
    Examined,
    NotApplicable,
    Observation,
    Reason,
    Status,
    Unknown,
)
from readiness.policy import Policy
from readiness.recount import Weighed
from readiness.scoring import Decision, Scorecard, Standing, exact

ZERO, ONE, HUNDRED = Fraction(0), Fraction(1), Fraction(100)

HOURS: Mapping[Effort, int] = {Effort.S: 1, Effort.M: 8, Effort.L: 40}
"""What an effort stands for when efforts are added up: an hour, a day, a week."""

MOST_NODES = 50_000


class Kind(StrEnum):
    """A fix is sure to gain; what is measured or signed gains if it turns out healthy."""

    FIX = "fix"
    MEASURE = "measure"
    ATTEST = "attest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do.

    Args:
        checks: what it settles; a grant may let several look.
        gain: in points; for what is measured, if all of it turns out healthy.
        how: a statement, a setting, a command, or the check's own advice.
        must_haves: that wait for it.
    """

    kind: Kind
    checks: tuple[str, ...]
    title: str
    effort: Effort
    gain: Fraction
    how: str
    must_haves: tuple[str, ...] = ()

    @property
    def hours(self) -> int:
        return HOURS[self.effort]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A set of actions and where it leads.

    Args:
        card: when all of them are done, and what they measure is healthy.
        sure: when only its fixes are done.
        least: whether no set of less effort reaches GO.
        missing: where GO is out of reach whatever is done: why.
    """

    actions: tuple[Action, ...]
    card: Scorecard
    sure: Scorecard
    least: bool
    missing: tuple[str, ...] = ()

    @property
    def reaches_go(self) -> bool:
        return self.card.decision is Decision.GO

    @property
    def hours(self) -> int:
        return sum(a.hours for a in self.actions)


# -- what can be done ------------------------------------------------------------------------------------------


def actions(weighed: Weighed, *, without: Iterable[str] = ()) -> list[Action]:
    """Everything that gains a point or that a must-have waits for, the largest gain first.

    What one grant or setting unlocks is one action. Efforts of fixes are the checks' own; an unlock takes little.
    """
    left_out = set(without)
    waiting = _waiting(weighed)
    fixes: list[Action] = []
    unlocks: dict[tuple[Kind, str], list[tuple[Standing, str]]] = {}
    for s in scoring.ranked(weighed.card.standings):
        check = s.result.check
        if check.id in left_out or not (s.gain or check.id in waiting):
            continue
        match s.result.outcome:
            case Examined() as examined if s.result.evidence_kind is EvidenceKind.MEASURED and (
                examined.findings or examined.hidden or s.gain
            ):
                fixes.append(_fix(s, examined, waiting))
            case Unknown() as unknown:
                kind = _kind(s.result, unknown)
                how = unknown.unlock if unknown.unlock and kind is Kind.MEASURE else f"{check.id}: {unknown.detail}"
                unlocks.setdefault((kind, how), []).append((s, unknown.unlock or check.mend))
            case NotApplicable(evidence) if check.id in waiting:
                fixes.append(_applies(weighed, s, evidence, waiting))
            case _:
                pass
    measured = [_unlock(kind, how, found, waiting) for (kind, how), found in unlocks.items()]
    return sorted([*fixes, *measured], key=lambda a: (-a.gain, a.hours, a.checks))


def _waiting(weighed: Weighed) -> dict[str, tuple[str, ...]]:
    """Check -> the must-haves that don't hold without it."""
    found: dict[str, tuple[str, ...]] = {}
    by_id = {r.check.id: r for r in weighed.results}
    for m in weighed.policy.must_haves:
        for name in m.checks:
            result = by_id.get(name)
            if result is None or not _meets(result, permitted=name in m.permit_not_applicable):
                found[name] = (*found.get(name, ()), m.id)
    return found


def _meets(result: CheckResult, *, permitted: bool) -> bool:
    match result.status:
        case Status.PASS:
            return True
        case Status.NOT_APPLICABLE:
            return permitted
        case Status.UNKNOWN:
            return False
        case _:
            return result.fully_waived


def _kind(result: CheckResult, unknown: Unknown) -> Kind:
    """Whether nothing but a signature can answer: a drill, too, is a measurement."""
    only_signed = result.check.attestable and unknown.reason in (Reason.NO_ATTESTATION, Reason.NOT_OBSERVABLE)
    by_command = bool(unknown.unlock) and not str(unknown.unlock).startswith("readiness attest")
    return Kind.ATTEST if only_signed and not by_command else Kind.MEASURE


def _fix(s: Standing, examined: Examined, waiting: Mapping[str, tuple[str, ...]]) -> Action:
    check = s.result.check
    remedies = list(dict.fromkeys(o.remedy for o in examined.findings if o.remedy))
    how = remedies[0] if len(remedies) == 1 == examined.examined - examined.healthy else check.mend
    unlock = next((u.unlock for u in examined.unseen if u.unlock), None)
    return Action(
        kind=Kind.FIX,
        checks=(check.id,),
        title=check.title,
        effort=check.effort,
        gain=s.gain,
        how=f"{how} And to see the rest: {unlock}" if unlock else how,
        must_haves=waiting.get(check.id, ()),
    )


def _applies(weighed: Weighed, s: Standing, evidence: str, waiting: Mapping[str, tuple[str, ...]]) -> Action:
    """A must-have is never simply not applicable: there has to be something to look at, and it has to pass."""
    check = s.result.check
    then = what_if(weighed, {check.id: Status.PASS})
    return Action(
        kind=Kind.MEASURE,
        checks=(check.id,),
        title=check.title,
        effort=check.effort,
        gain=then.total.floor - weighed.card.total.floor,
        how=f"It did not apply ({evidence}); when the rest is done it has to, and to pass. {check.mend}",
        must_haves=waiting[check.id],
    )


def _unlock(
    kind: Kind, how: str, found: Sequence[tuple[Standing, str]], waiting: Mapping[str, tuple[str, ...]]
) -> Action:
    standings = [s for s, _ in found]
    by_unlock = any(isinstance(s.result.outcome, Unknown) and s.result.outcome.unlock for s in standings)
    several = f" (and {len(standings) - 1} more)" if len(standings) > 1 else ""
    return Action(
        kind=kind,
        checks=tuple(sorted(s.result.check.id for s in standings)),
        title=f"{standings[0].result.check.title}{several}",
        effort=max((s.result.effort for s in standings), key=lambda e: HOURS[e]),
        gain=sum((s.gain for s in standings), ZERO),
        how=found[0][1] if kind is Kind.ATTEST or not by_unlock else how,
        must_haves=tuple(dict.fromkeys(m for s in standings for m in waiting.get(s.result.check.id, ()))),
    )


# -- what if ---------------------------------------------------------------------------------------------------


def what_if(weighed: Weighed, statuses: Mapping[str, Status], *, attested: Iterable[str] = ()) -> Scorecard:
    """The scorecard if these checks had these statuses, all else equal; `partial` is half.

    Args:
        attested: those of them that pass by signature, under the policy's cap.
    """
    signed = set(attested)
    results = [
        _as(r, statuses[r.check.id], attested=r.check.id in signed) if r.check.id in statuses else r
        for r in weighed.results
    ]
    return scoring.score(weighed.policy, results, weighed.scopes)


def done(weighed: Weighed, chosen: Iterable[Action]) -> Scorecard:
    """The scorecard when these are done, and what they measure is healthy."""
    listed = list(chosen)
    passing = {name: Status.PASS for a in listed for name in a.checks}
    return what_if(weighed, passing, attested=[n for a in listed if a.kind is Kind.ATTEST for n in a.checks])


def _as(result: CheckResult, status: Status, *, attested: bool) -> CheckResult:
    healthy = {Status.PASS: 2, Status.PARTIAL: 1, Status.FAIL: 0}
    kind = EvidenceKind.ATTESTED if attested else EvidenceKind.MEASURED
    match status:
        case Status.UNKNOWN:
            assumed: Unknown | NotApplicable | Examined = Unknown(reason=Reason.NOT_SELECTED, detail="assumed")
        case Status.NOT_APPLICABLE:
            assumed = NotApplicable("assumed")
        case _:
            subjects = [Observation(subject=f"assumed {n}", ok=n < healthy[status]) for n in range(2)]
            assumed = Examined(observations=tuple(subjects), tally={"assumed": Count(examined=2, ok=healthy[status])})
    return replace(result, outcome=assumed, evidence_kind=kind, expires=None, waived=frozenset(), waiver_expires=None)


# -- the least effort ------------------------------------------------------------------------------------------


def least(weighed: Weighed, possible: Sequence[Action]) -> Plan:
    """The set of actions of least effort that reaches GO; where none does, all of them, and what is missing."""
    everything = done(weighed, possible)
    if everything.decision is not Decision.GO:
        return _plan(weighed, possible, least=True, missing=everything.reasons)
    waiting = _waiting(weighed)
    forced = [a for a in possible if any(name in waiting for name in a.checks)]
    rest = [a for a in possible if a not in forced]
    needs = _needs(weighed, forced)
    search = _Search(rest, needs, lambda chosen: done(weighed, [*forced, *chosen]).decision is Decision.GO)
    found = search.run()
    if found is None:  # cut short before it found any
        return _plan(weighed, possible, least=False)
    return _plan(weighed, [*forced, *found], least=search.whole)


def _plan(weighed: Weighed, chosen: Sequence[Action], *, least: bool, missing: Sequence[str] = ()) -> Plan:
    return Plan(
        actions=tuple(sorted(chosen, key=lambda a: (not a.must_haves, -a.gain / a.hours, a.checks))),
        card=done(weighed, chosen),
        sure=done(weighed, [a for a in chosen if a.kind is Kind.FIX]),
        least=least,
        missing=tuple(missing),
    )


@dataclass(frozen=True, slots=True)
class _Need:
    """A linear condition: the weights of the chosen actions sum to `amount` at least."""

    amount: Fraction
    weight: Callable[[Action], Fraction]
    own: bool = False
    """Only the actions of one category serve it."""


def _needs(weighed: Weighed, forced: Sequence[Action]) -> list[_Need]:
    """What is still wanting behind the forced actions.

    The cap on what is attested makes the true conditions a little stricter than these linear ones; what meets these is held
    against the true ones.
    """
    policy: Policy = weighed.policy
    card = done(weighed, forced)
    standings = {s.result.check.id: s for s in card.standings}

    def gained(of: Callable[[Standing], Fraction]) -> Callable[[Action], Fraction]:
        return lambda action: sum((of(standings[name]) for name in action.checks if name in standings), ZERO)

    needs = [
        _Need(exact(policy.threshold) - card.total.floor, gained(lambda s: s.points * (1 - s.earned))),
        _Need(exact(policy.minimum_coverage) - card.total.coverage, gained(lambda s: s.points * (1 - s.known))),
    ]
    for c in card.categories:
        if c.id in policy.category_floors and c.weight:
            wanting = (exact(policy.category_floors[c.id]) - c.own.floor) * c.weight / HUNDRED
            needs.append(_Need(wanting, gained(_within(c.id)), own=True))
    return [n for n in needs if n.amount > 0]


def _within(category: object) -> Callable[[Standing], Fraction]:
    return lambda s: s.points * (1 - s.earned) if s.result.check.category is category else ZERO


class _Search:
    """Branch and bound over alike actions: those of one effort and the same weights are interchangeable."""

    def __init__(
        self, possible: Sequence[Action], needs: Sequence[_Need], holds: Callable[[Sequence[Action]], bool]
    ) -> None:
        self._holds = holds
        # Whole numbers of one denominator: exact, and quicker than fractions.
        rows = [[n.weight(a) for n in needs] for a in possible]
        scale = lcm(*(x.denominator for row in rows for x in row), *(n.amount.denominator for n in needs))
        alike: dict[tuple[int, bool, tuple[int, ...]], list[Action]] = {}
        for action, row in zip(possible, rows, strict=True):
            weights = tuple(int(x * scale) for x in row)
            if any(weights):
                alike.setdefault((action.hours, action.kind is Kind.ATTEST, weights), []).append(action)
        self._amounts = tuple(int(n.amount * scale) for n in needs)
        # Needs that share no action add up; what serves two of them at once would be counted twice.
        own = [n for n, need in enumerate(needs) if need.own]
        shared = any(sum(bool(row[n]) for n in own) > 1 for row in rows)
        self._apart = () if shared else tuple(own)
        order = sorted(alike.items(), key=lambda item: (-_worth(item[0][2], self._amounts) / item[0][0], item[0]))
        self._kinds = [(hours, weights, found) for (hours, _, weights), found in order]
        self._bounds = [self._cheapest_first(at) for at in range(len(self._kinds) + 1)]
        self._best: tuple[int, list[Action]] | None = None
        self._nodes = 0

    @property
    def whole(self) -> bool:
        """Whether every branch was followed or bounded."""
        return self._nodes < MOST_NODES

    def run(self) -> list[Action] | None:
        """The cheapest set; None where the search ended without any."""
        self._visit(0, 0, [], self._amounts)
        return self._best[1] if self._best else None

    def _cheapest_first(self, at: int) -> list[list[tuple[int, int, int]]]:
        """For each need the kinds from here on, the most weight for an hour first: (weight, hours, how many)."""
        bounds = []
        for need in range(len(self._amounts)):
            kinds = [(w[need], hours, len(found)) for hours, w, found in self._kinds[at:] if w[need]]
            bounds.append(sorted(kinds, key=lambda k: Fraction(-k[0], k[1])))
        return bounds

    def _at_least(self, at: int, wanting: Sequence[int]) -> int | None:
        """Hours that no way from here undercuts; None where there is no way."""
        bounds = [0] * len(wanting)
        for need, amount in enumerate(wanting):
            hours = ZERO
            left = amount
            for weight, each, how_many in self._bounds[at][need]:
                if left <= 0:
                    break
                taken = min(Fraction(left, weight), Fraction(how_many))
                hours += taken * each
                left -= int(taken * weight) if taken == how_many else left
            if left > 0:
                return None
            bounds[need] = -(-hours.numerator // hours.denominator)
        apart = sum(bounds[n] for n in self._apart)
        return max([apart, *bounds])

    def _visit(self, at: int, hours: int, chosen: list[Action], wanting: tuple[int, ...]) -> None:
        self._nodes += 1
        if self._nodes >= MOST_NODES:
            return
        bound = self._at_least(at, wanting)
        if bound is None or (self._best is not None and hours + bound >= self._best[0]):
            return
        if all(w <= 0 for w in wanting) and self._holds(chosen):
            self._best = (hours, chosen)
            return
        if at == len(self._kinds):
            return
        each, weights, found = self._kinds[at]
        for taken in range(len(found), -1, -1):
            left = tuple(w - taken * weight for w, weight in zip(wanting, weights, strict=True))
            self._visit(at + 1, hours + taken * each, [*chosen, *found[:taken]], left)


def _worth(weights: Sequence[int], amounts: Sequence[int]) -> Fraction:
    """How much of what is wanting an action brings, each need counted to its whole."""
    return sum((min(Fraction(w, n), ONE) for w, n in zip(weights, amounts, strict=True)), ZERO)
