"""Stores that can't be had here: fakes of WAL-G and of providers' commands, which print what their documentation shows."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from asking import ask, found
from conftest import Database
from readiness.model import Examined, Reason, Unknown
from readiness.profile import Profile

OUTDATED, GAP, WINDOW, OPEN = (
    f"operations/{name}" for name in ("backup-outdated", "wal-gap", "recovery-window-short", "backup-unencrypted")
)
SEGMENT = "0000000100000000000000{:02X}"


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat().replace("+00:00", "Z")


def store(folder: Path, tool: str, **answers: Any) -> Profile:
    """A profile with one store, whose command prints the answer to its first word."""
    for word, answer in answers.items():
        (folder / f"{word}.json").write_text(json.dumps(answer))
    fake = folder / "fake"
    fake.write_text(f'#!/bin/sh\nexec cat "{folder}/$1.json"\n')
    fake.chmod(0o755)
    command = [str(fake)] if tool == "wal-g" else [str(fake), *answers]
    return Profile.model_validate(
        {
            "name": "kept",
            "targets": {"recovery_window_days": 6},
            "backups": {"store": {"tool": tool, "command": command}},
        }
    )


def base(number: int, below: int | None = None, *, days: float, system: int | None = None) -> dict[str, Any]:
    """As `backup-list --detail --json` writes it."""
    delta = "" if below is None else f"_D_{SEGMENT.format(below)}"
    return {
        "backup_name": f"base_{SEGMENT.format(number)}{delta}",
        "time": ago(days=days),
        "wal_file_name": SEGMENT.format(number),
        "start_time": ago(days=days, minutes=5),
        "finish_time": ago(days=days),
        "date_fmt": "%Y-%m-%dT%H:%M:%S.%fZ",
        "hostname": "db",
        "pg_version": 180000,
        "start_lsn": number * 2**24 + 40,
        "finish_lsn": number * 2**24 + 400,
        "is_permanent": False,
        "system_identifier": system,
        "uncompressed_size": 1000,
        "compressed_size": 100,
    }


def timeline(first: int, last: int, *missing: int) -> dict[str, Any]:
    """As `wal-show --detailed-json` writes it."""
    return {
        "id": 1,
        "parent_id": 0,
        "switch_point_lsn": 0,
        "start_segment": SEGMENT.format(first),
        "end_segment": SEGMENT.format(last),
        "segments_count": last - first + 1 - len(missing),
        "missing_segments": [SEGMENT.format(n) for n in missing],
        "segment_range_size": last - first + 1,
        "status": "LOST_SEGMENTS" if missing else "OK",
    }


def test_wal_g(embedded_database: Database, tmp_path: Path):
    dsn = embedded_database.dsn()

    def outcome(check: str, backups: list[dict[str, Any]], *lines: dict[str, Any]):
        profile = store(tmp_path, "wal-g", **{"backup-list": backups, "wal-show": list(lines)})
        return ask(check, dsn, profile=profile)

    sound = [base(2, days=7), base(5, 2, days=3), base(8, 5, days=0.5)]
    assert found(outcome(OUTDATED, sound, timeline(2, 9))) == set()
    assert found(outcome(WINDOW, sound, timeline(2, 9))) == set()
    assert found(outcome(GAP, sound, timeline(2, 9))) == set()
    gap = outcome(GAP, sound, timeline(2, 9, 6))
    assert found(gap) == {"store"}
    assert isinstance(gap, Examined)
    assert next(iter(gap.findings)).evidence["first_missing"] == SEGMENT.format(6)
    assert found(outcome(GAP, sound, timeline(3, 9))) == {"store"}  # where the oldest backup begins, there is none
    # A promotion: the second timeline begins in the segment in which it left the first, which had come as far.
    promoted = timeline(12, 14) | {"id": 2, "parent_id": 1, "switch_point_lsn": 12 * 2**24 + 40}
    promoted |= {end: f"00000002{promoted[end][8:]}" for end in ("start_segment", "end_segment")}
    assert found(outcome(GAP, sound, timeline(2, 11), promoted)) == set()
    assert found(outcome(GAP, sound, timeline(2, 9), promoted)) == {"store"}
    behind = promoted | {"start_segment": f"00000002{SEGMENT.format(13)[8:]}"}
    assert found(outcome(GAP, sound, timeline(2, 13), behind)) == {"store"}
    assert found(outcome(WINDOW, sound[1:], timeline(2, 9))) == {"store"}
    assert found(outcome(OUTDATED, sound[:1], timeline(2, 9))) == {"store"}  # last week's
    grown = outcome(OUTDATED, [base(2, days=50), *sound[1:]], timeline(2, 9))
    assert found(grown) == {"store"}
    assert isinstance(grown, Examined)
    assert "take a new full one" in str(grown.findings[0].remedy)
    # Of a chain without its base nothing is left, however new its end.
    assert found(outcome(OUTDATED, [sound[0], sound[2]], timeline(2, 9))) == {"store"}
    assert found(outcome(OUTDATED, [base(8, days=0.5, system=1)], timeline(8, 9))) == {"store"}  # another cluster's
    assert found(outcome(OUTDATED, [], timeline(2, 9))) == {"store"}


RDS = {"BackupRetentionPeriod": 7, "StorageEncrypted": True, "InstanceCreateTime": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"DBInstances": [RDS | {"LatestRestorableTime": ago(minutes=4)}]}, {OUTDATED: set(), WINDOW: set(), OPEN: set()}),
        (
            {"DBInstances": [RDS | {"LatestRestorableTime": ago(days=3), "BackupRetentionPeriod": 2, "StorageEncrypted": False}]},
            {OUTDATED: {"store"}, WINDOW: {"store"}, OPEN: {"store"}},
        ),
        ({"DBInstances": [RDS | {"BackupRetentionPeriod": 0}]}, {OUTDATED: {"store"}, WINDOW: {"store"}}),
        (
            {
                "DBSnapshots": [
                    {"DBSnapshotIdentifier": "a", "Status": "available", "SnapshotCreateTime": ago(days=8), "Encrypted": True},
                    {"DBSnapshotIdentifier": "b", "Status": "available", "SnapshotCreateTime": ago(hours=8), "Encrypted": True},
                    {"DBSnapshotIdentifier": "c", "Status": "creating", "Encrypted": True},
                ]
            },
            {OUTDATED: set(), WINDOW: set(), OPEN: set()},
        ),
        (
            [
                {"kind": "sql#backupRun", "id": "2", "status": "FAILED", "endTime": ago(hours=1)},
                {"kind": "sql#backupRun", "id": "1", "status": "SUCCESSFUL", "endTime": ago(days=2)},
            ],
            {OUTDATED: {"store"}, WINDOW: {"store"}},
        ),
        (
            [
                {"name": "backup_2", "backupType": "Full", "completedTime": ago(hours=3)},
                {"name": "backup_1", "backupType": "Full", "completedTime": ago(days=7)},
            ],
            {OUTDATED: set(), WINDOW: set()},
        ),
        ([{"name": "backup_2", "backupType": "Full", "completedTime": ago(hours=3).rstrip("Z")}], {OUTDATED: set()}),
        ([], {OUTDATED: {"store"}, WINDOW: {"store"}}),
    ],
)  # fmt: skip
def test_providers(embedded_database: Database, tmp_path: Path, answer: Any, expected: dict[str, set[str]]):
    profile = store(tmp_path, "provider", list=answer)
    for check, subjects in expected.items():
        assert found(ask(check, embedded_database.dsn(), profile=profile)) == subjects, check
    hidden = ask(GAP, embedded_database.dsn(), profile=profile)
    assert isinstance(hidden, Unknown)
    assert hidden.reason is Reason.NOT_OBSERVABLE


def test_an_answer_that_is_not_known_is_none(embedded_database: Database, tmp_path: Path):
    for answer in (
        {"Snapshots": []},
        {"DBInstances": [RDS, RDS]},
        {"DBInstances": [RDS | {"LatestRestorableTime": 7}]},
    ):
        outcome = ask(OUTDATED, embedded_database.dsn(), profile=store(tmp_path, "provider", list=answer))
        assert isinstance(outcome, Unknown), answer


def test_a_backup_that_shrank(embedded_database: Database, tmp_path: Path):
    profile = Profile.model_validate({"name": "kept", "backups": {"dumps": {"tool": "pg_dump", "directory": "dumps"}}})
    (tmp_path / "dumps").mkdir()

    def dumped(name: str, rows: int, *, days_ago: float) -> None:
        path = tmp_path / "dumps" / name
        path.write_text(f"--\n-- PostgreSQL database dump\n--\n{'x' * rows}\n-- PostgreSQL database dump complete\n")
        at = (datetime.now(UTC) - timedelta(days=days_ago)).timestamp()
        os.utime(path, (at, at))

    def outcome():
        return ask("operations/backup-shrunk", embedded_database.dsn(), profile=profile, folder=tmp_path)

    for day in (4, 3, 2):
        dumped(f"{day}.sql", 10_000 - day, days_ago=day)
    few = outcome()
    assert isinstance(few, Unknown)
    assert few.reason is Reason.INSUFFICIENT_SAMPLES
    dumped("1.sql", 9_000, days_ago=1)
    assert found(outcome()) == set()
    dumped("0.sql", 4_000, days_ago=0)
    assert found(outcome()) == {"dumps"}
    # A fresh file of nothing is no backup at all, and what lies in the folder beside the dumps is none.
    (tmp_path / "dumps" / "0.sql").write_text("")
    (tmp_path / "dumps" / "notes.txt").write_text("nothing")
    assert found(outcome()) == set()
    failed = ask(OUTDATED, embedded_database.dsn(), profile=profile, folder=tmp_path)
    assert isinstance(failed, Examined)
    assert failed.observations[0].evidence["failed"] == 1
    # Dumps lead to no other moment than their own: without any WAL there is no way back to the hour before.
    assert found(ask(GAP, embedded_database.dsn(), profile=profile, folder=tmp_path)) == {"backups"}
