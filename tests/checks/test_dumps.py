"""Dumps of pg_dump in every form, whole and spoilt: what a folder of them is believed to hold."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from asking import ask, found
from conftest import Database
from readiness.embedded import Cluster
from readiness.facts.backups import dumps
from readiness.model import Examined, Unknown
from readiness.profile import Profile

CHECK = "operations/backup-outdated"
PROFILE = Profile.model_validate({"name": "kept", "backups": {"dumps": {"tool": "pg_dump", "directory": "."}}})


@pytest.fixture(scope="module", params=["debian", "embedded"])
def made(request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, Path]]:
    """Dumps of a small database with a large object, by pg_dump 15 and 18."""
    cluster: Cluster = request.getfixturevalue(f"{request.param}_cluster")
    folder = cluster.workshop.folder / "dumps"
    folder.mkdir()
    cluster.give(folder)
    with cluster.connect() as admin:
        admin.execute("create database dumped template template0")
        admin.execute("create role of_dumps")
    try:
        with cluster.connect("dumped") as admin:
            admin.execute("create table small (id int primary key)")
            admin.execute("create table words (word text)")
            admin.execute("insert into words select md5(g::text) from generate_series(1, 20000) as g")
            admin.execute("create table last (id int)")
            admin.execute("select lo_from_bytea(0, 'something large')")
        for form in ("custom", "directory", "tar"):
            cluster.tool("pg_dump", f"--format={form}", "-f", str(folder / form), "dumped")
        (folder / "custom").rename(folder / "custom.dump")
        (folder / "tar").rename(folder / "tar.tar")
        cluster.tool("pg_dump", "-f", str(folder / "plain.sql"), "dumped")
        cluster.tool("pg_dump", "-Fc", "--schema-only", "-f", str(folder / "schema.dump"), "dumped")
        cluster.tool("pg_dump", "-Fc", "--data-only", "-f", str(folder / "rows.dump"), "dumped")
        cluster.tool("pg_dump", "--schema-only", "-f", str(folder / "schema.sql"), "dumped")
        yield cluster, folder
    finally:
        shutil.rmtree(folder)
        with cluster.connect() as admin:
            admin.execute("drop database dumped")
            admin.execute("drop role of_dumps")


def wrong(path: Path, database: str = "dumped") -> str | None:
    """What is said of a dump that lies alone in a folder."""
    (backup,) = dumps.read(path.parent, {database}, {"dumped", "other"} - {database}).backups
    assert backup.unread is None, backup
    return backup.wrong


def alone(folder: Path, name: str, data: bytes) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / name).write_bytes(data)
    return folder / name


def test_what_is_whole_is_good_and_what_is_cut_off_is_not(made: tuple[Cluster, Path], tmp_path: Path):
    _, folder = made
    # Written into a pipe, a custom archive can't tell where its parts lie.
    whole = {name: (folder / name).read_bytes() for name in ("custom.dump", "tar.tar", "plain.sql")}
    whole["packed.sql.gz"] = gzip.compress(whole["plain.sql"])
    whole["packed.dump.gz"] = gzip.compress(whole["custom.dump"])
    whole["packed.tar.gz"] = gzip.compress(whole["tar.tar"])
    for suffix, program in ((".zst", "zstd"), (".lz4", "lz4")):
        packed = subprocess.run([program, "-qc"], input=whole["plain.sql"], capture_output=True, check=True)
        whole[f"packed.sql{suffix}"] = packed.stdout
    there = tmp_path / "one"
    for name, data in whole.items():
        assert wrong(alone(there, name, data)) is None, name
        last = 1 if name != "plain.sql" else 200  # behind its last line stands nothing that is needed
        for at in (0, 10, 3000, len(data) // 2, len(data) - 700, len(data) - last):
            assert wrong(alone(there, name, data[:at])), (name, at)
    # One that was cut off before it was packed ends well as far as its packer knows.
    short = whole["plain.sql"][:-200]
    assert "pg_dump's last line is missing" in (wrong(alone(there, "packed.sql.gz", gzip.compress(short))) or "")
    packed = subprocess.run(["zstd", "-qc"], input=short, capture_output=True, check=True)
    assert "pg_dump's last line is missing" in (wrong(alone(there, "packed.sql.zst", packed.stdout)) or "")
    assert (
        wrong(alone(there, "packed.tar.gz", gzip.compress(whole["tar.tar"][:-1024])))
        == "it is cut off: its end is missing"
    )
    # What a file system that lost the end leaves: zeros, which look like an end.
    data = whole["custom.dump"]
    assert wrong(alone(there, "custom.dump", data[: len(data) // 2] + bytes(len(data) - len(data) // 2)))
    assert wrong(alone(there, "custom.dump", data[:-3000] + bytes(3000)))


def test_an_archive_that_was_written_into_a_pipe_is_gone_through(made: tuple[Cluster, Path], tmp_path: Path):
    cluster, _ = made
    data = _piped(cluster)
    table = dumps.archives.contents(alone(tmp_path / "one", "piped.dump", data))
    assert table.entries is not None
    assert not [e for e in table.entries if e.offset is not None]
    assert wrong(tmp_path / "one" / "piped.dump") is None
    # Cut off where one part ends and the next begins, its last bytes are those of a whole one.
    end = data.index(bytes(5), table.end + 1) + 5
    for at in (end, len(data) // 2, len(data) - 1):
        assert "cut off" in (wrong(alone(tmp_path / "one", "piped.dump", data[:at])) or ""), at


def _piped(cluster: Cluster) -> bytes:
    env = cluster.runtime.env() | {"PGPASSWORD": cluster.password}
    words = [cluster.runtime.bindir / "pg_dump", "-Fc", "-d", cluster.dsn("dumped")]
    return subprocess.run(words, capture_output=True, check=True, env=env).stdout


def test_a_folder_lacks_a_file(made: tuple[Cluster, Path], tmp_path: Path):
    _, folder = made
    copy = tmp_path / "one" / "directory"
    shutil.copytree(folder / "directory", copy)
    assert wrong(copy) is None
    table = dumps.archives.contents(copy)
    assert table.entries is not None
    (entry,) = (e for e in table.entries if e.kind == "TABLE DATA" and e.name == "public.words")
    file = copy / f"{entry.file}.gz"
    packed = file.read_bytes()
    file.unlink()
    assert wrong(copy) == "it is cut off: public.words is not in it"
    file.write_bytes(b"")
    assert wrong(copy) == "it is cut off: public.words is not in it"
    file.write_bytes(packed)
    assert wrong(copy) is None
    (blob,) = copy.glob("blob_*.dat.gz")
    blob.unlink()
    assert "large object" in (wrong(copy) or "")


def test_only_the_schema_only_the_rows_and_another_database(made: tuple[Cluster, Path], tmp_path: Path):
    _, folder = made
    for name, said in {
        "schema.dump": "without their rows",
        "schema.sql": "without their rows",
        "rows.dump": "without their tables",
    }.items():
        assert said in (wrong(alone(tmp_path / "one", name, (folder / name).read_bytes())) or ""), name
    whole = alone(tmp_path / "one", "custom.dump", (folder / "custom.dump").read_bytes())
    assert wrong(whole, "other") == "it is of another database, dumped"
    # By a name that no database here has: a pooler's for this one, or another server's.
    assert [b.wrong for b in dumps.read(whole.parent, {"shop", "dumped"}, {"other"}).backups] == [None]
    (strange,) = dumps.read(whole.parent, {"shop"}, {"other"}).backups
    assert (strange.wrong, "the name of dumped" in (strange.unread or "")) == (None, True)
    # A cluster's dump ends with a line of its own; a database's within it doesn't make it whole.
    inner = (folder / "plain.sql").read_bytes()
    every = (
        b"--\n-- PostgreSQL database cluster dump\n--\n"
        + inner
        + b"--\n-- PostgreSQL database cluster dump complete\n--\n"
    )
    assert wrong(alone(tmp_path / "one", "all.sql", every)) is None
    assert wrong(alone(tmp_path / "one", "all.sql", every[:-60])) is not None


def test_the_check_says_what_is_wrong_and_takes_the_newest_whole_one(
    embedded_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    embedded_database.run("create table t (id int); insert into t values (1)")
    dsn = embedded_database.dsn()
    target = tmp_path / "first.dump"
    env = embedded_database.cluster.runtime.env() | {"PGPASSWORD": embedded_database.cluster.password}
    words = [embedded_database.cluster.runtime.bindir / "pg_dump", "-Fc", "-f", target, "-d", dsn]
    subprocess.run(words, check=True, env=env)
    assert found(ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)) == set()
    data = target.read_bytes()
    (tmp_path / "second.dump").write_bytes(data[:-40])
    os.utime(target, (target.stat().st_mtime - 60,) * 2)
    beside = ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)  # the one before it still counts
    assert found(beside) == set()
    target.unlink()
    broken = ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)
    assert isinstance(broken, Examined)
    (finding,) = broken.findings
    assert "second.dump: it is cut off" in str(finding.evidence["wrong"])
    assert "set -o pipefail" in (finding.remedy or "")
    # A time that is still to come makes no backup young. An archive has a time of its own.
    (tmp_path / "second.dump").unlink()
    plain = tmp_path / "third.sql"
    plain.write_text("--\n-- PostgreSQL database dump\n--\n--\n-- PostgreSQL database dump complete\n--\n")
    assert found(ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)) == set()
    os.utime(plain, (plain.stat().st_mtime + 90 * 86400,) * 2)
    ahead = ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)
    assert isinstance(ahead, Examined)
    assert "still to come" in str(ahead.findings[0].remedy)
    plain.unlink()
    # What can't be unpacked here is not known to be whole.
    (tmp_path / "third.sql.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    assert found(ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)) == {"dumps"}
    monkeypatch.setenv("PATH", str(tmp_path))
    unseen = ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)
    assert isinstance(unseen, Unknown)
    assert "zstd is not installed here" in unseen.detail + str(unseen.unseen)
