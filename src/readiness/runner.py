"""Ask every check, one after the other, on facts that are taken once. A check that breaks shows, and stops no other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, TypeVar

from readiness.authoring import Answer, Awaited, Check, Unobservable, signature_of
from readiness.facts.lanes import Lanes
from readiness.facts.server import Server
from readiness.model import (
    SUBJECT_KINDS,
    CheckInfo,
    CheckResult,
    Examined,
    NotApplicable,
    Observation,
    Outcome,
    Reason,
    Scalar,
    Unknown,
    Unseen,
    credit_of,
    plain,
    settle,
    sound,
    tally,
)

T = TypeVar("T")
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
            raise Unobservable(fact.reason, fact.detail, fact.unlock)
        return fact

    def have(self, kinds: Iterable[type[Any]]) -> bool:
        """Whether all of them were taken, or refused."""
        return all(kind in self._taken for kind in kinds)

    def taken(self, kind: type[T]) -> T | None:
        """The fact, if it was taken."""
        fact = self._taken.get(kind)
        return fact if isinstance(fact, kind) else None

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
        except Exception as error:  # noqa: BLE001  kept as any refusal is: it is not tried again for the next check
            return Unobservable(Reason.ERROR, f"{kind.__name__} could not be taken: {type(error).__name__}: {error}")
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
    owned_tables: Container[str] = (),
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[CheckResult]:
    """Ask the checks in order, yielding each result as it is there.

    A check that isn't selected is unknown: leaving it out never raises a score. Where an answer is awaited, the next
    question is sent before it is read, and before checks between that only compute: the server works meanwhile. Where two
    sessions ask (`Lanes`), two questions are on their way.

    Args:
        clock: seconds, for what each check takes; one that stands still while a session rests leaves that out.
    """
    in_order = list(checks)
    chosen = {check.info.id for check in in_order if selected(check.info.id)}
    to_send = deque(check for check in in_order if check.sends and check.info.id in chosen)

    def told(check: Check, outcome: Outcome, seconds: float) -> CheckResult:
        default = now + timedelta(days=check.info.valid_days or evidence_days)
        return CheckResult(check=check.info, outcome=outcome, seconds=seconds, expires=_expires(outcome, default))

    def asking(check: Check) -> _Sent:
        started = clock()
        answer = _asked(check, facts, parameters(check.info.id), owned_tables)
        return _Sent(check, answer, clock, clock() - started)

    on_their_way: deque[_Sent] = deque()

    def send(place: int) -> None:
        """The next questions, as many as may be on their way, if what comes before them, from a place on, only computes."""
        while to_send and len(on_their_way) < _AHEAD and sum(not sent.here for sent in on_their_way) < _width(facts):
            between = takewhile(lambda check: check is not to_send[0], islice(in_order, place, None))
            if any(c.info.id in chosen and not (c.computes or c.sends) for c in between):
                return
            on_their_way.append(asking(to_send.popleft()))

    for place, check in enumerate(in_order):
        if check.info.id not in chosen:
            yield told(check, Unknown(reason=Reason.NOT_SELECTED, detail="left out by --only or --skip"), 0.0)
            continue
        send(place)
        if on_their_way and on_their_way[0].check is check:
            own = on_their_way[0]
            while not own.here and (lanes := facts.taken(Lanes)) is not None and lanes.waits:
                own.wait(lanes.receive)  # another may come before it, and its session asks the next meanwhile
                send(place)
            own.receive()
            on_their_way.popleft()
            send(place + 1)
        else:
            if not facts.have(check.facts.values()):
                for sent in on_their_way:
                    sent.receive()  # to take a fact may last long, and must find no transaction open
            own = asking(check)
        yield told(check, own.outcome(owned_tables), own.seconds)


_AHEAD = 8  # questions whose answers were not read yet


def _width(facts: Facts) -> int:
    lanes = facts.taken(Lanes)
    return 1 if lanes is None else lanes.width


@dataclass(slots=True)
class _Sent:
    """A check that was asked, and the seconds that it took: what another takes meanwhile isn't its own."""

    check: Check
    answer: Outcome | Awaited
    clock: Callable[[], float]
    seconds: float

    @property
    def here(self) -> bool:
        return not isinstance(self.answer, Awaited) or self.answer.here()

    def receive(self) -> None:
        if isinstance(self.answer, Awaited):
            self.wait(self.answer.receive)

    def wait(self, until: Callable[[], None]) -> None:
        started = self.clock()
        until()
        self.seconds += self.clock() - started

    def outcome(self, owned_tables: Container[str]) -> Outcome:
        started = self.clock()
        found = _read(self.check, self.answer, owned_tables) if isinstance(self.answer, Awaited) else self.answer
        self.seconds += self.clock() - started
        return found


def _expires(outcome: Outcome, default: datetime) -> datetime | None:
    match outcome:
        case Unknown():
            return None
        case NotApplicable():
            return default
        case Examined(observations=observations):
            return min([default, *(o.expires for o in observations if o.expires is not None)])


def ask(check: Check, facts: Facts, parameters: Mapping[str, Scalar], *, owned_tables: Container[str] = ()) -> Outcome:
    """One check's outcome, whatever happens in it."""
    asked = _asked(check, facts, parameters, owned_tables)
    return _read(check, asked, owned_tables) if isinstance(asked, Awaited) else asked


def _asked(
    check: Check, facts: Facts, parameters: Mapping[str, Scalar], owned_tables: Container[str]
) -> Outcome | Awaited:
    def asked() -> Outcome | Awaited:
        if check.info.needs:
            server: Server = facts.get(Server)
            for need in check.info.needs:
                server.require(need)
        given = {name: facts.get(kind) for name, kind in check.facts.items()}
        answer = check.ask(**given, **parameters)
        return answer if isinstance(answer, Awaited) else conclude(answer, check.info, owned_tables)

    return _whatever_happens(asked)


def _read(check: Check, answer: Awaited, owned_tables: Container[str]) -> Outcome:
    return _whatever_happens(lambda: conclude(answer.read(), check.info, owned_tables))


def _whatever_happens(step: Callable[[], T]) -> T | Unknown:
    try:
        return step()
    except Unobservable as unseen:
        return Unknown(reason=unseen.reason, detail=unseen.detail, unlock=unseen.unlock)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a broken check is an answer: unknown
        return Unknown(reason=Reason.ERROR, detail=f"the check broke: {type(error).__name__}: {error}")


def conclude(answer: Answer, info: CheckInfo, owned_tables: Container[str] = ()) -> Outcome:
    """An answer as a sound outcome.

    Raises:
        TypeError, ValueError: it contradicts itself, or holds what no format can carry.
    """
    kind = info.subject_kind
    match answer:
        case NotApplicable():
            return NotApplicable(str(answer.evidence))
        case Unknown():
            return replace(
                answer,
                unseen=tuple(_sound_subject(u, kind) for u in answer.unseen),
                observations=tuple(_sound_subject(o, kind) for o in answer.observations),
            )
        case Examined():
            settled: Examined | Unknown = replace(
                answer,
                unseen=tuple(_sound_subject(u, kind) for u in answer.unseen),
                observations=tuple(_sound_subject(o, kind) for o in answer.observations),
            )
        case _:
            subjects = [answer] if isinstance(answer, Observation | Unseen) else list(answer)
            if not subjects:
                return NotApplicable(f"0 {info.universe}")
            listed = [_sound_subject(s, kind) for s in subjects if isinstance(s, Observation)]
            unseen = [_sound_subject(s, kind) for s in subjects if isinstance(s, Unseen)]
            if len(listed) + len(unseen) != len(subjects):
                raise TypeError("an answer holds observations and unseen subjects only")
            settled = settle(listed, unseen, tally(listed, unseen, kind, owned_tables))
    if isinstance(settled, Examined):
        sound(settled, kind)
        credit_of(info.credit, settled)  # what can't be weighed must show here, where it stops nothing else
    return settled


S = TypeVar("S", Observation, Unseen)


def _sound_subject(subject: S, kind: str) -> S:
    if not isinstance(subject.subject, str) or not subject.subject:
        raise TypeError("a subject has a name")
    if (subject.kind or kind) not in SUBJECT_KINDS:
        raise ValueError(f"{subject.kind!r} is no kind of subject")
    name = subject.subject
    if not name.isascii():
        name = name.encode("utf-8", "backslashreplace").decode()
    evidence = plain(subject.evidence)
    if isinstance(subject, Observation):
        if not isinstance(subject.ok, bool):
            raise TypeError(f"{name}: ok is {subject.ok!r}, neither true nor false")
        if subject.ok and subject.remedy is not None:
            return replace(subject, subject=name, evidence=evidence, remedy=None)
    if name is subject.subject and evidence is subject.evidence:
        return subject  # nearly all are as they should be, and a copy is dear
    return replace(subject, subject=name, evidence=evidence)
