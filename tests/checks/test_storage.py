"""What the data lies on: on a server of this very host, over block devices as the kernel tells of them, real and made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asking import ask, checks
from conftest import Database
from readiness.facts import storage
from readiness.facts.ciphertexts import DeclaredColumns
from readiness.facts.storage import Storage, encrypting
from readiness.model import Examined, Reason, Unknown

CHECK = "security/encryption-at-rest-unproven"


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's tree of devices, ours to fill."""
    monkeypatch.setattr(storage, "SYSFS", tmp_path)
    (tmp_path / "dev" / "block").mkdir(parents=True)
    return tmp_path


def device(tree: Path, name: str, number: int, *, uuid: str = "", below: tuple[str, ...] = (), of: str = "") -> None:
    node = tree / "devices" / of / name if of else tree / "devices" / name
    node.mkdir(parents=True)
    if uuid:
        (node / "dm").mkdir()
        (node / "dm" / "uuid").write_text(uuid + "\n")
    if of:
        (node / "partition").write_text("1\n")
    (node / "slaves").mkdir()
    for slave in below:
        (node / "slaves" / slave).symlink_to(tree / "devices" / slave)
    link = tree / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    link.symlink_to(node)


def test_block_devices(devices: Path):
    number = os.makedev
    device(devices, "sda", number(8, 0))
    device(devices, "sda1", number(8, 1), of="sda")
    device(devices, "sdb", number(8, 16))
    device(devices, "dm-0", number(254, 0), uuid="CRYPT-LUKS2-0123abcd-luks", below=("sda",))
    device(devices, "dm-1", number(254, 1), uuid="LVM-xyz", below=("dm-0",))
    device(devices, "dm-2", number(254, 2), uuid="LVM-xyz", below=("dm-0", "sdb"))
    assert encrypting(number(254, 0)) == ("dm-crypt (CRYPT-LUKS2, dm-0)", "")
    assert encrypting(number(254, 1)) == ("dm-crypt (CRYPT-LUKS2, dm-0)", ""), "a volume on what is encrypted is"
    for plain, name in ((number(254, 2), "sdb"), (number(8, 0), "sda"), (number(8, 1), "sda")):
        by, why = encrypting(plain)
        assert by is None
        assert why.startswith(f"the device {name} is not encrypted by this host")
    device(devices, "dm-3", number(254, 3), uuid="CRYPT-INTEGRITY-0123abcd-data", below=("sdb",))
    device(devices, "dm-4", number(254, 4), uuid="CRYPT-VERITY-0123abcd-data", below=("sdb",))
    device(devices, "dm-5", number(254, 5), uuid="CRYPT-INTEGRITY-0123abcd-data", below=("dm-0",))
    device(devices, "dm-6", number(254, 6), uuid="CRYPT-PLAIN-data", below=("sdb",))
    for named_alike in (number(254, 3), number(254, 4)):
        assert encrypting(named_alike)[0] is None, "what tells changes hides nothing"
    assert encrypting(number(254, 5)) == ("dm-crypt (CRYPT-LUKS2, dm-0)", "")
    assert encrypting(number(254, 6)) == ("dm-crypt (CRYPT-PLAIN, dm-6)", "")
    assert encrypting(number(9, 9))[0] is None
    assert encrypting(number(0, 45))[0] is None


def test_a_server_on_this_host(embedded_database: Database, devices: Path, monkeypatch: pytest.MonkeyPatch):
    """Its own data directory, with the device below it made to be encrypted, then not."""
    number = embedded_database.cluster.data.stat().st_dev
    if os.major(number) == 0:  # a container's overlay: as if it lay on a device
        monkeypatch.setattr(storage, "device_of", lambda _path: os.makedev(8, 1))
        number = os.makedev(8, 1)
    device(devices, "dm-0", number, uuid="CRYPT-LUKS2-0123abcd-luks")
    outcome = ask(CHECK, embedded_database.dsn())
    assert isinstance(outcome, Examined)
    assert {o.subject: o.ok for o in outcome.observations} == {"data directory": True, "write-ahead log": True}
    (devices / "devices" / "dm-0" / "dm" / "uuid").write_text("LVM-xyz\n")
    plain = ask(CHECK, embedded_database.dsn())
    assert isinstance(plain, Unknown), "what is not seen to be encrypted may be, below"
    assert plain.reason is Reason.NO_ATTESTATION
    assert "dm-0 is not encrypted by this host" in plain.detail
    bare = ask(CHECK, embedded_database.bare_dsn())
    assert isinstance(bare, Unknown)
    assert "may not see where the data directory is" in bare.detail
    pid_file = embedded_database.cluster.data / "postmaster.pid"
    kept = pid_file.read_text()
    try:
        pid_file.write_text("1" + kept)
        another = ask(CHECK, embedded_database.dsn())
        assert isinstance(another, Unknown)
        assert "another server's" in another.detail
    finally:
        pid_file.write_text(kept)
    monkeypatch.setattr(storage, "PROC", devices)
    elsewhere = ask(CHECK, embedded_database.dsn())
    assert isinstance(elsewhere, Unknown)
    assert "does not run on the host" in elsewhere.detail


def test_a_place_that_is_left_out_leaves_it_open():
    asked = checks()[CHECK].ask
    by = {"data directory": "dm-crypt", "write-ahead log": "dm-crypt", "tablespace fast": None}
    half = asked(
        Storage(by_place=by, why={"tablespace fast": "the device sdb is plain"}, looked="x"),
        DeclaredColumns(by_name={}),
    )
    assert isinstance(half, Unknown)
    assert "tablespace fast: the device sdb is plain" in half.detail
