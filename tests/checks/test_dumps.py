"""Dumps of pg_dump in every form, whole and spoilt: what a folder of them is believed to hold."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asking import ask, found
from conftest import Database
from readiness import embedded
from readiness.embedded import Cluster
from readiness.facts.backups import dumps, held
from readiness.facts.backups.held import Database as Database_
from readiness.model import Examined, Unknown
from readiness.profile import Profile

Make = Callable[[Cluster], Database]
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


def of(*names: str) -> Database_:
    return Database_(names=names, others={"dumped", "other"} - {*names}, tables={})


def wrong(path: Path, database: str = "dumped") -> str | None:
    """What is said of a dump that lies alone in a folder."""
    (backup,) = dumps.read(path.parent, of(database)).backups
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


def test_an_archive_that_a_shell_wrote_into_a_file_is_whole(made: tuple[Cluster, Path], tmp_path: Path):
    """pg_dump 18 puts the table of contents a second time, with the places, behind its data."""
    cluster, _ = made
    there = alone(tmp_path / "one", "shell.dump", b"")
    env = cluster.runtime.env() | {"PGPASSWORD": cluster.password}
    with there.open("wb") as file:
        words = [cluster.runtime.bindir / "pg_dump", "-Fc", "-Z0", "-d", cluster.dsn("dumped")]
        subprocess.run(words, stdout=file, check=True, env=env)
    data = there.read_bytes()
    table = dumps.archives.contents(there)
    assert table.entries is not None
    if cluster.runtime.major == 18:
        assert not [e for e in table.entries if e.offset is not None]
    assert wrong(there) is None
    assert wrong(alone(tmp_path / "one", "shell.dump.gz", gzip.compress(data))) is None
    for at in (len(data) - 1, len(data) - (table.end - table.begin) - 1, len(data) // 2):
        assert "cut off" in (wrong(alone(tmp_path / "one", "shell.dump", data[:at])) or ""), at
    # Where what is missing is of the second one alone, all rows are there.
    for at in (len(data) - (table.end - table.begin) - 10, len(data) // 2):
        assert "cut off" in (wrong(alone(tmp_path / "one", "shell.dump.gz", gzip.compress(data[:at]))) or ""), at


def _piped(cluster: Cluster) -> bytes:
    return _dump(cluster, "dumped", "-Fc")


def _dump(cluster: Cluster, database: str, *options: str | Path) -> bytes:
    env = cluster.runtime.env() | {"PGPASSWORD": cluster.password}
    words = [cluster.runtime.bindir / "pg_dump", *options, "-d", cluster.dsn(database)]
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
    cluster, folder = made
    none = "it holds no dump of this database (pg_dumpall --globals-only or --exclude-database)"
    for name, said in {
        "schema.dump": "without their rows",
        "schema.sql": "without their rows",
        "rows.dump": "without their tables",
    }.items():
        assert said in (wrong(alone(tmp_path / "one", name, (folder / name).read_bytes())) or ""), name
    whole = alone(tmp_path / "one", "custom.dump", (folder / "custom.dump").read_bytes())
    assert wrong(whole, "other") == "it is of another database, dumped"
    # By a name that no database here has: a pooler's for this one, or another server's.
    assert [b.wrong for b in dumps.read(whole.parent, of("shop", "dumped")).backups] == [None]
    strangers = Database_(names={"shop"}, others={"other"}, tables={})
    (strange,) = dumps.read(whole.parent, strangers).backups
    assert (strange.wrong, "the name of dumped" in (strange.unread or "")) == (None, True)
    # A cluster's dump ends with a line of its own; a database's within it doesn't make it whole.
    inner = (folder / "plain.sql").read_bytes()
    every = (
        b"--\n-- PostgreSQL database cluster dump\n--\n\n\\connect dumped\n\n"
        + inner
        + b"--\n-- PostgreSQL database cluster dump complete\n--\n"
    )
    assert wrong(alone(tmp_path / "one", "all.sql", every)) is None
    assert wrong(alone(tmp_path / "one", "all.sql", every[:-60])) is not None
    assert wrong(alone(tmp_path / "one", "all.sql", every), "other") == none
    roles = cluster.tool("pg_dumpall", "--globals-only").stdout.encode()
    assert wrong(alone(tmp_path / "one", "roles.sql", roles)) == none


def test_a_dump_of_some_tables_only(
    made: tuple[Cluster, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_database: Make
):
    cluster, _ = made
    source = make_database(cluster)
    source.run("""
        create schema app;
        create table app.users (id int primary key); insert into app.users values (1);
        create table public.parts (id int) partition by range (id);
        create table public.part partition of public.parts for values from (0) to (9);
        create unlogged table public.scratch (id int);
        create table public.sessions (id int primary key); insert into public.sessions values (1);
        create table public."Odd; name" (id int); insert into public."Odd; name" values (1);
        create view public.seen as select * from app.users
    """)
    dsn, name = source.dsn(), source.name

    def dump(form: str, *options: str) -> Path:
        shutil.rmtree(tmp_path / "one", ignore_errors=True)
        (tmp_path / "one").mkdir()
        target = tmp_path / "one" / ("dumped.sql" if form == "plain" else "dumped.dump")
        _dump(cluster, name, f"--format={form}", "-f", target, *options)
        return target

    def said(profile: Profile = PROFILE) -> str | None:
        """What is wrong, what isn't known, or nothing."""
        outcome = ask(CHECK, dsn, profile=profile, folder=tmp_path / "one")
        if isinstance(outcome, Unknown):
            return f"unknown: {outcome.unseen[0].detail}"
        assert isinstance(outcome, Examined)
        return next((str(f.evidence.get("wrong")) for f in outcome.findings), None)

    for form in ("custom", "tar") if cluster.runtime.major == 15 else ("plain", "directory"):
        rows = ("--inserts",) if form == "plain" else ()
        dump(form, *rows)
        assert said() is None, form
        # One that was made first tells nothing of those after it; without their numbers, few or late ones don't either.
        lacks, later = "it lacks the rows of {} (", "unknown: {}: made after it, or left out"
        for options, of_archive, of_plain in (
            (("-t", "app.users"), later, later),
            (("-t", "public.sessions"), lacks, later),
            (("-n", "public"), lacks, lacks),
            (("-N", "app"), lacks, lacks),
            (("-T", "public.sessions"), lacks, later),
            (("--exclude-table-data=public.part",), lacks, lacks),
            (('--exclude-table-data=*."Odd; name"',), lacks, lacks),
        ):
            target = dump(form, *rows, *options)
            names = {
                ("-t", "app.users"): "public.Odd; name, public.sessions",
                ("-t", "public.sessions"): "app.users, public." + ("part" if form != "plain" else "Odd; name"),
                ("-n", "public"): "app.users",
                ("-N", "app"): "app.users",
                ("-T", "public.sessions"): "public.sessions",
            }.get(options, options[0].partition("=")[2].replace('*."', "public.").strip('"'))
            expected = (of_plain if form == "plain" else of_archive).format(names)
            said_ = (said() or "").replace(f"{target.name}: ", "")
            assert expected in said_, (form, options)
        declared = PROFILE.model_copy(
            update={
                "backups": {"dumps": PROFILE.backups["dumps"].model_copy(update={"left_out": ("public.s*", "*Odd*")})}
            }
        )
        dump(form, *rows, "--exclude-table-data=public.sessions", '--exclude-table-data=*."Odd; name"')
        assert (said() is None, said(declared)) == (False, None)
        # Near misses: what was made since and keeps nothing; what was renamed, moved or dropped since.
        dump(form, *rows)
        source.run("""
            create table app.since (id int); alter table app.users rename to people; create schema other;
            alter table public.sessions set schema other; drop table public."Odd; name"
        """)
        # By its name alone, what was renamed may as well have been left out.
        assert (said() or "").startswith("unknown: " if form == "plain" else ""), form
        assert form == "plain" or said() is None
        source.run("insert into app.since values (1)")
        assert (said() or "").startswith("unknown: "), "nothing tells that it was made since"
        source.run("""
            drop table app.since; alter table app.people rename to users; alter table other.sessions set schema public;
            drop schema other; create table public."Odd; name" (id int); insert into public."Odd; name" values (1)
        """)


def test_a_table_that_came_after_a_whole_dump_is_no_fault(
    made: tuple[Cluster, Path], tmp_path: Path, make_database: Make
):
    cluster, _ = made
    source = make_database(cluster)
    source.run("create extension pg_trgm; create table first (id int); insert into first values (1)")
    for name in ("whole.dump", "whole.sql"):
        form = "custom" if name.endswith(".dump") else "plain"
        _dump(cluster, source.name, f"--format={form}", "-f", tmp_path / name)
        source.run("create table later (id int); insert into later values (1)")
        assert found(ask(CHECK, source.dsn(), profile=PROFILE, folder=tmp_path)) == set(), name
        source.run("drop table later")
        (tmp_path / name).unlink()
    # Of a server that was made anew from a dump, the numbers are others: the names decide.
    _dump(cluster, source.name, "-Fc", "-f", tmp_path / "moved.dump")
    source.run(
        "create table second (id int); alter table first rename to old; create table first (id int); drop table old"
    )
    assert found(ask(CHECK, source.dsn(), profile=PROFILE, folder=tmp_path)) == set()


def test_where_commits_are_timed_a_later_table_is_told_from_one_that_was_left_out(tmp_path: Path):
    with embedded.cluster(fast=True, purpose="test", settings={"track_commit_timestamp": "on"}) as cluster:
        with cluster.connect() as admin:
            admin.execute("create table first as select 1 as id")
            admin.execute("create role bare login password 'of-a-test'")
        dsn = cluster.dsn(user="bare", password="of-a-test")
        target = tmp_path / "dumped.sql"
        _dump(cluster, "postgres", "-f", target)
        os.utime(target, (time.time() - 3,) * 2)
        with cluster.connect() as admin:
            admin.execute("create table later as select 1 as id")
        whole = ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)
        assert isinstance(whole, Examined)
        assert not whole.findings
        os.utime(target, (time.time() + 3,) * 2)  # as one that was made behind it, without it
        less = ask(CHECK, dsn, profile=PROFILE, folder=tmp_path)
        assert isinstance(less, Unknown)
        assert "public.later: made after it, or left out of it" in less.unseen[0].detail
        tables = {"public.later": held.Table(oid=2**20, empty=False, since=datetime.now(UTC) - timedelta(days=2))}
        database = held.Database(names={"postgres"}, tables=tables)
        (backup,) = dumps.read(tmp_path, database).backups
        assert (backup.wrong or "").startswith("it lacks the rows of public.later")


def test_of_other_stores_nothing_is_left_out():
    with pytest.raises(ValueError, match="left_out is of dumps: a pgbackrest store has all tables or none"):
        Profile.model_validate(
            {"name": "kept", "backups": {"repo": {"tool": "pgbackrest", "stanza": "main", "left_out": ["public.t"]}}}
        )


def test_a_folder_that_was_packed_by_others_is_an_archive(made: tuple[Cluster, Path], tmp_path: Path):
    _, folder = made
    (toc,) = folder.glob("directory/toc.dat")
    assert dumps.archives.contents(toc.parent).entries
    packed = tmp_path / "one"
    for name, words in {
        "folder.tar": ["-cf", "-C", folder, "directory"],
        "folder.tar.gz": ["-czf", "-C", folder, "directory"],
        "folder.tgz": ["-czf", "-C", folder / "directory", "."],
        "folder.tar.zst": ["--zstd", "-cf", "-C", folder / "directory", "toc.dat", "--exclude=toc.dat", "."],
    }.items():
        shutil.rmtree(packed, ignore_errors=True)
        packed.mkdir()
        at = words.index("-C")
        subprocess.run(["tar", *words[:at], packed / name, *words[at:]], check=True)
        assert wrong(packed / name) is None, name
        data = (packed / name).read_bytes()
        for cut in (len(data) // 3, len(data) - 11_000 if name == "folder.tar" else len(data) - 20):
            assert wrong(alone(packed, name, data[:cut])), (name, cut)
    # Whole, and without one of its files.
    subprocess.run(
        ["tar", "-czf", packed / "folder.tar.zst", "-C", folder, "--exclude=blob_*", "directory"], check=True
    )
    (packed / "folder.tar.zst").rename(packed / "folder.tar.gz")
    assert "large object" in (wrong(packed / "folder.tar.gz") or "")
    subprocess.run(["tar", "-czf", packed / "folder.tar.gz", "-C", folder, "plain.sql"], check=True)
    assert wrong(packed / "folder.tar.gz") == "it holds no dump"


def test_a_long_archive_is_gone_through_as_long_as_there_is_time(
    made: tuple[Cluster, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cluster, folder = made
    monkeypatch.setattr(dumps, "LOOK_SECONDS", -1.0)
    piped = alone(tmp_path / "one", "piped.dump", _piped(cluster))
    (backup,) = dumps.read(piped.parent, of("dumped")).backups
    assert (backup.wrong, "written into a pipe" in (backup.unread or "")) == (None, True)
    # Where the table of contents tells where each part lies, their beginnings and the end are enough; zeros are no end.
    data = (folder / "custom.dump").read_bytes()
    assert wrong(alone(tmp_path / "one", "custom.dump", data)) is None
    (backup,) = dumps.read(alone(tmp_path / "one", "custom.dump", data[:-5000] + bytes(5000)).parent).backups
    assert backup.wrong or backup.unread


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
    subprocess.run([*words[:1], "-f", plain, "-d", dsn], check=True, env=env)
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
