"""What the audit makes of a restore drill's evidence, and of the runbook that should tell the same way."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asking import NOW, ask, found
from conftest import Database
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.model import Examined, Reason, Unknown
from readiness.profile import Profile

GOOD = {"rto_seconds": 12.5, "rpo_seconds": 3.0, "findings": [], "words": ["pgbackrest", "restore", "main"]}


def drills(*, days_ago: float = 1, valid_days: float = 31, **evidence: Any) -> DrillRecords:
    taken = NOW - timedelta(days=days_ago)
    record = DrillRecord(
        id="d1",
        kind="restore",
        target="t",
        system_identifier=None,
        taken_at=taken,
        expires_at=taken + timedelta(days=valid_days),
        passed=not evidence.get("findings"),
        evidence=GOOD | evidence,
    )
    return DrillRecords(records=(record,), now=NOW)


def test_the_figures_are_measurements_held_against_what_is_promised(embedded_database: Database):
    def outcome(**own: Any):
        return ask("operations/restore-unproven", embedded_database.dsn(), drills=drills(**own))

    good = outcome()
    assert isinstance(good, Examined)
    assert {o.subject: o.evidence.get("value") for o in good.observations} == {"restore": None, "rto": 12.5, "rpo": 3.0}
    assert found(good) == set()
    assert found(outcome(promised_rto_seconds=10.0, promised_rpo_seconds=10.0)) == {"rto"}
    assert found(outcome(promised_rto_seconds=20.0, promised_rpo_seconds=1.0)) == {"rpo"}
    assert found(outcome(findings=["public.t: 1 missing"])) == {"restore"}
    # Recovered to a moment by choice: neither a broken promise nor a kept one.
    chosen = outcome(promised_rpo_seconds=1.0, restored_to="2026-10-01T00:00:00+00:00")
    assert isinstance(chosen, Unknown)
    assert [u.subject for u in chosen.unseen] == ["rpo"]
    # A proof that was given a year is one of a month all the same.
    assert good.observations[0].expires == NOW + timedelta(days=30)
    early = outcome(days_ago=-2)
    assert isinstance(early, Unknown), "of a clock that was ahead"
    assert early.reason is Reason.STALE
    stale = outcome(days_ago=32, valid_days=365)
    assert isinstance(stale, Unknown)
    assert stale.reason is Reason.STALE
    # What could not be compared is not proved, however well the rest is.
    partly = outcome(unproved=["public.secret: permission denied"])
    assert isinstance(partly, Unknown)
    assert [u.subject for u in partly.unseen] == ["public.secret"]
    several = outcome(
        unproved=[
            "public.a: more than 1,000,000 rows lie in blocks that differ (--rows-up-to)",
            "public.b: could not be compared: canceling statement due to lock timeout",
            "public.c: was made or dropped while it was read",
        ]
    )
    assert isinstance(several, Unknown)
    assert [(u.reason, "--rows-up-to" in (u.unlock or "")) for u in several.unseen] == [
        (Reason.INSUFFICIENT_SAMPLES, True),
        (Reason.LOCKED, False),
        (Reason.LOCKED, False),
    ]


def test_the_runbook(embedded_database: Database, tmp_path: Path):
    path = tmp_path / "docs" / "restore.md"
    path.parent.mkdir()
    profile = Profile.model_validate({"name": "t", "runbook": {"restore": "docs/restore.md", "review_days": 90}})

    def outcome(text: str | None, records: DrillRecords | None = None, of: Profile = profile):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        return ask(
            "operations/runbook-outdated",
            embedded_database.dsn(),
            profile=of,
            folder=tmp_path,
            drills=records or drills(),
        )

    told = "# Restore\n\nReviewed: 2026-10-01 by Ann\n\n    pgbackrest --stanza=main restore\n"
    assert found(outcome(told)) == set()
    assert found(outcome(None)) == {"docs/restore.md"}
    assert found(outcome(told.replace("2026-10-01", "2026-08-01"))) == {"docs/restore.md (review)"}
    # A review that is yet to come is a plan; the newest that was counts.
    planned = told.replace("by Ann", "by Ann\nreviewed on 2026-12-24")
    assert found(outcome(planned)) == set()
    for never_was in ("Reviewed: never; next on 2026-11-01", "Reviewed: not yet, due 2026-11-01"):
        assert isinstance(outcome(told.replace("Reviewed: 2026-10-01 by Ann", never_was)), Unknown)
    other = outcome(told.replace("pgbackrest", "barman"))
    assert found(other) == {"docs/restore.md (commands)"}
    assert isinstance(other, Examined)
    assert next(iter(other.findings)).evidence["not_in_it"] == ["pgbackrest"]
    never = outcome(told, DrillRecords(now=NOW))
    assert isinstance(never, Unknown)
    assert never.reason is Reason.NO_ATTESTATION
    undated = outcome(told.replace("Reviewed: 2026-10-01 by Ann", ""))
    assert isinstance(undated, Unknown)
    assert undated.reason is Reason.NOT_OBSERVABLE
    undeclared = outcome(told, of=Profile(name="t"))
    assert isinstance(undeclared, Unknown)
    assert undeclared.reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-11-01", set()), ("2026-01-01", {"restore.md (review)"}), ("2031-01-01", None)],
)
def test_a_commit_is_a_review(embedded_database: Database, tmp_path: Path, day: str, expected: set[str] | None):
    """One by a clock that was ahead tells nothing."""
    (tmp_path / "restore.md").write_text("pgbackrest --stanza=main restore\n")
    env = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}
    env |= {"GIT_AUTHOR_DATE": f"{day}T12:00:00Z", "GIT_COMMITTER_DATE": f"{day}T12:00:00Z"}
    people = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "restore.md"), (*people, "commit", "-q", "-m", "procedure")):
        subprocess.run(["git", *words], cwd=tmp_path, env=env, check=True, capture_output=True)
    profile = Profile.model_validate({"name": "t", "runbook": {"restore": "restore.md"}})
    outcome = ask(
        "operations/runbook-outdated", embedded_database.dsn(), profile=profile, folder=tmp_path, drills=drills()
    )
    if expected is None:
        assert isinstance(outcome, Unknown)
        assert outcome.reason is Reason.NOT_OBSERVABLE
    else:
        assert found(outcome) == expected
