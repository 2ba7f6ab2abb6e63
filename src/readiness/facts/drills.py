"""What drills proved. The audit gives these records; a drill is run by a command of its own, never by an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecord:
    """One drill: when it was run, against what, and what came of it.

    Args:
        kind: restore, rollback, load, audit-trail, alerts, rls, snapshot.
        system_identifier: of the source, as `Server` has it; evidence of another system proves nothing here.
    """

    id: str
    kind: str
    target: str
    system_identifier: str | None
    taken_at: datetime
    expires_at: datetime
    passed: bool
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DrillRecords:
    """All that the evidence store holds for this target, newest first."""

    records: tuple[DrillRecord, ...]

    def newest(self, kind: str) -> DrillRecord | None:
        return next((r for r in self.records if r.kind == kind), None)
