"""What a managed provider says of its backups: the JSON of the command that the profile names, as the provider documents it.

Known by their own keys: `aws rds describe-db-instances` and `describe-db-snapshots`, `gcloud sql backups list`, `az postgres
flexible-server backup list`. How WAL is kept there can't be seen; what RDS says of its latest restorable time is its word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from readiness.authoring import Unobservable
from readiness.facts.backups.store import Backup, Store, answer_of, moment
from readiness.model import Reason


def read(command: Sequence[str]) -> Store:
    """The backups and, where it is told, the window of time that can be restored to.

    Raises:
        Unobservable: it can't be asked, or answers in no form that is known.
    """
    told = json.loads(answer_of(command))
    match told:
        case {"DBInstances": [instance]}:
            return _rds(instance)
        case {"DBInstances": several}:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                f"the command tells of {len(several)} instances",
                "name the one (--db-instance-identifier)",
            )
        case {"DBSnapshots": [*snapshots]}:
            return _store(
                [
                    _backup(
                        s["DBSnapshotIdentifier"],
                        s.get("SnapshotCreateTime"),
                        ok=s["Status"] == "available",
                        size=s.get("AllocatedStorage", 0) * 2**30,
                    )
                    for s in snapshots
                ],
                encrypted=all(s.get("Encrypted", False) for s in snapshots) if snapshots else None,
            )
        case [{"kind": "sql#backupRun"}, *_]:
            return _store([_backup(b["id"], b.get("endTime"), ok=b["status"] == "SUCCESSFUL") for b in told])
        case [{"completedTime": _, "backupType": _}, *_]:
            return _store([_backup(b["name"], b["completedTime"], ok=True) for b in told])
        case []:
            return _store([])
        case _:
            raise Unobservable(
                Reason.ERROR,
                f"{command[0]} answers in a form that is not known: see docs/backups.md for those that are",
            )


def storage_encrypted(command: Sequence[str], host: str) -> bool:
    """Whether the storage of the instance with this address is encrypted, as `aws rds describe-db-instances` tells.

    Raises:
        Unobservable: it can't be asked, or tells of another instance, or of none.
    """
    try:
        match json.loads(answer_of(command)):
            case {"DBInstances": [{"StorageEncrypted": bool(encrypted), "Endpoint": {"Address": str(address)}}]}:
                if address.lower() != host.lower():
                    raise Unobservable(
                        Reason.NOT_CONFIGURED, f"it tells of {address}, and the audit is connected to {host}"
                    )
                return encrypted
    except ValueError as error:
        raise Unobservable(Reason.ERROR, "it answers no JSON") from error
    raise Unobservable(Reason.NOT_OBSERVABLE, "it says nothing of the instance's storage")


def _rds(instance: Mapping[str, Any]) -> Store:
    """RDS backs up daily and keeps WAL meanwhile; a retention of 0 days turns both off."""
    latest, days = instance.get("LatestRestorableTime"), int(instance.get("BackupRetentionPeriod", 0))
    if latest is None or days == 0:
        return _store([], encrypted=instance.get("StorageEncrypted"))
    until = moment(latest)
    born = moment(instance["InstanceCreateTime"]) if instance.get("InstanceCreateTime") else None
    since = until - timedelta(days=days)
    return Store(
        encrypted=instance.get("StorageEncrypted"),
        backups=(),
        archived=None,
        managed=True,
        window=(max(since, born) if born else since, until),
    )


def _store(backups: Sequence[Backup], *, encrypted: bool | None = None) -> Store:
    return Store(encrypted=encrypted, backups=tuple(backups), archived=None, managed=True)


def _backup(label: Any, at: str | None, *, ok: bool, size: int = 0) -> Backup:
    """One that is still being made, or failed, has no time."""
    return Backup(
        label=str(label),
        kind="full",
        prior=None,
        stopped_at=moment(at) if at else datetime.fromtimestamp(0).astimezone(),
        wrong=None if ok and at is not None else "it failed, or is being made",
        system_identifier=None,
        wal=None,
        size_bytes=size,
    )
