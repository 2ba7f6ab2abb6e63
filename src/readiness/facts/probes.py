"""What the last run of the declared probes proved (`readiness drill services`), probe by probe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.drills import DrillRecords
from readiness.facts.target import Target, declared
from readiness.model import Reason
from readiness.profile import Probe, Profile

KIND = "services"
UNLOCK = "readiness drill services --yes"


def digest(probe: Probe, profile: Profile) -> str:
    """Of what a probe does, and where: evidence of another declaration proves nothing of this one."""
    where = " ".join(urls_of(probe, profile).values())
    return hashlib.sha256(f"{where}\n{probe.model_dump_json(exclude={'title', 'variables'})}".encode()).hexdigest()


def urls_of(probe: Probe, profile: Profile) -> dict[str, str]:
    """The addresses of the services that a probe asks."""
    return {name: str(profile.services[name].url) for name in probe.services}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of one probe.

    Args:
        failure: the step and what was wrong there; None where all went as declared.
        expires: when it stops counting (UTC).
    """

    service: str
    steps: int
    failure: str | None
    taken_at: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class ProbeProofs:
    """Declared probe -> what the last drill found of it, or why that doesn't count."""

    by_probe: Mapping[str, Proof | Unobservable]
    services: Mapping[str, str]
    """Probe -> the service that it asks."""

    @classmethod
    def take(cls, target: Target, drills: DrillRecords) -> Self:
        declared(target.profile, "probes")
        probes = target.profile.probes
        of = {name: probe.service for name, probe in probes.items()}
        if not probes:
            return cls({}, {})
        try:
            record = drills.proved(KIND, unlock=UNLOCK)
        except Unobservable as unseen:
            return cls(dict.fromkeys(probes, unseen), of)
        sent = {name: told for name, *told in (str(line).split() for line in record.evidence.get("sent", ()))}
        failed = dict(str(line).split(": ", 1) for line in record.evidence.get("failures", ()))
        found: dict[str, Proof | Unobservable] = {}
        for name, probe in probes.items():
            sha256, steps = sent.get(name, ("", "0"))
            if not sha256:
                found[name] = Unobservable(Reason.STALE, "the last drill did not send it", UNLOCK)
            elif sha256 != digest(probe, target.profile):
                found[name] = Unobservable(Reason.STALE, "it was declared anew since the last drill", UNLOCK)
            else:
                found[name] = Proof(
                    service=probe.service,
                    steps=int(steps),
                    failure=failed.get(name),
                    taken_at=record.taken_at,
                    expires=record.expires_at,
                )
        return cls(found, of)
