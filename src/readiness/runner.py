"""Ask every check, one after the other, on facts that are taken once. A check that breaks shows, and stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from readiness.authoring import Answer, Check, Unobservable, signature_of
from readiness.facts.server import Server
from readiness.model import (
    CheckResult,
    Examined,
    NotApplicable,
    Observation,
    Outcome,
    Reason,
    Scalar,
    Unknown,
    Unseen,
    settle,
    tally,
)

Parameters = Callable[[str], Mapping[str, Scalar]]
"""A check's id -> what the policy sets for it."""


class Facts:
    """Facts by type, each taken on first use and kept, a refusal too."""

    def __init__(self, given: Mapping[type[Any], object]) -> None:
        self._taken: dict[type[Any], object] = dict(given)
        self._taking: list[type[Any]] = []

    def get(self, kind: type[Any]) -> Any:
        """The fact, taken now if it wasn't.

        Raises:
            Unobservable: it can't be had.
            TypeError: the type is no fact, or facts wait for each other in a ring.
        """
        if kind not in self._taken:
            self._taken[kind] = self._take(kind)
        fact = self._taken[kind]
        if isinstance(fact, Unobservable):
            raise fact
        return fact

    def _take(self, kind: type[Any]) -> object:
        take = getattr(kind, "take", None)
        if take is None:
            raise TypeError(f"{kind.__qualname__} is no fact: it has no take()")
        if kind in self._taking:
            ring = " -> ".join(k.__name__ for k in [*self._taking, kind])
            raise TypeError(f"facts wait for each other: {ring}")
        self._taking.append(kind)
        try:
            wanted, _ = signature_of(take)
            return take(**{name: self.get(needed) for name, needed in wanted.items()})
        except Unobservable as refusal:
            return refusal
        finally:
            self._taking.pop()


def run(
    checks: Iterable[Check],
    facts: Facts,
    *,
    parameters: Parameters,
    selected: Callable[[str], bool],
    now: datetime,
    evidence_days: float,
) -> Iterator[CheckResult]:
    """Ask the checks in order, yielding each result as it is there.

    A check that isn't selected is unknown: leaving it out never raises a score.
    """
    for check in checks:
        started = time.perf_counter()
        if selected(check.info.id):
            outcome = ask(check, facts, parameters(check.info.id))
        else:
            outcome = Unknown(reason=Reason.NOT_SELECTED, detail="left out by --only or --skip")
        days = check.info.valid_days or evidence_days
        yield CheckResult(
            check=check.info,
            outcome=outcome,
            seconds=time.perf_counter() - started,
            expires=None if isinstance(outcome, Unknown) else now + timedelta(days=days),
        )


def ask(check: Check, facts: Facts, parameters: Mapping[str, Scalar]) -> Outcome:
    """One check's outcome, whatever happens in it."""
    try:
        if check.info.needs:
            server: Server = facts.get(Server)
            for need in check.info.needs:
                server.require(need)
        given = {name: facts.get(kind) for name, kind in check.facts.items()}
        return conclude(check.ask(**given, **parameters), check.info.subject_kind, check.info.universe)
    except Unobservable as unseen:
        return Unknown(reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a broken check is an answer: unknown
        return Unknown(reason=Reason.ERROR, detail=f"the check broke: {type(error).__name__}: {error}")


def conclude(answer: Answer, kind: str, universe: str) -> Outcome:
    """An answer as an outcome; a contradiction in it is an error, not a pass."""
    match answer:
        case NotApplicable() | Unknown():
            return answer
        case Examined():
            return _sound(answer)
        case Observation() | Unseen():
            subjects = [answer]
        case _:
            subjects = list(answer)
    if not subjects:
        return NotApplicable(f"0 {universe}")
    listed = [s for s in subjects if isinstance(s, Observation)]
    unseen = [s for s in subjects if isinstance(s, Unseen)]
    if len(listed) + len(unseen) != len(subjects):
        raise TypeError("an answer holds observations and unseen subjects only")
    settled = settle([replace(o, remedy=None) if o.ok else o for o in listed], unseen, tally(listed, kind))
    return _sound(settled) if isinstance(settled, Examined) else settled


def _sound(examined: Examined) -> Examined:
    if not examined.examined:
        raise ValueError("an examined check has at least one subject")
    return examined
