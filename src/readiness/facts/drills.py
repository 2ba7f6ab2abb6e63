"""What drills proved. The audit gives these records; a drill is run by a command of its own, never by an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from readiness.authoring import Unobservable
from readiness.model import Reason

_CLOCKS = timedelta(hours=1)
"""What two machines' may differ by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecord:
    """One drill: when it was run, against what, and what came of it.

    Args:
        kind: restore, rollback, load, audit-trail, alerts, rls, snapshot, services.
        system_identifier: of the source, as `Server` has it; evidence of another system proves nothing here. None where
            what was proved is no server's (a folder of migrations).
    """

    id: str
    kind: str
    target: str
    system_identifier: str | None
    taken_at: datetime
    expires_at: datetime
    passed: bool
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecords:
    """What the evidence store holds for this target, newest first.

    Args:
        system_identifier: of the audited server; what was proved of another one counts for nothing here. None where it
            can't be told.
    """

    records: tuple[DrillRecord, ...] = ()
    now: datetime
    system_identifier: str | None = None

    def proved(self, kind: str, *, unlock: str) -> DrillRecord:
        """The newest drill of a kind that still counts, passed or failed.

        Raises:
            Unobservable: there is none: never run (no_attestation), ended (stale), or run against another server.
        """
        of_kind = [r for r in self.records if r.kind == kind]
        if not of_kind:
            raise Unobservable(Reason.NO_ATTESTATION, f"no {kind} drill was ever recorded", unlock)
        here = [
            r
            for r in of_kind
            if self.system_identifier is None or r.system_identifier in (None, self.system_identifier)
        ]
        if not here:
            raise Unobservable(Reason.STALE, f"the {kind} drills on record were run against another server", unlock)
        if (newest := here[0]).taken_at > self.now + _CLOCKS:
            raise Unobservable(
                Reason.STALE,
                f"the last {kind} drill bears a time that is still to come, {newest.taken_at:%Y-%m-%d %H:%M}",
                f"set the clock right of the machine that ran it; then {unlock}",
            )
        if newest.expires_at <= self.now:
            raise Unobservable(
                Reason.STALE, f"the last {kind} drill ({newest.taken_at:%Y-%m-%d}) no longer counts", unlock
            )
        return newest
