"""Ask single checks of a live database, as the runner does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from readiness import audit, runner
from readiness.authoring import Check
from readiness.facts.anchors import Anchors
from readiness.facts.capacity import EarlierFigures
from readiness.facts.drills import DrillRecords
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import Examined, NotApplicable, Outcome, Scalar, Unknown
from readiness.profile import Profile

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def checks() -> dict[str, Check]:
    return {c.info.id: c for c in audit.built_in_checks()}


@contextmanager
def asking(
    dsn: str,
    *,
    profile: Profile | None = None,
    folder: Path = Path(),
    drills: DrillRecords | None = None,
    earlier: EarlierFigures | None = None,
    ignored_schemas: tuple[str, ...] = (),
    few: bool = True,
) -> Iterator[Callable[..., Outcome]]:
    """Asks one check after another on one connection, of facts that are taken once: nothing may change meanwhile.

    Args:
        few: whether a small database is known for one; else SQL checks are asked as of a large one.
    """
    postgres = Postgres(dsn)
    target = Target(
        profile=profile or Profile(name="test"),
        folder=folder,
        now=NOW,
        trust_profile_sql=True,
        ignored_schemas=ignored_schemas,
    )
    facts = runner.Facts(
        {
            Target: target,
            Postgres: postgres,
            DrillRecords: drills or DrillRecords(now=NOW),
            EarlierFigures: earlier or EarlierFigures(),
            **({} if few else {Anchors: Anchors(few=False)}),
        }
    )

    def asked(check: str, parameters: Mapping[str, Scalar] | None = None) -> Outcome:
        return runner.ask(checks()[check], facts, parameters or {})

    try:
        yield asked
    finally:
        postgres.close()


def ask(check: str, dsn: str, *, parameters: Mapping[str, Scalar] | None = None, **looked_at: Any) -> Outcome:
    """One check's outcome, of what is there now. `looked_at` as in `asking`."""
    with asking(dsn, **looked_at) as asked:
        return asked(check, parameters)


def found(outcome: Outcome) -> set[str]:
    """The subjects of the findings; an unknown outcome is an error of the test."""
    match outcome:
        case Examined():
            return {o.subject for o in outcome.findings}
        case NotApplicable():
            return set()
        case Unknown():
            raise AssertionError(f"unknown: {outcome.reason}: {outcome.detail}")


def remedies(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Examined)
    return [o.remedy for o in outcome.findings if o.remedy]
