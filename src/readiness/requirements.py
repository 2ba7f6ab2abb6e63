"""A platform's own plan, answered: its tables of requirements, checklist, risks and milestones, from what checks found.

Pure, like the scoring: results in, states out. What the rows, risks and milestones are is the profile's to say; no
requirement of any platform is known here. Nothing here moves the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal, TypeAlias

from readiness import trends
from readiness.model import (
    CheckResult,
    EvidenceKind,
    Examined,
    NotApplicable,
    Observation,
    Reason,
    Status,
    Unknown,
    Unseen,
    count_of,
    settle,
    tally,
)
from readiness.profile import Milestone, Profile, Risk, Row
from readiness.register import covers
from readiness.scoring import Decision, ServiceScope, own_part

Level: TypeAlias = Literal["low", "medium", "high"]
LEVELS: tuple[Level, ...] = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a profile declares of its platform's way to readiness."""

    requirements: Mapping[str, Sequence[Row]]
    checklist: Mapping[str, Sequence[Row]]
    nice_to_have: Sequence[Row]
    success_metrics: Sequence[Row]
    risks: Sequence[Risk]
    milestones: Sequence[Milestone]


NO_PLAN = Plan(requirements={}, checklist={}, nice_to_have=(), success_metrics=(), risks=(), milestones=())


def plan_of(profile: Profile) -> Plan:
    return Plan(
        requirements=profile.requirements,
        checklist=profile.checklist,
        nice_to_have=profile.nice_to_have,
        success_metrics=profile.success_metrics,
        risks=profile.risks,
        milestones=profile.milestones,
    )


def checks_named(profile: Profile) -> list[tuple[str, str]]:
    """Every check that a profile's plan rests on, with the place that names it."""
    rows = [(where, c) for where, row in profile.rows() for c in row.checks]
    return rows + [(f"risks.{r.id}", c) for r in profile.risks for c in (*r.prevented_by, *r.limited_by)]


# -- rows ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One check's word on a row.

    Args:
        said: what it found of the row's part, in a few words.
    """

    check: str
    status: Status
    kind: EvidenceKind
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A row's state, and the answers that it comes from, in the row's order."""

    status: Status
    answers: tuple[Answered, ...]

    @property
    def current(self) -> str:
        """What the check that decides says."""
        of_its_kind = [a for a in self.answers if a.status is self.status] or sorted(
            self.answers, key=lambda a: _WORST_FIRST.index(a.status)
        )
        return of_its_kind[0].said


_WORST_FIRST = (Status.FAIL, Status.PARTIAL, Status.UNKNOWN, Status.PASS, Status.NOT_APPLICABLE)


def standing(row: Row, results: Mapping[str, CheckResult], scopes: Mapping[str, ServiceScope]) -> Standing:
    """A row's state.

    Of all its checks: any that fails makes it failed, or partly done where another one passes; else one that is unknown
    leaves it unknown; else it passes. Where one is enough (`rule: any`), the best of them decides. Checks that do not
    apply are left out; where none applies, neither does the row.
    """
    answers = tuple(_answer(check, row, results.get(check), scopes) for check in row.checks)
    return Standing(status=combined([a.status for a in answers], rule=row.rule), answers=answers)


def combined(statuses: Sequence[Status], *, rule: Literal["all", "any"] = "all") -> Status:
    """The state that several checks' states make."""
    found = [s for s in statuses if s is not Status.NOT_APPLICABLE]
    if not found:
        return Status.NOT_APPLICABLE
    if rule == "any":
        return min(found, key=_BEST_FIRST.index)
    bad = [s for s in found if s in (Status.FAIL, Status.PARTIAL)]
    if bad:
        return Status.FAIL if Status.PASS not in found and Status.PARTIAL not in found else Status.PARTIAL
    return Status.UNKNOWN if Status.UNKNOWN in found else Status.PASS


_BEST_FIRST = (Status.PASS, Status.UNKNOWN, Status.PARTIAL, Status.FAIL)


def _answer(check: str, row: Row, result: CheckResult | None, scopes: Mapping[str, ServiceScope]) -> Answered:
    if result is None:
        return Answered(check=check, status=Status.UNKNOWN, kind=EvidenceKind.MEASURED, said="there is no such check")
    part = result
    if row.service:
        scope = scopes.get(row.service)
        part = (own_part(scope, result) if scope else None) or _nothing(result, row.service)
    elif row.subjects:
        part = _named_part(result, row.subjects) or _nothing(result, ", ".join(row.subjects))
    return Answered(check=check, status=part.status, kind=part.evidence_kind, said=said(part))


def _nothing(result: CheckResult, what: str) -> CheckResult:
    outcome = Unknown(reason=Reason.NOT_OBSERVABLE, detail=f"nothing of {what} was looked at")
    return replace(result, outcome=outcome, waived=frozenset())


def _named_part(result: CheckResult, patterns: Sequence[str]) -> CheckResult | None:
    """What a check says of the subjects that are named; None where it lists none of them."""
    kind = result.check.subject_kind

    def named(subject: Observation | Unseen) -> bool:
        return any(covers(p, subject.subject) for p in patterns)

    if result.evidence_kind is EvidenceKind.ATTESTED or isinstance(result.outcome, NotApplicable):
        return result
    observations = tuple(o for o in result.outcome.observations if named(o))
    unseen = tuple(u for u in result.outcome.unseen if named(u))
    if not observations and not unseen:
        looked = result.outcome.observations or result.outcome.unseen or isinstance(result.outcome, Examined)
        return None if looked else result
    outcome = settle(observations, unseen, tally(observations, unseen, kind))
    return replace(result, outcome=outcome, waived=frozenset())


def said(result: CheckResult) -> str:
    """What a check found, in a few words; its figures where it measured some."""
    match result.outcome:
        case NotApplicable(evidence=evidence):
            return evidence
        case Unknown(reason=reason, detail=detail):
            return f"{reason.value}: {detail}"
        case Examined() as examined if result.evidence_kind is EvidenceKind.ATTESTED:
            return f"attested: {examined.observations[0].subject}"
        case Examined() as examined:
            findings = [o for o in examined.observations if not o.ok]
            if figures := _figures(findings or examined.observations):
                return figures
            if examined.healthy == examined.examined and not examined.hidden:
                return f"holds for {count_of(examined.examined, result.check.universe)}"
            bad = examined.examined - examined.healthy
            names = ", ".join(o.subject for o in findings[:2])
            more = f" and {bad - 2:,} more" if bad > 2 else ""
            return f"does not hold for {bad:,} of {count_of(examined.examined, result.check.universe)}: {names}{more}"


def _figures(observations: Sequence[Observation]) -> str:
    """`1.9 to 4.2 ms`; nothing where no figure was taken, or figures of several kinds."""
    taken = [o.evidence for o in observations if isinstance(o.evidence.get("figure"), str)]
    kinds = {(e["figure"], e.get("unit")) for e in taken}
    values = [e.get("value") for e in taken]
    if len(kinds) != 1 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return ""
    ((_, unit),) = kinds
    numbers = sorted(v for v in values if isinstance(v, int | float))
    low, high = f"{numbers[0]:.3g}", f"{numbers[-1]:.3g}"
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


# -- risks -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskStanding:
    """A risk's cell in the matrix, and why.

    Args:
        open_controls: the checks that are not passing, and so are no control.
    """

    impact: Level
    probability: Level
    why: str
    open_controls: tuple[str, ...]


def risk_standing(risk: Risk, results: Mapping[str, CheckResult]) -> RiskStanding:
    """Where a risk lies.

    Its probability is low when every check that prevents it passes, medium when at least half of them do, else high. Its
    impact is as declared, and one step lower when every check that limits it passes. Only what passes is a control:
    what is unknown is none. What does not apply is left out; where nothing applies, nothing is in place.
    """
    preventing, prevented = _in_place(risk.prevented_by, results)
    limiting, limited = _in_place(risk.limited_by, results)
    share = Fraction(len(prevented), len(preventing)) if preventing else Fraction(0)
    probability: Level = "low" if share == 1 else "medium" if share >= Fraction(1, 2) else "high"
    impact: Level = risk.impact
    if limiting and len(limited) == len(limiting):
        impact = LEVELS[max(0, LEVELS.index(impact) - 1)]
    why = f"{len(prevented)} of {count_of(len(preventing), 'controls')} that prevent it"
    if risk.limited_by:
        why += f", and {len(limited)} of {count_of(len(limiting), 'controls')} that limit it,"
    why += f" {'is' if len(preventing) == 1 and not risk.limited_by else 'are'} in place"
    open_controls = [c for c in (*preventing, *limiting) if c not in prevented and c not in limited]
    return RiskStanding(
        impact=impact, probability=probability, why=why, open_controls=tuple(dict.fromkeys(open_controls))
    )


def _in_place(checks: Sequence[str], results: Mapping[str, CheckResult]) -> tuple[list[str], list[str]]:
    """The controls that apply, and those of them that are in place."""
    statuses = {c: results[c].status if c in results else Status.UNKNOWN for c in dict.fromkeys(checks)}
    applying = [c for c, s in statuses.items() if s is not Status.NOT_APPLICABLE]
    return applying, [c for c in applying if statuses[c] is Status.PASS]


# -- the timeline ----------------------------------------------------------------------------------------------

_FARTHEST_DAYS = 730


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """When the score meets the threshold, if it goes on as it did; dates are None where that can't be said honestly.

    Args:
        earliest, latest: of an 80 % band.
        note: the same in one sentence, or why there is no date.
    """

    expected: date | None = None
    earliest: date | None = None
    latest: date | None = None
    points_per_week: float | None = None
    note: str


def by_day(points: Sequence[tuple[datetime, Fraction]]) -> list[tuple[datetime, Fraction]]:
    """The last run of each day (UTC), oldest first: twenty runs of one afternoon are one look at the platform."""
    return list({at.date(): (at, score) for at, score in sorted(points)}.values())


def projection(points: Sequence[tuple[datetime, Fraction]], threshold: Fraction) -> Projection:
    """The day on which the score meets the threshold, by the runs so far.

    The line and its band, at 80 %, are those of `trends`.

    Args:
        points: when runs ended and their exact scores: of runs that compare (one policy, one set of checks), the last of
            each day, oldest first; the last one is the present.
    """
    if not points:
        return Projection(note="no run compares with another")
    now, score = points[-1]
    if score >= threshold:
        return Projection(note="the score meets the threshold")
    days = [((at - now) / timedelta(days=1), float(s)) for at, s in points]
    if not trends.enough(days):
        have = f"{count_of(len(points), 'days with a run')} over {count_of(int(-days[0][0]), 'days')}"
        return Projection(
            note=f"no date can be told yet: it takes {trends.LEAST_POINTS} days with a run that compares, over "
            f"{trends.LEAST_DAYS:g} days at least, and so far it is {have}"
        )
    line = trends.trend(days)
    weekly = round(line.slope * 7, 2)
    if line.slope <= 0:
        return Projection(
            points_per_week=weekly, note="the score does not rise: as it goes it meets the threshold never"
        )
    earliest, expected, latest = (
        (now + timedelta(days=wait)).date() if wait <= _FARTHEST_DAYS else None
        for wait in line.reaches(float(threshold))
    )
    if expected is None:
        return Projection(
            points_per_week=weekly, note="as it goes, the score meets the threshold in no less than two years"
        )
    until = f"{latest}" if latest else "no date that can be told"
    note = (
        f"as it goes, the score meets the threshold about {expected} (80 %: {earliest} to {until}; {weekly:+g} a week)"
    )
    return Projection(expected=expected, earliest=earliest, latest=latest, points_per_week=weekly, note=note)


def milestone_met(
    milestone: Milestone,
    phases: Mapping[str, Sequence[Status]],
    decision: Decision,
    expected: date | None,
    today: date,
) -> tuple[bool | None, str]:
    """Whether a milestone is met (None: not yet, and it is not due), and a word on it.

    Args:
        phases: the states of the checklist's rows, by phase.
        expected: when the score is projected to meet the threshold.
    """
    if milestone.phases:
        states = [s for phase in milestone.phases for s in phases.get(phase, ()) if s is not Status.NOT_APPLICABLE]
        done = sum(s is Status.PASS for s in states)
        met, told = bool(states) and done == len(states), f"{done} of {count_of(len(states), 'rows')} are done"
    else:
        met, told = decision is Decision.GO, f"the decision is {decision.value}"
    if met:
        return True, told
    late = (today - milestone.date).days
    when = (
        f"{count_of(late, 'days')} late" if late > 0 else "due today" if not late else f"in {count_of(-late, 'days')}"
    )
    if not milestone.phases and expected:
        when += f", projected {expected}"
    return (False if late > 0 else None), f"{when}; {told}"
