"""What a drill proved, kept in the evidence store, so that the checks that ask for a proof find it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from readiness import teamstore
from readiness.drills import DrillError
from readiness.facts.drills import DrillRecord
from readiness.history import StoreError
from readiness.teamstore import Place

VALID_DAYS = 31
MOST_DAYS = 366


def keep(
    store: Place,
    *,
    kind: str,
    target: str,
    system_identifier: str | None,
    taken_at: datetime,
    passed: bool,
    evidence: Mapping[str, Any],
    valid_days: float = VALID_DAYS,
) -> DrillRecord:
    """Keep one drill's outcome, passed or not.

    Args:
        kind: as the check asks for it: rollback, snapshot...
        target: as `audit.target_name` has it.
        system_identifier: of the server that it is about; None where it is about none.

    Raises:
        DrillError: it can't be kept.
    """
    record = DrillRecord(
        id=f"{kind}-{taken_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        kind=kind,
        target=target,
        system_identifier=system_identifier,
        taken_at=taken_at,
        expires_at=taken_at + timedelta(days=valid_days),
        passed=passed,
        evidence=evidence,
    )
    try:
        opened = teamstore.open_place(store, now=taken_at)
        try:
            opened.save_drill(record)
        finally:
            opened.close()
    except StoreError as error:
        raise DrillError(f"what the drill found is not kept: {error}") from error
    return record


def sha256(path: Path) -> str:
    """Of a file, in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
