"""What the server's files lie on, as far as it can be seen: by a build that encrypts them itself, or on the same host."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.backups import provider
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import Reason, quote_ident

SYSFS, PROC = Path("/sys"), Path("/proc")
_ENCIPHERS = re.compile(r"CRYPT-(?:LUKS\d?|PLAIN|LOOPAES|TCRYPT|BITLK|FVAULT2)-")  # by cryptsetup's names of its types


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The places where the cluster's data lies.

    Args:
        by_place: `data directory`, `write-ahead log`, `tablespace NAME` -> what encrypts it; None where nothing was seen to.
        why: why nothing was seen, by place, or for all of them under "".
        looked: how it was looked.
        plain: who says that nothing of it is encrypted.
    """

    by_place: Mapping[str, str | None]
    why: Mapping[str, str]
    looked: str
    plain: str | None = None

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        places = {"data directory": "", "write-ahead log": ""}
        rows = postgres.rows(
            "select t.spcname as name, pg_catalog.pg_tablespace_location(t.oid) as location "
            "from pg_catalog.pg_tablespace as t where t.spcname !~ '^pg_' order by t.spcname",
            marker="storage",
        )
        places |= {f"tablespace {quote_ident(row['name'])}": row["location"] for row in rows}
        if (version := _own_encryption(postgres)) is not None:
            by = f"the server itself (data_encryption_version {version})"
            return cls(by_place=dict.fromkeys(places, by), why={}, looked="pg_control_init()")
        if (service := _service(postgres)) is not None:
            by = f"{service}, which stores nothing unencrypted"
            return cls(by_place=dict.fromkeys(places, by), why={}, looked="the server's settings")
        looked = "the host's block devices"
        try:
            folder = _local_folder(postgres)
        except Unobservable as unseen:
            return cls._by_provider(places, unseen.detail, looked, postgres.address.host, target)
        places |= {"data directory": str(folder), "write-ahead log": str(folder / "pg_wal")}
        found: dict[str, str | None] = {}
        why: dict[str, str] = {}
        for place, path in places.items():
            try:
                number = device_of(path)
            except OSError as error:
                found[place], why[place] = None, f"{path}: {error.strerror}; look as the server's account"
                continue
            found[place], said = encrypting(number)
            if found[place] is None:
                why[place] = said
        return cls(by_place=found, why=why, looked=looked)

    @classmethod
    def _by_provider(cls, places: Mapping[str, str], why: str, looked: str, host: str, target: Target) -> Self:
        """By what the provider's own command, which the profile names for the backups, says of the instance."""
        for name, store in target.profile.backups.items():
            if store.tool != "provider":
                continue
            said = f"backups.{name} (StorageEncrypted)"
            try:
                encrypted = provider.storage_encrypted(store.words, host)
            except Unobservable as unseen:
                why = f"{why}; backups.{name}: {unseen.detail}"
                continue
            if encrypted:
                return cls(by_place=dict.fromkeys(places, f"the provider: {said}"), why={}, looked=said)
            return cls(by_place=dict.fromkeys(places), why={"": f"{said} says it is not"}, looked=said, plain=said)
        return cls(by_place=dict.fromkeys(places), why={"": why}, looked=looked)


# Settings that a managed service alone has, whose storage can't be had unencrypted. What somebody else gives such a name
# is a placeholder, which pg_settings doesn't show. Not AlloyDB's and Supabase's, which run on anybody's disks, too.
# https://cloud.google.com/docs/security/encryption/default-encryption,
# https://learn.microsoft.com/azure/postgresql/flexible-server/security-data-encryption
_SERVICES = {"cloudsql.": "Google Cloud SQL", "azure.": "Azure Database"}


def _service(postgres: Postgres) -> str | None:
    rows = postgres.rows(
        "select p.service from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as p (prefix, service) "
        "where exists (select from pg_catalog.pg_settings as s where pg_catalog.starts_with(s.name, p.prefix))",
        (list(_SERVICES), list(_SERVICES.values())),
        marker="storage",
    )
    return str(rows[0]["service"]) if rows else None


def _own_encryption(postgres: Postgres) -> int | None:
    """The version of the server's own encryption; of PostgreSQL as the community builds it there is none.

    EDB's servers tell it in a column of pg_control_init()
    (https://www.enterprisedb.com/docs/tde/latest/enabling/verifying_tde/).
    """
    try:
        (row,) = postgres.rows(
            "select pg_catalog.to_jsonb(c) ->> 'data_encryption_version' as version from pg_catalog.pg_control_init() as c",
            marker="storage",
        )
    except Unobservable:
        return None
    return int(row["version"]) if row["version"] and int(row["version"]) else None


def _local_folder(postgres: Postgres) -> Path:
    """The data directory, where the server is proved to run on this very host.

    The backend that serves our session must be a process here, of that name, and not in another's container.

    Raises:
        Unobservable: it isn't, or that can't be seen.
    """
    (row,) = postgres.rows(
        "select (select s.setting from pg_catalog.pg_settings as s where s.name = 'data_directory') as folder, "
        "pg_catalog.pg_backend_pid() as pid, pg_catalog.current_database() as database",
        marker="storage",
    )
    if not row["folder"]:
        raise Unobservable(Reason.NO_PERMISSION, "the role may not see where the data directory is (pg_monitor may)")
    try:
        command = (PROC / str(row["pid"]) / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        command = ""
    if not command.startswith("postgres:") or f" {row['database']} " not in command:
        raise Unobservable(Reason.NOT_OBSERVABLE, "the server does not run on the host that the audit runs on")
    folder = Path(row["folder"])
    with suppress(OSError, IndexError):  # who may not look there is told so where its devices are asked for
        parent = (PROC / str(row["pid"]) / "stat").read_text().rpartition(")")[2].split()[1]
        if (folder / "postmaster.pid").read_text().split()[0] != parent:
            raise Unobservable(
                Reason.NOT_OBSERVABLE, f"{folder} of the host that the audit runs on is another server's"
            )
    return folder


def device_of(path: str) -> int:
    """The number of the device that a file lies on.

    Raises:
        OSError: it can't be looked at.
    """
    return Path(path).stat().st_dev


def encrypting(device: int) -> tuple[str | None, str]:
    """What encrypts the block device with this number, or why nothing was seen to.

    dm-crypt shows in the mapped device's uuid (`CRYPT-LUKS2-...`); what cryptsetup makes of dm-verity and dm-integrity begins
    alike, and hides nothing. A volume of any other kind (LVM, RAID) is encrypted where all that it lies on is.
    """
    if os.major(device) == 0:
        return None, "its file system (overlay, ZFS, Btrfs, network) lies on no one device that can be looked at"
    node = SYSFS / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    return _encrypting(node.resolve(), depth=0)


def _encrypting(node: Path, depth: int) -> tuple[str | None, str]:
    if depth > 8 or not node.is_dir():
        return None, "its block device is not shown here (a container?)"
    uuid = node / "dm" / "uuid"
    if uuid.is_file() and _ENCIPHERS.match(kind := uuid.read_text(encoding="ascii", errors="replace").strip()):
        return f"dm-crypt ({'-'.join(kind.split('-')[:2])}, {node.name})", ""
    if (node / "partition").is_file():
        return _encrypting(node.parent, depth + 1)
    below = sorted((node / "slaves").iterdir()) if (node / "slaves").is_dir() else []
    if not below:
        return None, f"the device {node.name} is not encrypted by this host; whether what is below it is can't be seen"
    told = [_encrypting(slave.resolve(), depth + 1) for slave in below]
    for by, why in told:
        if by is None:
            return None, why
    return ", ".join(sorted({by for by, _ in told if by})), ""
