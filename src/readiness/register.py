"""Attestations and waivers: what people sign, in files meant for review in the repository.

An attestation stands in where no probe can see; it can't beat a measured fail. A waiver lifts a veto; it never adds a
point. Both end, and what ended counts for nothing and is told.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field

from readiness import yamldoc
from readiness.model import (
    CheckInfo,
    CheckResult,
    Count,
    EvidenceKind,
    Examined,
    Observation,
    Reason,
    Unknown,
)
from readiness.policy import Policy, unknown_check
from readiness.yamldoc import ConfigError

WAIVERS_FILE = "readiness.waivers.yaml"
ATTESTATIONS_FILE = "readiness.attestations.yaml"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Signed(_Entry):
    """An entry of either file."""

    profile: str | None = None
    """The `name` of the profile that it is for, where several lie in one folder; without it, it counts for each of them."""

    def is_for(self, profile: str | None) -> bool:
        return profile is None or self.profile in (None, profile)


class Waiver(_Signed):
    """A risk that somebody accepts, for a while."""

    check: str
    object: str
    """The finding's subject, or a pattern (`*` is any text): `auth.users`, `legacy.*`."""
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    approver: str = Field(min_length=1)
    ticket: str = Field(min_length=1)
    created: dt.date
    expires: dt.date
    """The first day (UTC) on which it no longer holds."""

    def covers(self, subject: str) -> bool:
        return covers(self.object, subject)


def covers(pattern: str, subject: str) -> bool:
    """Whether a waiver's `object` covers a finding's subject."""
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))  # brackets are part of a name
    return re.fullmatch(expression, subject, re.DOTALL) is not None


class Attestation(_Signed):
    """What somebody vouches for, where no probe can see."""

    check: str
    statement: str = Field(min_length=1)
    attested_by: str = Field(min_length=1)
    role: str = Field(min_length=1)
    date: dt.date
    valid_days: int = Field(gt=0, le=366)
    evidence: str = Field(min_length=1)
    """A link, or a file by its path from this one."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the evidence; a file's is compared."""

    @property
    def expires(self) -> dt.date:
        return self.date + timedelta(days=self.valid_days)


class _Waivers(_Entry):
    waivers: tuple[Waiver, ...] = ()


class _Attestations(_Entry):
    attestations: tuple[Attestation, ...] = ()


class State(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    UNUSED = "unused"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A waiver or an attestation, and what became of it in this run."""

    entry: Waiver | Attestation
    state: State
    note: str = ""

    def days_left(self, today: dt.date) -> int:
        return (self.entry.expires - today).days


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    waivers: tuple[Waiver, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    attestations_folder: Path = Path()


T = TypeVar("T", bound=BaseModel)


def load(
    *,
    waivers: Path | None,
    attestations: Path | None,
    checks: Mapping[str, CheckInfo],
    policy: Policy,
    today: dt.date,
    profile: str | None = None,
) -> Register:
    """Read both files; one that isn't there is empty.

    Args:
        profile: the name of the one that is audited: what is bound to another one is validated and left out.

    Raises:
        ConfigError: an entry doesn't validate, names no check there is, or is dated in the future.
    """
    problems: list[str] = []
    w = _read(waivers, _Waivers, "waivers", problems)
    a = _read(attestations, _Attestations, "attestations", problems)
    for at, waiver in enumerate(w.waivers):
        where = f"{waivers}: waivers[{at}]"
        if waiver.check not in checks:
            problems.append(f"{where}.check: {unknown_check(waiver.check, checks)}")
        if waiver.created > today:
            problems.append(f"{where}.created: {waiver.created} lies in the future")
        if waiver.expires <= waiver.created:
            problems.append(f"{where}.expires: {waiver.expires} is not after {waiver.created}, when it was created")
        if (waiver.expires - waiver.created).days > policy.waiver_days:
            problems.append(
                f"{where}.expires: it runs {(waiver.expires - waiver.created).days} days; "
                f"the policy allows {policy.waiver_days}"
            )
    for at, attestation in enumerate(a.attestations):
        where = f"{attestations}: attestations[{at}]"
        if attestation.check not in checks:
            problems.append(f"{where}.check: {unknown_check(attestation.check, checks)}")
        elif not checks[attestation.check].attestable:
            problems.append(f"{where}.check: {attestation.check} is measured; it can't be attested")
        if attestation.date > today:
            problems.append(f"{where}.date: {attestation.date} lies in the future")
    if problems:
        raise ConfigError(*problems)
    folder = attestations.parent if attestations else Path()
    return Register(
        waivers=tuple(waiver for waiver in w.waivers if waiver.is_for(profile)),
        attestations=tuple(attestation for attestation in a.attestations if attestation.is_for(profile)),
        attestations_folder=folder,
    )


def _read(path: Path | None, model: type[T], key: str, problems: list[str]) -> T:
    if path is None or not path.exists():
        return model()
    try:
        document = yamldoc.read(path)
        if document.data.get(key, ()) is None:
            document.data[key] = []
        return yamldoc.validate(model, document)
    except ConfigError as error:
        problems += error.problems
        return model()


def attest(results: Sequence[CheckResult], register: Register, now: datetime) -> tuple[list[CheckResult], list[Entry]]:
    """Let valid attestations stand in for what could not be measured."""
    entries: list[Entry] = []
    by_check: dict[str, Attestation] = {}
    for a in sorted(register.attestations, key=lambda a: a.expires):
        if a.expires <= now.date():
            entries.append(Entry(entry=a, state=State.EXPIRED, note="ended; it counts for nothing"))
        elif (refusal := _refused(a, register.attestations_folder)) is not None:
            entries.append(Entry(entry=a, state=State.REFUSED, note=refusal))
        else:
            if a.check in by_check:
                entries.append(Entry(entry=by_check[a.check], state=State.UNUSED, note="another one holds longer"))
            by_check[a.check] = a  # the one that holds longest
    attested = []
    for r in results:
        a_or_none = by_check.get(r.check.id)
        if a_or_none is None:
            attested.append(r)
        elif isinstance(r.outcome, Unknown) and _only_attestable(r.outcome):
            attested.append(_attested(r, a_or_none))
            entries.append(Entry(entry=a_or_none, state=State.ACTIVE))
        else:
            note = "the check is answered by looking; what is attested counts only where no probe can see"
            entries.append(Entry(entry=a_or_none, state=State.UNUSED, note=note))
            attested.append(r)
    return attested, entries


def _only_attestable(outcome: Unknown) -> bool:
    """Whether nothing but a signature could answer: not what a grant would show, nor what was seen in part."""
    return outcome.reason in (Reason.NO_ATTESTATION, Reason.NOT_OBSERVABLE) and not (
        outcome.unseen or outcome.observations
    )


def _refused(attestation: Attestation, folder: Path) -> str | None:
    if "://" in attestation.evidence:
        return None
    try:
        content = (folder / attestation.evidence).read_bytes()
    except OSError:
        return f"its evidence {attestation.evidence!r} can't be read; it counts for nothing"
    if hashlib.sha256(content).hexdigest() != attestation.sha256:
        return f"its evidence {attestation.evidence!r} is not the file that was signed; it counts for nothing"
    return None


def _attested(result: CheckResult, a: Attestation) -> CheckResult:
    seen = Observation(
        subject=a.statement,
        ok=True,
        evidence={
            "attested_by": a.attested_by,
            "role": a.role,
            "date": a.date.isoformat(),
            "evidence": a.evidence,
            "sha256": a.sha256,
        },
        kind="attestation",
    )
    return replace(
        result,
        outcome=Examined(observations=(seen,), tally={a.statement: Count(examined=1, ok=1)}),
        evidence_kind=EvidenceKind.ATTESTED,
        expires=midnight(a.expires),
    )


def waive(results: Sequence[CheckResult], register: Register, now: datetime) -> tuple[list[CheckResult], list[Entry]]:
    """Mark the findings that valid waivers cover; statuses and credits stay as they are."""
    running = [w for w in register.waivers if w.expires > now.date()]
    entries = [
        Entry(entry=w, state=State.EXPIRED, note="ended; it counts for nothing")
        for w in register.waivers
        if w.expires <= now.date()
    ]
    used: set[Waiver] = set()
    waived = []
    for r in results:
        own = [w for w in running if w.check == r.check.id]
        if not own or not isinstance(r.outcome, Examined):
            waived.append(r)
            continue
        covered = {
            at: next((w for w in own if w.covers(finding.subject)), None)
            for at, finding in enumerate(r.outcome.findings)
        }
        by = {at: w for at, w in covered.items() if w is not None}
        used |= set(by.values())
        ends = min((w.expires for w in by.values()), default=None)
        waived.append(replace(r, waived=frozenset(by), waiver_expires=midnight(ends) if ends else None))
    for w in running:
        note = "" if w in used else "covers no finding; remove it"
        entries.append(Entry(entry=w, state=State.ACTIVE if w in used else State.UNUSED, note=note))
    return waived, entries


def midnight(day: dt.date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def append(path: Path, key: str, entry: Waiver | Attestation) -> None:
    """Add an entry to its file, leaving what stands there as it is.

    Raises:
        ConfigError: the file doesn't parse, before or with the entry.
        OSError: it can't be written.
    """
    text = (
        path.read_text(encoding="utf-8")
        if path.exists()
        else f"# Reviewed like code: who accepts what, until when.\n{key}:\n"
    )
    item: Mapping[str, Any] = entry.model_dump(mode="json", exclude_none=True)
    block = yaml.safe_dump([dict(item)], sort_keys=False, allow_unicode=True, width=100)
    before = yamldoc.parse(text, str(path))
    if key in before.data and before.data[key] == []:
        raise ConfigError(
            f"{before.mark((key,))}: {key}: write an empty list as nothing (no []), so that entries can follow"
        )
    if key not in before.data:
        text += f"{'' if text.endswith(chr(10)) else chr(10)}{key}:\n"
    indent = "  "
    if isinstance(before.data.get(key), list):
        first = text.splitlines()[before.mark((key, 0)).line - 1]
        indent = first[: len(first) - len(first.lstrip())]  # as the entries that stand there
    joined = text + ("" if text.endswith("\n") else "\n") + "".join(f"{indent}{line}\n" for line in block.splitlines())
    model: type[BaseModel] = _Waivers if key == "waivers" else _Attestations
    yamldoc.validate(model, yamldoc.parse(joined, str(path)))
    path.write_text(joined, encoding="utf-8")


def unused(entries: Iterable[Entry]) -> list[Entry]:
    return [e for e in entries if e.state is not State.ACTIVE]
