"""The restore drill on real clusters: what was backed up comes back, what is wrong with it is found, nothing is left behind."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

import stage
from asking import ask
from asking import found as found_in
from conftest import DEBIAN, Database
from readiness import embedded
from readiness import profile as profiles
from readiness.drills import DrillError, copies, likeness, restore, snapshot
from readiness.drills.amcheck import Amcheck
from readiness.drills.restore import Options, Result
from readiness.embedded import Cluster, Runtime
from readiness.facts import content
from readiness.facts.backups import barman as barman_store
from readiness.profile import Profile

ROWS = 2_000
INCOMING = ("barman", "barman/main", "barman/main/incoming")


@dataclass
class Kept:
    """A cluster whose WAL goes to pgBackRest and to a folder, with a backup of each kind of one moment.

    Args:
        snapshot: of the rows at the moment of the dumps.
    """

    cluster: Cluster
    folder: Path
    stores: dict[str, dict[str, object]] = field(default_factory=dict)

    def profile(self, **stores: dict[str, object]) -> profiles.Source:
        return profiles.Source(
            profile=Profile.model_validate({"name": "kept", "backups": stores or self.stores}), folder=self.folder
        )

    def drill(self, store: str, *, own: dict[str, object] | None = None, **options: object) -> Result:
        source = self.profile(**({store: own} if own else {}))
        return restore.drill(
            source,
            self.cluster.dsn(),
            options=Options(store=store, account="nobody" if self.cluster.owner else None, **options),  # type: ignore[arg-type]
        )

    def run(self, *words: str | Path) -> None:
        env = {"PATH": "/usr/bin:/bin", "PGPASSWORD": self.cluster.password, "HOME": str(self.folder)}
        self.cluster.workshop.run(words, env=env, cwd=self.folder, **self.cluster.owner)

    def execute(self, *statements: str) -> None:
        with self.cluster.connect() as admin:
            for statement in statements:
                admin.execute(statement.encode())

    def archived(self) -> str:
        """Hand the segment over that is being written; its name."""
        with self.cluster.connect() as admin:
            (name,) = admin.execute("select pg_walfile_name(pg_switch_wal())").fetchone()  # type: ignore[misc]
            done = "select last_archived_wal >= %s from pg_stat_archiver"
            assert stage.eventually(lambda: admin.execute(done, [name]).fetchone() == (True,), 20)
        return str(name)

    def copy_of(self, name: str) -> Path:
        """A copy of a backup, to be damaged."""
        made = self.folder / f"damaged-{time.monotonic_ns()}"
        shutil.copytree(self.folder / name, made, symlinks=True)
        return made


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    if shutil.which("pgbackrest") is None or not (DEBIAN / "postgres").exists():
        pytest.skip("Debian's pgbackrest or postgresql-15 is not installed")

    def archives(made: Cluster) -> None:
        folder = made.workshop.folder
        for name in ("repo", "log", "lock", "spool", "base", "wal", "dumps", "space", "scratch", *INCOMING):
            (folder / name).mkdir()
            made.give(folder / name)
        (folder / "pgbackrest.conf").write_text(
            f"[global]\nrepo1-path={folder}/repo\nlog-path={folder}/log\nlock-path={folder}/lock\nspool-path={folder}/spool\n"
            f"start-fast=y\ncompress-level=0\n"
            f"[main]\npg1-path={made.data}\npg1-port={made.port}\npg1-socket-path={folder}\npg1-user=postgres\n"
        )
        (folder / "barman.conf").write_text(
            f"[barman]\nbarman_home = {folder}/barman\nbarman_user = {_user(made)}\nlog_file = {folder}/log/barman.log\n"
            f"configuration_files_directory = {folder}/none\npath_prefix = {DEBIAN}\n"
            f"[main]\ndescription = of a test\nconninfo = host={folder} port={made.port} user=postgres dbname=postgres\n"
            f"streaming_conninfo = host={folder} port={made.port} user=postgres dbname=postgres\n"
            f"backup_method = postgres\narchiver = on\nimmediate_checkpoint = true\n"
        )
        push = f"pgbackrest --config={folder}/pgbackrest.conf --stanza=main archive-push %p"
        made.configure(
            {
                "unix_socket_directories": str(folder),
                "archive_mode": "on",
                "archive_command": f"{push} && cp %p {folder}/wal/%f && cp %p {folder}/{INCOMING[-1]}/%f",
                "wal_level": "replica",
                # What a copy must not do again, or need.
                "shared_preload_libraries": "pg_stat_statements",
                "max_prepared_transactions": 3,
                # What it commits by itself after the last segment was handed over would be lost.
                "autovacuum_naptime": "1d",
            }
        )
        hba = made.data / "pg_hba.conf"
        hba.write_text("local all all trust\nlocal replication all trust\n" + hba.read_text())
        made.workshop.run(
            [made.runtime.bindir / "pg_checksums", "--enable", "-D", made.data],
            env=made.runtime.env(),
            cwd=folder,
            **made.owner,
        )

    with embedded.cluster(Runtime(DEBIAN), fast=True, purpose="test", prepare=archives) as made:
        folder = made.workshop.folder
        it = Kept(made, folder)
        it.stores = {
            "repo": {
                "tool": "pgbackrest",
                "stanza": "main",
                "command": ["pgbackrest", f"--config={folder}/pgbackrest.conf"],
            },
            "base": {"tool": "basebackup", "directory": "base", "wal_directory": "wal"},
            "dumps": {"tool": "pg_dump", "directory": "dumps"},
            "barman": {"tool": "barman", "server": "main", "command": ["barman", "-c", f"{folder}/barman.conf"]},
        }
        it.execute(
            f"create tablespace aside location '{folder}/space'",
            "create role keeper",
            "create table people (id int primary key, name text not null)",
            f"insert into people select g, 'person ' || g from generate_series(1, {ROWS}) as g",
            "create table aside (id int primary key) tablespace aside",
            "insert into aside select generate_series(1, 10)",
            "create table keyless (word text)",
            "insert into keyless select 'word' from generate_series(1, 10)",
            "grant select on people to keeper",
            "create sequence steps start 100",
            "select nextval('steps')",
            "create unlogged table fleeting (id int primary key)",
            "insert into fleeting select generate_series(1, 5)",
            "create table still (id int primary key)",
            "insert into still select generate_series(1, 10)",
            "vacuum people, still",  # else a first reader's hints log the pages again, and heal them in the copy
        )
        backrest = ["pgbackrest", f"--config={folder}/pgbackrest.conf", "--stanza=main"]
        it.run(*backrest, "stanza-create")
        it.run(*backrest, "backup", "--type=full")
        mapped = ("--tablespace-mapping", f"{folder}/space={folder}/base-space")
        made.tool("pg_basebackup", "-D", str(folder / "base" / "first"), "-X", "none", "-c", "fast", *mapped)
        made.tool("pg_dump", "-Fc", "-f", str(folder / "dumps" / "whole.dump"), "postgres")
        snapshot.take(made.dsn(), folder / "then.snapshot")
        it.archived()
        yield it
        it.execute("alter system set archive_command = '/bin/true'", "select pg_reload_conf()")  # to end at once


def _user(cluster: Cluster) -> str:
    return pwd.getpwuid(cluster.owner["user"] if cluster.owner else os.geteuid()).pw_name


def test_what_pgbackrest_keeps_comes_back(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(copies, "idle_cores", lambda: 0)
    repo = kept.stores["repo"]
    if kept.cluster.owner:  # by root, as who owns the repository
        repo = {**repo, "command": ["runuser", "-u", "nobody", "--", *repo["command"]]}  # type: ignore[misc]
    found = kept.drill("repo", own=repo, scratch=kept.folder / "scratch")
    assert (found.findings, found.like.unproved) == ([], [])
    assert found.passed
    assert found.rpo_seconds == 0.0  # nothing was committed since the last segment was handed over
    assert (found.like.tables, found.like.rows) == (4, ROWS + 30)
    assert found.checked == ["pgBackRest's checksums", "amcheck", "page checksums"]
    assert found.evidence["source_read"] == "after the backup was restored"
    assert found.like.notes == ["public.fleeting: is unlogged, and empty behind any recovery"]
    assert found.rto_seconds is not None
    assert found.rto_seconds > 0
    assert not list((kept.folder / "scratch").iterdir())


def _damage(backup: Path, *paths: str) -> None:
    """Pages of a backup, as if they had been damaged before it was taken: its manifest fits."""
    for path in paths:
        file = bytearray((backup / path).read_bytes())
        file[8000] ^= 0xFF
        (backup / path).write_bytes(file)
    _fit_manifest(backup, *paths)


def _fit_manifest(backup: Path, *paths: str) -> None:
    manifest = backup / "backup_manifest"
    told = manifest.read_text()
    for path in paths:
        entry = next(line for line in told.splitlines() if f'"{path}"' in line)
        sum_ = _crc32c((backup / path).read_bytes())
        told = told.replace(entry, entry.replace(json.loads(entry.rstrip(","))["Checksum"], sum_))
    body, _, _ = told.rpartition('"Manifest-Checksum"')
    manifest.write_text(f'{body}"Manifest-Checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n')


def _forge(kept: Kept, backup: Path, path: str, old: bytes, new: bytes) -> None:
    """Change a row of a backup where it lies, so that its page's checksum and the manifest fit."""
    before = (backup / path).read_bytes()
    assert before.count(old) == 1
    (backup / path).write_bytes(before.replace(old, new))
    control = copies.shut_down((backup / "global/pg_control").read_bytes())
    assert control
    end = next(n for n in range(64, 512, 4) if control[n : n + 4] == bytes.fromhex(_crc32c(control[:n])))
    without = (
        control[: end - 36] + bytes(4) + control[end - 32 : end]
    )  # data_checksum_version, the nonce, the file's own sum
    folder = backup.parent / "sums"
    (folder / "global").mkdir(parents=True)
    (folder / "pg_tblspc").mkdir()
    (folder / "base").symlink_to(backup / "base")
    (folder / "PG_VERSION").write_bytes((backup / "PG_VERSION").read_bytes())
    (folder / "global/pg_control").write_bytes(without + bytes.fromhex(_crc32c(without)) + control[end + 4 :])
    for place, _, names in os.walk(folder.parent):
        for name in ("", *names):
            kept.cluster.give(Path(place, name))
    kept.run(DEBIAN / "pg_checksums", "--enable", "--no-sync", "-D", folder)
    assert (backup / path).read_bytes() != before.replace(old, new)
    _fit_manifest(backup, path)


def test_pages_are_checked_beside_recovery_and_those_that_it_mends_are_sound(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
):
    """Of tablespaces, and of what is not compared, too; a page that is torn in the backup is written again from its WAL."""
    damaged = kept.copy_of("base")
    own = {**kept.stores["base"], "directory": damaged.name}
    (link,) = (damaged / "first/pg_tblspc").iterdir()
    link.unlink()
    shutil.copytree(kept.folder / "base-space", link)
    with kept.cluster.connect() as admin:
        asked = "select pg_relation_filepath('keyless'), pg_relation_filepath('aside'), oid from pg_database where datname = 'template1'"
        torn, aside, other = admin.execute(asked).fetchone()  # type: ignore[misc]
    kept.execute("alter system set full_page_writes = on", "select pg_reload_conf()", "checkpoint")
    kept.execute("update keyless set word = word", "alter system reset full_page_writes", "select pg_reload_conf()")
    kept.archived()
    said: list[str] = []
    end = copies.Copy.end

    def noted(copy, begun):  # type: ignore[no-untyped-def]
        done = end(copy, begun)
        said.extend([done.stderr] if begun in copy.pages else [])
        return done

    monkeypatch.setattr(copies.Copy, "end", noted)
    monkeypatch.setattr(copies, "idle_cores", lambda: 2)
    _damage(damaged / "first", torn)
    found = kept.drill("base", own=own)
    assert (found.findings, found.checked) == ([], ["manifest", "amcheck", "page checksums"])
    assert found.evidence["source_read"] == "while the backup was restored"
    _damage(damaged / "first", aside, unread := f"base/{other}/2619_fsm")
    found = kept.drill("base", own=own)
    assert any(
        f.startswith("page checksums: pg_checksums: error: checksum verification failed") for f in found.findings
    )
    assert len(said) == 2  # beside the rest, before the stopped copy was looked through
    assert all(f'/{path}"' in said[1] for path in (aside, unread))


def test_large_files_are_checked_by_who_reads_them(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """Tables by the server, also where a database would have it pass over what fails; all else, and without amcheck all, by pg_checksums."""
    monkeypatch.setattr(copies, "HELD_BYTES", 0)
    damaged = kept.copy_of("base")
    own = {**kept.stores["base"], "directory": damaged.name}
    with kept.cluster.connect() as admin:
        asked = "select pg_relation_filepath('still'), pg_relation_filepath('people'), oid from pg_database where datname = 'template1'"
        still, people, other = admin.execute(asked).fetchone()  # type: ignore[misc]
    kept.execute("alter database postgres set ignore_checksum_failure = on")
    kept.archived()
    try:
        _damage(damaged / "first", still)
        found = kept.drill("base", own=own)
    finally:
        kept.execute("alter database postgres reset ignore_checksum_failure")
        kept.archived()
    assert any(f.startswith("public.still: can't be read from the copy: invalid page") for f in found.findings), found
    assert any(f.startswith("amcheck: ") and "invalid page" in f for f in found.findings), found
    assert any("page checksums" in f and still in f for f in found.findings), found
    _damage(damaged / "first", still, unread := f"base/{other}/2619")  # the first is as it was
    found = kept.drill("base", own=own)
    assert [f for f in found.findings if "page checksums" in f and unread in f] == found.findings
    assert found.checked == ["manifest", "amcheck"]
    _damage(damaged / "first", unread, people)
    monkeypatch.setattr(Amcheck, "install", lambda amcheck, _dsn: amcheck.give_up())
    monkeypatch.setattr(likeness, "rows", lambda *_: None)
    found = kept.drill("base", own=own)
    assert any("page checksums" in f and people in f for f in found.findings), found


def test_amcheck_looks_at_what_pg_amcheck_does(kept: Kept):
    """And finds, in a table whose rows are all as they were, one that is not sound; of a catalog, too."""
    with kept.cluster.connect() as admin:
        admin.execute("create database checked")
    try:
        with kept.cluster.connect("checked") as session:
            session.execute("create table here (id int primary key, body text)")
            session.execute("create materialized view seen as select * from here")
            session.execute("create temporary table own (id int primary key)")
            amcheck = Amcheck("checked", deep=False)
            amcheck.install(kept.cluster.dsn("checked"))
            session.execute("begin")
            chunks = [content.Chunk(relation="here", first=0, end=None)]
            for errand in amcheck.errands(session, chunks):
                errand(session)
            assert not amcheck.whole
            amcheck.read(session, chunks[0])
            assert (amcheck.whole, amcheck.found) == (True, [])
            ours = {r.label for r in amcheck.relations}
        told = kept.cluster.tool("pg_amcheck", "--verbose", "-d", "checked").stderr
    finally:
        kept.execute("drop database checked with (force)")
    assert ours == set(re.findall(r'checking (?:heap table|btree index) "([^"]+)"', told))
    damaged = kept.copy_of("base")
    with kept.cluster.connect() as admin:
        asked = "select pg_relation_filepath('people'), pg_relation_filepath('pg_cast')"
        paths = dict(zip(("people", "pg_cast"), admin.execute(asked).fetchone() or (), strict=True))
    for name, path in paths.items():
        page = (damaged / "first" / path).read_bytes()[:8192]
        at = struct.unpack_from("=I", page, 24)[0] & 0x7FFF  # of the first row, as its line pointer tells
        row, attributes = page[at : at + 40], struct.unpack_from("=H", page, at + 18)[0]
        wrong = row[:18] + struct.pack("=H", attributes + 1) + row[20:]
        shutil.rmtree(damaged / "sums", ignore_errors=True)
        _forge(kept, damaged / "first", path, row, wrong)
        found = kept.drill("base", own={**kept.stores["base"], "directory": damaged.name})
        (one,) = (f for f in found.findings if f'{name}"' in f)
        assert re.search(
            r'^amcheck: heap table "postgres\.\w+\.\w+", block 0, offset 1: number of attributes \d+ exceeds maximum',
            one,
        )


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every table counts as a large one, of which no block is read by content."""
    monkeypatch.setattr(content, "CHUNK_BLOCKS", 0)
    monkeypatch.setattr(content, "BY_CONTENT", 2**40)
    return monkeypatch


def test_versions_are_not_asked_where_they_do_not_tell(kept: Kept, large: pytest.MonkeyPatch):
    """A row that was changed where it lies, its page's checksum and the manifest made to fit, is found by content alone."""
    damaged = kept.copy_of("base")
    own = {**kept.stores["base"], "directory": damaged.name}
    with kept.cluster.connect() as admin:
        (path,) = admin.execute("select pg_relation_filepath('people')").fetchone()  # type: ignore[misc]
    _forge(kept, damaged / "first", path, b"person 1234", b"person 4321")
    changed = ["public.people: of 2,000 rows, 1 changed (1234)"]
    for options in ({"deep": True}, {}):
        large.setattr(restore, "_TIMELINE", restore._TIMELINE if options else "select '00000009' as timeline")
        found = kept.drill("base", own=own, **options)
        assert (found.findings, found.by_version) == (changed, False), options
        assert found.evidence["large_tables"] == "by content"
    large.undo()
    found = kept.drill("base", own=own)
    assert (found.findings, found.by_version) == (changed, True)  # the table is small


def test_a_control_file_is_told_as_of_a_cluster_that_was_shut_down(kept: Kept, embedded_cluster: Cluster):
    for cluster in (kept.cluster, embedded_cluster):  # of several versions
        control = (cluster.data / "global/pg_control").read_bytes()
        assert copies.shut_down(control) != control
        assert copies.shut_down(control[:64] + b"x" + control[65:]) is None


def test_a_base_backup_to_a_point_in_time_while_the_source_goes_on(kept: Kept):
    kept.execute("insert into people values (0, 'before the point')")
    time.sleep(0.1)
    point = datetime.now(UTC)
    time.sleep(0.1)
    kept.execute(
        "update people set name = 'since' where id <= 5",
        "insert into people values (-1, 'since')",
        "delete from people where id = 6",
        "insert into keyless values ('since')",
        "create table since (id int primary key)",
    )
    kept.archived()
    try:
        found = kept.drill("base", until=point)
        assert (found.findings, found.like.unproved) == ([], [])
        assert found.passed
        assert found.like.since == {"public.people": 7, "public.keyless": 1}  # 0, 1..5 and -1
        assert any("public.people: 1 rows of the copy were deleted since" in n for n in found.like.notes)
        assert any("public.since" in n for n in found.like.notes)
        assert (found.rpo_seconds or 0) > 0
        found.promised = (None, 0.0)  # what is left behind by choice breaks no promise
        assert found.passed
        assert "manifest" in found.checked
    finally:
        kept.execute(
            "update people set name = 'person ' || id where id between 1 and 5",
            "delete from people where id < 1",
            "insert into people values (6, 'person 6')",
            "delete from keyless where word = 'since'",
            "drop table since",
        )
        kept.archived()


def test_a_source_that_is_read_before_the_restore_point(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """What came between the two is in the copy, and not in what was read of the source: neither lost nor uncompared."""
    begin, fetch = restore.Beside, copies.BaseBackup.restore
    begun: list[likeness.Beside] = []

    def noted(*arguments, **options):  # type: ignore[no-untyped-def]
        begun.append(begin(*arguments, **options))
        return begun[-1]

    def restored(*arguments):  # type: ignore[no-untyped-def]
        begun[0].wait()
        kept.execute(
            "create table late (id int primary key)",
            "insert into late values (1), (2)",
            "alter table still add column late int",
            "drop table aside",
            "update people set name = 'late' where id = 1",
            "select lo_create(4711)",
            "select nextval('steps')",
        )
        kept.archived()
        fetch(*arguments)

    monkeypatch.setattr(restore, "Beside", noted)
    monkeypatch.setattr(copies.BaseBackup, "restore", restored)
    try:
        found = kept.drill("base", elsewhere=True)
    finally:
        kept.execute(
            "drop table if exists late",
            "alter table still drop column if exists late",
            "create table if not exists aside (id int primary key) tablespace aside",
            "insert into aside select generate_series(1, 10) on conflict do nothing",
            "update people set name = 'person 1' where id = 1",
            "select lo_unlink(oid) from pg_largeobject_metadata",
        )
        kept.archived()
    assert (found.findings, found.like.unproved, found.like.since) == ([], [], {})
    assert found.passed
    assert (found.like.tables, found.like.rows) == (4, ROWS + 22)  # late, still, people, keyless
    assert found.like.notes == [
        "large objects were counted, not compared",
        "public.fleeting: is unlogged, and empty behind any recovery",
    ]
    assert found.evidence["source_read"] == "while the backup was restored"


def test_large_tables_are_compared_by_the_versions_of_their_rows(kept: Kept, large: pytest.MonkeyPatch):
    kept.execute("update people set name = name where id = 5", "vacuum freeze people")
    kept.archived()
    compare, digest = restore._compare, content._digest
    read: list[str] = []

    def tampered(copy, *arguments, **options):  # type: ignore[no-untyped-def]
        with psycopg.connect(copy.dsn(), autocommit=True) as session:
            session.execute("update people set name = 'somebody else' where id = 7")
            session.execute("delete from people where id = 8")
        compare(copy, *arguments, **options)

    def noted(table, *arguments):  # type: ignore[no-untyped-def]
        read.append(table.name)
        return digest(table, *arguments)

    large.setattr(content, "_digest", noted)
    found = kept.drill("base")
    assert (found.findings, found.like.rows) == ([], ROWS + 30)
    assert set(read) == {"public.fleeting"}  # which is empty there, and no large one
    assert found.evidence["large_tables"] == "by the versions of their rows, and a part by content"
    large.setattr(restore, "_compare", tampered)
    found = kept.drill("base", elsewhere=True, rows_up_to=ROWS // 2)  # of blocks that differ, not of the table
    assert found.findings == ["public.people: of 2,000 rows, 1 missing (8), 1 changed (7)"]
    assert set(read) == {"public.fleeting", "public.people"}


def test_a_table_that_was_rewritten_since_is_compared_by_content(kept: Kept, large: pytest.MonkeyPatch):
    kept.execute("delete from people where id = 1", "insert into people values (1, 'person 1')")
    kept.archived()
    with kept.cluster.connect() as admin:
        point = admin.execute("select clock_timestamp()").fetchone()[0]  # type: ignore[index]
    kept.execute("vacuum full people", "insert into people values (0, 'since')", "delete from people where id = 0")
    kept.archived()
    found = kept.drill("base", until=point, rows_up_to=ROWS // 2)
    assert found.by_version
    assert (found.findings, found.like.unproved, found.like.rows) == ([], [], ROWS + 30)


def test_partitions_that_came_or_went_since(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """Which one of the two databases doesn't have, or where they are tables of their own; unlogged ones hide no others."""
    kept.execute(
        "create table parts (id int primary key, v text) partition by range (id)",
        "create table parts_1 partition of parts for values from (0) to (1000)",
        "create table gone partition of parts for values from (1000) to (2000) tablespace aside",
        "create table detached partition of parts for values from (2000) to (3000)",
        "create unlogged table brief partition of parts for values from (3000) to (4000)",
        "create table attached (id int primary key, v text)",
        "create table bare (id int primary key) partition by range (id)",
        "insert into parts select g, 'v' from generate_series(1, 3100) as g",
        "insert into attached select g, 'v' from generate_series(5000, 5009) as g",
    )
    kept.archived()
    with kept.cluster.connect() as admin:
        (point,) = admin.execute("select clock_timestamp()").fetchone()  # type: ignore[misc]
        for _ in range(20):  # numbers that the copy gives out, too, when it is changed
            admin.execute("select pg_current_xact_id()")
    kept.execute(
        "create table made partition of parts for values from (4000) to (5000)",
        "insert into parts values (4000, 'since'), (4001, 'since')",
        "drop table gone",
        "alter table parts detach partition detached",
        "alter table parts attach partition attached for values from (5000) to (6000)",
        "update parts set v = 'since' where id in (3, 5000)",
    )
    kept.archived()
    compare = restore._compare

    def tampered(copy, *arguments, **options):  # type: ignore[no-untyped-def]
        with psycopg.connect(copy.dsn(), autocommit=True) as session:
            session.execute("update parts set v = 'somebody else' where id = 7")
            session.execute("delete from attached where id = 5008")
        compare(copy, *arguments, **options)

    try:
        found = kept.drill("base", until=point)
        assert (found.findings, found.like.unproved) == ([], [])
        # with the two of a new partition, and the hundred of the one that recovery leaves empty untold
        assert found.like.since == {"public.parts": 4}
        assert "public.parts: 1,000 rows of the copy were deleted since, as far as can be told" in found.like.notes
        assert "public.brief: is unlogged, and empty behind any recovery" in found.like.notes
        assert found.like.tables == 6  # bare and parts, beside the four
        monkeypatch.setattr(restore, "_compare", tampered)
        found = kept.drill("base", until=point)
        # with those of the detached one, which is compared where it lies
        assert found.findings == ["public.parts: of 2,011 rows, 1 missing (5008), 1 changed (7)"]
    finally:
        kept.execute("drop table parts, bare", "drop table if exists detached, attached, gone")
        kept.archived()


def test_a_database_of_no_known_encoding(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """Its names come as text; a key whose bytes are none can't be told, which is not the backup's fault."""
    kept.execute("create database bytes template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    try:
        with kept.cluster.connect("bytes") as session:
            session.execute("set client_encoding = utf8")
            session.execute("create table größe (name text primary key, v int)".encode())
            session.execute("insert into größe select 'größe ' || g, g from generate_series(1, 9) as g".encode())
            session.execute("create table raw (name text primary key)")
            session.execute(r"insert into raw values (E'\xff'), ('x')")
        kept.archived()
        compare = restore._compare

        def tampered(copy, *arguments, **options):  # type: ignore[no-untyped-def]
            with psycopg.connect(copy.dsn(), autocommit=True) as session:
                session.execute("update größe set v = 0 where v = 3".encode())
                session.execute("delete from raw where name = 'x'")
            compare(copy, *arguments, **options)

        def drill() -> Result:
            options = Options(store="base", account="nobody" if kept.cluster.owner else None)
            return restore.drill(kept.profile(), kept.cluster.dsn("bytes"), options=options)

        found = drill()
        assert (found.findings, found.like.unproved, found.like.tables) == ([], [], 2)
        monkeypatch.setattr(restore, "_compare", tampered)
        found = drill()
        assert found.findings == ['public."größe": of 9 rows, 1 changed (größe 3)']
        (told,) = found.like.unproved
        assert told.startswith("public.raw: could not be compared: invalid byte sequence for encoding")
    finally:
        kept.execute("drop database if exists bytes with (force)")
        kept.archived()


def test_where_the_source_is(kept: Kept):
    assert not restore._elsewhere(kept.cluster.dsn())
    assert not restore._elsewhere(f"host={kept.folder} port={kept.cluster.port} user=postgres dbname=postgres")


def test_what_a_copy_lacks_is_told_from_what_was_written_since(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    """A copy is changed behind the drill's back: its source's rows are older than the restore point, so it should have them."""
    compare = restore._compare

    def tampered(copy, *arguments, **options):  # type: ignore[no-untyped-def]
        with psycopg.connect(copy.dsn(), autocommit=True) as session:
            session.execute("update people set name = 'somebody else' where id = 7")
            session.execute("delete from people where id in (8, 9)")
            session.execute("insert into people values (-7, 'nobody')")
            session.execute("drop table aside")
            session.execute("create index on people (id desc)")
            # An index that is upside down, for amcheck.
            session.execute("update pg_index set indoption = '0' where indexrelid = 'people_id_idx'::regclass")
            reached = session.execute("show archive_mode"), session.execute("show listen_addresses")
            loaded = session.execute("show shared_preload_libraries"), session.execute("show max_wal_senders")
            seen.extend(cursor.fetchone()[0] for cursor in (*reached, *loaded))
        compare(copy, *arguments, **options)

    seen: list[str] = []
    monkeypatch.setattr(restore, "_compare", tampered)
    found = kept.drill("base", own=kept.stores["base"])
    assert seen == ["off", "", "", "0"]
    assert not found.passed
    assert found.findings == [
        "public.aside: the table is missing, with 10 rows",
        "public.people: of 2,000 rows, 2 missing (8, 9), 1 changed (7), 1 that the source doesn't have (-7)",
        "table public.aside: is missing",
        "index public.people_id_idx: the source has no such object",
        'amcheck: btree index "postgres.public.people_id_idx": item order invariant violated for index "people_id_idx"',
    ]


def test_a_damaged_file_is_found_by_the_manifest_and_a_damaged_page_without_one(kept: Kept):
    damaged = kept.copy_of("base")
    own = {**kept.stores["base"], "directory": damaged.name}
    with kept.cluster.connect() as admin:
        (path,) = admin.execute("select pg_relation_filepath('still')").fetchone()  # type: ignore[misc]
    file = damaged / "first" / path
    page = bytearray(file.read_bytes())
    page[8000] ^= 0xFF
    file.write_bytes(page)
    found = kept.drill("base", own=own)
    assert not found.passed
    assert len(found.findings) == 1
    assert "the backup is not what its manifest says" in found.findings[0]
    assert path in found.findings[0]
    assert found.rto_seconds is None
    # The manifest names the time; its sums are made to fit, as if the page had been damaged before it was backed up.
    manifest = damaged / "first" / "backup_manifest"
    told = manifest.read_text()
    entry = next(line for line in told.splitlines() if f'"{path}"' in line)
    parts = json.loads(entry.rstrip(","))
    fitting = entry.replace(parts["Checksum"], _crc32c(bytes(page)))
    told = told.replace(entry, fitting)
    body, _, _ = told.rpartition('"Manifest-Checksum"')
    manifest.write_text(f'{body}"Manifest-Checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n')
    found = kept.drill("base", own=own)
    assert not found.passed
    assert any(f.startswith("public.still: can't be read from the copy: invalid page") for f in found.findings), found
    assert any("page checksums" in f and path in f for f in found.findings), found


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_packed_tar_comes_back_and_a_damaged_one_is_found(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, meanwhile: bool
):
    """With its files held against the manifest when all are there, and each as soon as it is."""
    monkeypatch.setattr(copies, "HELD_BYTES", 64 * 1024 if meanwhile else 2**40)
    monkeypatch.setattr(copies, "idle_cores", lambda: 2)
    looked: list[str] = []
    verify, unpack = copies._begin_verify, copies.BaseBackup._unpack

    def noted(*arguments, ignoring, **options):  # type: ignore[no-untyped-def]
        looked.append(" ".join(ignoring))
        return verify(*arguments, ignoring=ignoring, **options)

    def slowly(*arguments):  # type: ignore[no-untyped-def]
        unpack(*arguments)
        time.sleep(0.2)

    monkeypatch.setattr(copies, "_begin_verify", noted)
    monkeypatch.setattr(copies.BaseBackup, "_unpack", slowly)
    with kept.cluster.connect() as admin:
        (path,) = admin.execute("select pg_relation_filepath('people')").fetchone()  # type: ignore[misc]
    folder = kept.folder / f"tar-{meanwhile}"
    folder.mkdir()
    kept.cluster.give(folder)
    own = {**kept.stores["base"], "directory": folder.name}
    made = folder / "packed"
    kept.cluster.tool("pg_basebackup", "-D", str(made), "-X", "none", "-c", "fast", "-Ft", "-z")
    kept.archived()
    found = kept.drill("base", own=own)
    assert (found.findings, found.like.tables, found.like.rows) == ([], 4, ROWS + 30)  # of a tablespace, too
    assert found.checked == ["manifest", "amcheck", "page checksums"]
    assert (path in looked.pop().split()) is meanwhile
    packed = made / "base.tar.gz"
    whole = packed.read_bytes()
    with gzip.open(packed) as tar:
        plain = tar.read()
    assert plain.count(b"person 1234") == 1
    packed.write_bytes(gzip.compress(plain.replace(b"person 1234", b"person 4321"), 1))
    found = kept.drill("base", own=own)
    assert len(found.findings) == 1, found.findings
    assert "the backup is not what its manifest says: checksum mismatch for file" in found.findings[0]
    assert path not in looked.pop().split()
    packed.write_bytes(whole[: len(whole) // 2] + b"\0" + whole[len(whole) // 2 + 1 :])
    found = kept.drill("base", own=own)
    assert len(found.findings) == 1, found.findings
    assert found.findings[0].startswith("tar ended with 2"), found.findings
    packed.write_bytes(whole[: len(whole) // 2])
    found = kept.drill("base", own=own)
    assert found.findings == [
        "tar ended with 2: gzip: stdin: unexpected end of file / tar: Error is not recoverable: exiting now"
    ]


def _crc32c(data: bytes) -> str:
    table = []
    for n in range(256):
        entry = n
        for _ in range(8):
            entry = (entry >> 1) ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    sum_ = 0xFFFFFFFF
    for byte in data:
        sum_ = (sum_ >> 8) ^ table[(sum_ ^ byte) & 0xFF]
    return (sum_ ^ 0xFFFFFFFF).to_bytes(4, "little").hex()


def test_no_file_is_left_out_of_the_parts(tmp_path: Path):
    files = {
        "base/1/11": 900,
        "base/1/11.1": 500,
        "base/1/11_vm": 5,
        "base/5/12": 400,
        "global/13": 3,
        "global/pg_control": 1,
    }
    for name, size in (files | {"PG_VERSION": 1, "pg_wal/1": 9, "aside/PG_15/5/14": 700}).items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"x" * size)
    (tmp_path / "data/pg_tblspc").mkdir()
    (tmp_path / "data/pg_tblspc/99").symlink_to(tmp_path / "data/aside")
    parts = copies.parts(tmp_path / "data", tmp_path / "parts", 2)
    held = [{str(f.relative_to(p)): f.stat().st_size for f in p.rglob("*") if f.is_file()} for p in parts]
    both = {"PG_VERSION", "global/pg_control"}
    assert held[0].keys() & held[1].keys() == both
    assert held[0] | held[1] == files | {"PG_VERSION": 1, "pg_tblspc/99/PG_15/5/14": 700}
    assert abs(sum(held[0].values()) - sum(held[1].values())) < 200


def test_a_missing_segment_is_named(kept: Kept):
    lost = kept.archived()
    kept.execute("update people set name = 'late' where id = 1")
    kept.archived()
    kept.execute("update people set name = 'person 1' where id = 1")
    last = kept.archived()
    (kept.folder / "wal" / lost).rename(kept.folder / lost)
    try:
        found = kept.drill("base", own=kept.stores["base"])
    finally:
        (kept.folder / lost).rename(kept.folder / "wal" / lost)
    assert len(found.findings) == 1
    assert f"though WAL was archived up to {last}: {lost} is missing" in found.findings[0]


def test_a_dump_is_compared_with_the_snapshot_of_its_moment_and_a_poor_one_fails(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
):
    # What libpq would heed beside a socket's name: the copy's sessions must not be led to a server that is there.
    for name, value in {"PGHOSTADDR": "127.0.0.1", "PGPORT": str(kept.cluster.port), "PGSSLMODE": "require"}.items():
        monkeypatch.setenv(name, value)
    found = kept.drill("dumps", backup="whole.dump", snapshot=kept.folder / "then.snapshot")
    assert (found.findings, found.passed, found.like.rows) == ([], True, ROWS + 35)
    assert not [
        said for said in (*found.checked, *found.like.notes) if "checksums" in said
    ]  # of pages that no dump holds
    packed = kept.folder / "dumps" / "whole.dump.zst"
    kept.run("zstd", "-q", str(kept.folder / "dumps" / "whole.dump"), "-o", str(packed))
    found = kept.drill("dumps", backup=packed.name, snapshot=kept.folder / "then.snapshot")
    assert (found.findings, found.like.rows) == ([], ROWS + 35)
    poor = kept.folder / "dumps" / "poor.sql"
    kept.cluster.tool("pg_dump", "-f", str(poor), "-T", "public.aside", "postgres")
    poor.write_text(poor.read_text().replace("person 17\n", "person x\n"))
    found = kept.drill("dumps", backup="poor.sql")
    assert not found.passed
    assert "public.aside: the table is missing, with 10 rows" in found.findings
    assert any("1 changed (17)" in f for f in found.findings), found.findings
    # Cut off in the middle, as a full disk leaves it: it is not among the good ones.
    poor.write_text(poor.read_text()[:-200])
    with pytest.raises(DrillError, match=r"no good backup poor\.sql"):
        kept.drill("dumps", backup="poor.sql")


def test_incremental_base_backups_are_put_together(embedded_cluster: Cluster, embedded_database: Database):
    """Of PostgreSQL 17 and later; each as its manifest says."""
    made, folder = embedded_cluster, embedded_cluster.workshop.folder / "increments"
    (folder / "base").mkdir(parents=True)
    (folder / "space").mkdir()
    for place in (folder, folder / "base", folder / "space"):
        made.give(place)
    with made.connect() as admin:
        admin.execute("alter system set summarize_wal = on")
        admin.execute("select pg_reload_conf()")
        admin.execute(f"create tablespace increments location '{folder}/space'".encode())
    try:
        embedded_database.run("create table kept tablespace increments as select generate_series(1, 3000) as id")

        def take(name: str, *options: str) -> None:
            mapped = f"{folder}/space={folder}/base-{name}"
            made.tool(
                "pg_basebackup", "-X", "fetch", "-c", "fast", "-D", f"{folder}/base/{name}", "-T", mapped, *options
            )

        def drill(name: str) -> Result:
            stores = {"base": {"tool": "basebackup", "directory": "base"}}
            source = profiles.Source(profile=Profile.model_validate({"name": "kept", "backups": stores}), folder=folder)
            options = Options(store="base", backup=name, account="nobody" if made.owner else None)
            return restore.drill(source, embedded_database.dsn(), options=options)

        take("first")
        embedded_database.run("delete from kept where id > 2990; create table second as select 1 as id")
        take("second", f"--incremental={folder}/base/first/backup_manifest")
        embedded_database.run("insert into kept values (0)")
        take("third", "-Ft", "-z", f"--incremental={folder}/base/second/backup_manifest")
        found = drill("third")
        assert (found.findings, found.like.rows, found.passed) == ([], 2992, True)
        with made.connect(embedded_database.name) as session:
            (path,) = session.execute("select pg_relation_filepath('kept')").fetchone()  # type: ignore[misc]
        file = folder / "base/first" / path
        data = bytearray(file.read_bytes())
        data[8000] ^= 0xFF
        file.write_bytes(data)
        damaged = drill("third").findings
        assert len(damaged) == 1
        assert f'the backup is not what its manifest says: checksum mismatch for file "{path}"' in damaged[0]
    finally:
        with made.connect() as admin:
            admin.execute("alter system reset summarize_wal")
            admin.execute("select pg_reload_conf()")
        embedded_database.run("drop table if exists kept")
        with made.connect() as admin:
            admin.execute("drop tablespace increments")
        shutil.rmtree(folder)


def test_what_barman_keeps_comes_back(kept: Kept):
    if shutil.which("barman") is None:
        pytest.skip("Debian's barman is not installed")
    barman = ["barman", "-c", f"{kept.folder}/barman.conf"]
    kept.run(*barman, "archive-wal", "main")
    kept.run(*barman, "backup", "main")

    def gaps(store: dict[str, object] = kept.stores["barman"]) -> set[str]:
        profile = kept.profile(barman=store).profile
        return found_in(ask("operations/wal-gap", kept.cluster.dsn(), profile=profile, folder=kept.folder))

    # What was handed over waits for Barman's next round: it is there, and on its way. For an hour, it is not.
    coming = kept.folder / INCOMING[-1] / kept.archived()
    assert coming.is_file()
    assert gaps() == set()
    # On a machine of its own Barman lists what is in its catalog alone.
    away = kept.folder / "barman-away"
    away.write_text(f'#!/bin/sh\n{" ".join(barman)} "$@" | sed \'s#main/wals"#elsewhere"#\'\n')
    away.chmod(0o755)
    remote = {**kept.stores["barman"], "command": [str(away)]}
    assert gaps(remote) == set()
    hour = time.time() - 3600
    os.utime(coming, (hour, hour))
    for status in (kept.cluster.data / "pg_wal/archive_status").iterdir():
        os.utime(status, (hour, hour))
    assert (gaps(), gaps(remote)) == ({"barman"}, {"barman"})
    kept.run(*barman, "archive-wal", "main")
    found = kept.drill("barman", own=kept.stores["barman"])
    assert (found.findings, found.passed) == ([], True)
    assert found.checked == ["manifest", "amcheck", "page checksums"]
    newest = max((kept.folder / "barman/main/wals").rglob("0*[0-9A-F]"))
    kept.archived()
    aside = newest.rename(kept.folder / "aside")
    assert gaps() == {"barman"}  # what is on its way doesn't hide it
    kept.run(*barman, "archive-wal", "main")
    assert gaps(remote) == {"barman"}  # its catalog lists what lies there no longer
    aside.rename(newest)
    assert gaps(remote) == set()
    # Behind a gap every moment can be reached from the next backup on, not from the newest alone.
    for _ in range(2):
        kept.run(*barman, "backup", "main")
        kept.archived()
        kept.run(*barman, "archive-wal", "main")
    newest.rename(aside)
    store = barman_store.read(barman, "main", 2**24)
    system = store.backups[0].system_identifier
    _, second, _ = store.good(system)
    assert store.recoverable_from(system, None) == second
    aside.rename(newest)


def test_what_cannot_be_done_is_said_in_one_sentence(kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(DrillError, match="--store elsewhere: the profile declares repo, base, dumps, barman"):
        kept.drill("elsewhere")
    with pytest.raises(
        DrillError, match="nothing to restore: there is no good backup of this cluster from before 2020"
    ):
        kept.drill("base", until=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(DrillError, match="a dump leads to no other moment"):
        kept.drill("dumps", until=datetime(2100, 1, 1, tzinfo=UTC))
    with pytest.raises(DrillError, match="there is no such folder"):
        kept.drill("base", scratch=tmp_path / "none")
    monkeypatch.setattr(restore.shutil, "disk_usage", lambda _place: shutil._ntuple_diskusage(2**30, 2**30 - 9, 9))  # type: ignore[attr-defined]
    with pytest.raises(DrillError, match=r"the copy needs about .* GB, and 0.0 GB are free there"):
        kept.drill("base")


def test_what_is_not_the_backups_fault_is_no_finding(kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    going = kept.copy_of("base")
    own = {**kept.stores["base"], "directory": going.name}
    cp = tmp_path / "cp"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for script, said in {
        "echo 'cp: error writing: No space left on device' >&2": "no room was left for the copy, so nothing was proved",
        f"rm -r {going}/first/base": "base first was removed or changed while it was restored, so nothing was proved",
    }.items():
        cp.write_text(f"#!/bin/sh\n{script}\nexit 1\n")
        cp.chmod(0o755)
        with pytest.raises(DrillError, match=said):
            kept.drill("base", own=own)


def test_a_cluster_whose_template_is_closed(kept: Kept):
    kept.execute("alter database template1 with allow_connections false")
    kept.archived()
    try:
        found = kept.drill("base")
    finally:
        kept.execute("alter database template1 with allow_connections true")
        kept.archived()
    assert (found.findings, found.passed) == ([], True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_stays_of_a_drill_that_is_ended(kept: Kept, tmp_path: Path, number: signal.Signals):
    scratch = kept.folder / "scratch"
    (tmp_path / "readiness.yaml").write_text(
        f"name: kept\nbackups:\n  base: {{tool: basebackup, directory: {kept.folder}/base, wal_directory: {kept.folder}/wal}}\n"
    )
    running = stage.start(
        *("drill", "restore", "-d", kept.cluster.dsn(), "--evidence", tmp_path / "e.db", "--scratch", scratch),
        env=stage.environment(tmp_path),
        cwd=tmp_path,
    )
    try:
        said = stage.eventually(lambda: list(scratch.glob("*/data/postmaster.pid")), 60)
        server = stage.eventually(lambda: said[0].read_text().split()[:1])[0]
        running.send_signal(number)
        code = running.wait(30)
    finally:
        running.kill()
        running.communicate()
    assert stage.eventually(lambda: not list(scratch.iterdir()), 30)
    assert stage.eventually(lambda: not Path(f"/proc/{server}").exists(), 20)
    assert code == {signal.SIGKILL: -9, signal.SIGINT: 130}[number]
    assert not (tmp_path / "e.db").exists()
