"""Backups, by pgBackRest and by pg_basebackup, of a real cluster that archives its WAL: each way in which they fail silently."""

from __future__ import annotations

import bz2
import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import stage
from asking import NOW, ask, checks, found
from conftest import DEBIAN
from readiness import embedded
from readiness.embedded import Cluster, Runtime
from readiness.facts.backups import Backup, Backups, Segment, Store, basebackups, pgbackrest
from readiness.facts.backups.store import branches
from readiness.facts.backups.wal_files import segment_in
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import Examined, Reason, Unknown, Unseen
from readiness.profile import Profile

CHECKS = ("operations/backup-outdated", "operations/wal-gap", "operations/recovery-window-short")


@dataclass(frozen=True)
class Kept:
    """A cluster, its stanza, and a folder of base backups."""

    cluster: Cluster
    configuration: Path
    folder: Path

    def pgbackrest(self, *words: str) -> None:
        self.cluster.workshop.run(
            ["pgbackrest", f"--config={self.configuration}", "--stanza=main", *words],
            env={"PATH": "/usr/bin:/bin", "PGPASSWORD": self.cluster.password, "HOME": str(self.folder)},
            cwd=self.folder,
            **self.cluster.owner,
        )

    def archive_by(self, command: str) -> None:
        with self.cluster.connect() as admin:
            admin.execute(f"alter system set archive_command = '{command}'".encode())
            admin.execute("select pg_reload_conf()")

    def finish_segments(self, count: int) -> None:
        """Fill and hand over so many segments."""
        with self.cluster.connect() as admin:
            admin.execute("create table if not exists written (i int)")
            for _ in range(count):
                admin.execute("insert into written values (1)")
                admin.execute("create temp table switched as select pg_walfile_name(pg_switch_wal()) as name")
                done = "select last_archived_wal >= name from switched, pg_stat_archiver"
                assert stage.eventually(lambda: admin.execute(done).fetchone() == (True,), 20)  # noqa: B023
                admin.execute("drop table switched")

    def profile(self, **targets: float) -> Profile:
        return Profile.model_validate(
            {
                "name": "kept",
                "targets": {"recovery_window_days": 0.000001, **targets},
                "backups": {
                    "repo": {
                        "tool": "pgbackrest",
                        "stanza": "main",
                        "command": ["pgbackrest", f"--config={self.configuration}"],
                    },
                    "base": {"tool": "basebackup", "directory": "base", "wal_directory": "wal"},
                },
            }
        )

    def outcomes(self, dsn: str | None = None, **targets: float) -> dict[str, object]:
        return {
            c: ask(c, dsn or self.cluster.dsn(), profile=self.profile(**targets), folder=self.folder) for c in CHECKS
        }


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    if shutil.which("pgbackrest") is None or not (DEBIAN / "postgres").exists():
        pytest.skip("Debian's pgbackrest or postgresql-15 is not installed")

    def archives(made: Cluster) -> None:
        folder = made.workshop.folder
        for name in ("repo", "log", "lock", "spool", "base", "wal"):
            (folder / name).mkdir()
            made.give(folder / name)
        (folder / "pgbackrest.conf").write_text(
            f"[global]\nrepo1-path={folder}/repo\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=of-a-test\n"
            f"log-path={folder}/log\nlock-path={folder}/lock\nspool-path={folder}/spool\nstart-fast=y\n"
            f"log-level-console=warn\ncompress-level=0\n"
            f"[main]\npg1-path={made.data}\npg1-port={made.port}\npg1-socket-path={folder}\npg1-user=postgres\n"
        )
        made.configure(
            {
                "unix_socket_directories": str(folder),
                "archive_mode": "on",
                "archive_command": _both(folder),
                "wal_level": "replica",
                "max_wal_senders": 5,
            }
        )

    with embedded.cluster(Runtime(DEBIAN), fast=True, purpose="test", prepare=archives) as made:
        it = Kept(made, made.workshop.folder / "pgbackrest.conf", made.workshop.folder)
        it.pgbackrest("stanza-create")
        it.pgbackrest("backup", "--type=full")
        it.pgbackrest("backup", "--type=incr")
        made.tool("pg_basebackup", "-D", str(it.folder / "base" / "first"), "-X", "none", "-c", "fast")
        it.finish_segments(2)
        yield it


def _both(folder: Path) -> str:
    push = f"pgbackrest --config={folder}/pgbackrest.conf --stanza=main archive-push %p"
    return f"{push} && cp %p {folder}/wal/%f"


def test_sound_backups_pass(kept: Kept):
    for check, outcome in kept.outcomes().items():
        assert isinstance(outcome, Examined), (check, outcome)
        assert (outcome.examined, found(outcome)) == (2, set()), (check, outcome)
    unencrypted = ask("operations/backup-unencrypted", kept.cluster.dsn(), profile=kept.profile(), folder=kept.folder)
    assert isinstance(unencrypted, Unknown)
    assert [u.subject for u in unencrypted.unseen] == ["base"]


def test_a_backup_from_last_week_and_a_window_too_short(kept: Kept, tmp_path: Path):
    late = kept.outcomes(recovery_window_days=7)["operations/recovery-window-short"]
    assert found(late) == {"repo", "base"}  # type: ignore[arg-type]
    # The manifest's own times: a fresh copy of an old backup is old.
    shutil.copytree(kept.folder / "base", tmp_path / "base")
    manifest = tmp_path / "base" / "first" / "backup_manifest"
    told = json.loads(manifest.read_text())
    for file in told["Files"]:
        then = datetime.strptime(file["Last-Modified"], "%Y-%m-%d %H:%M:%S GMT").replace(tzinfo=UTC)
        file["Last-Modified"] = f"{then - timedelta(days=7):%Y-%m-%d %H:%M:%S} GMT"
    manifest.write_text(json.dumps(told))
    old = ask("operations/backup-outdated", kept.cluster.dsn(), profile=kept.profile(), folder=tmp_path)
    assert found(old) == {"base"}
    for spoil, said in (
        (lambda: manifest.write_text(json.dumps(told)[:-2000]), "its backup_manifest is cut off, or none"),
        (manifest.unlink, "it has no backup_manifest, which comes last: it was broken off"),  # as a full disk ends it
    ):
        spoil()
        broken = ask("operations/backup-outdated", kept.cluster.dsn(), profile=kept.profile(), folder=tmp_path)
        assert isinstance(broken, Examined)
        assert [o.evidence["failed"] for o in broken.findings if o.subject == "base"] == [1]
        assert said in str(next(o.remedy for o in broken.findings if o.subject == "base"))


def test_a_base_backup_lacks_a_file_or_the_end_of_one(kept: Kept, tmp_path: Path):
    def wrong(folder: Path) -> str | None:
        (backup,) = basebackups.read(folder.parent, None, 2**24).backups
        return backup.wrong

    plain = tmp_path / "plain" / "first"
    shutil.copytree(kept.folder / "base" / "first", plain)
    assert wrong(plain) is None
    # As `pg_basebackup -R` leaves it, whose manifest was written before.
    with (plain / "postgresql.auto.conf").open("a") as settings:
        settings.write("primary_conninfo = 'host=primary'\n")
    assert wrong(plain) is None
    file = max((plain / "base").rglob("*"), key=lambda f: f.stat().st_size)
    whole = file.read_bytes()
    file.write_bytes(whole[:-8192])
    assert str(file.relative_to(plain)) in (wrong(plain) or "")
    file.unlink()
    assert str(file.relative_to(plain)) in (wrong(plain) or "")
    made = kept.folder / "tars" / "first"
    kept.cluster.tool("pg_basebackup", "-D", str(made), "-X", "none", "-c", "fast", "-Ft")
    assert wrong(made) is None
    tar, packed = made / "base.tar", made / "base.tar.gz"
    data = tar.read_bytes()
    tar.write_bytes(data[:-20_000_000])
    assert "is cut off" in (wrong(made) or "")
    tar.unlink()
    assert "base.tar is missing" in (wrong(made) or "") or "are missing" in (wrong(made) or "")
    for content, said in (
        (gzip.compress(data, 0), None),
        (b"", "is cut off"),
        (b"no archive of any kind", "is cut off"),
    ):
        packed.write_bytes(content)
        assert (wrong(made) is None) if said is None else said in (wrong(made) or "")
    shutil.rmtree(made.parent)


def test_an_incremental_base_backup_needs_the_one_below(embedded_cluster: Cluster, monkeypatch: pytest.MonkeyPatch):
    """Of PostgreSQL 17 and later."""
    folder = embedded_cluster.workshop.folder / "incremental"
    folder.mkdir()
    embedded_cluster.give(folder)
    with embedded_cluster.connect() as admin:
        admin.execute("alter system set summarize_wal = on")
        admin.execute("select pg_reload_conf()")
    try:
        take = ("pg_basebackup", "-X", "none", "-c", "fast", "-D")
        embedded_cluster.tool(*take, str(folder / "full"))
        manifest = str(folder / "full" / "backup_manifest")
        embedded_cluster.tool(*take, str(folder / "next"), f"--incremental={manifest}")
        taken = basebackups.read(folder, None, 2**24)
        system = taken.backups[0].system_identifier
        full, incremental = taken.good(system)
        assert (full.kind, incremental.kind, incremental.prior) == ("full", "incr", "full")
        embedded_cluster.tool(*take, str(folder / "packed"), "-Ft", f"--incremental={manifest}")
        tar = (folder / "packed" / "base.tar").rename(folder / "base.tar")
        for program, suffix in (("gzip", ".gz"), ("zstd", ".zst")):
            packed = subprocess.run([program, "-qc", tar], capture_output=True, check=True).stdout
            for before in (folder / "packed").glob("base.tar*"):
                before.unlink()
            (folder / "packed" / f"base.tar{suffix}").write_bytes(packed)
            assert [b.prior for b in basebackups.read(folder, None, 2**24).good(system)] == [None, "full", "full"]
        monkeypatch.setenv("PATH", "")
        bare = basebackups.read(folder, None, 2**24)
        assert [b.label for b in bare.good(system)] == ["full", "next"]
        assert "not installed" in (bare.backups[-1].unread or "")
        shutil.rmtree(folder / "full")
        assert basebackups.read(folder, None, 2**24).good(system) == ()
    finally:
        shutil.rmtree(folder)
        with embedded_cluster.connect() as admin:
            admin.execute("alter system reset summarize_wal")
            admin.execute("select pg_reload_conf()")


def test_a_backup_of_another_cluster_is_none_of_ours(kept: Kept, embedded_cluster: Cluster):
    outcome = kept.outcomes(embedded_cluster.dsn())["operations/backup-outdated"]
    assert isinstance(outcome, Examined)
    assert found(outcome) == {"repo", "base"}
    assert {o.evidence["of_another_cluster"] for o in outcome.findings} == {1, 2}


def test_who_can_not_tell_whose_backups_they_are_does_not_know(kept: Kept):
    bare = kept.cluster.dsn(user="looker", password="bare-role-of-a-test")
    with kept.cluster.connect() as admin:
        admin.execute("create role looker login password 'bare-role-of-a-test'")
        admin.execute("revoke execute on function pg_control_system() from public")
    for check, outcome in kept.outcomes(bare).items():
        assert isinstance(outcome, Unknown), check
        assert {u.reason for u in outcome.unseen} == {Reason.NO_PERMISSION}, check
    with kept.cluster.connect() as admin:
        admin.execute("grant execute on function pg_control_system() to looker")
    for check, outcome in kept.outcomes(bare).items():
        assert found(outcome) == set(), check  # type: ignore[arg-type]
    with kept.cluster.connect() as admin:
        admin.execute("grant execute on function pg_control_system() to public")


def test_what_pgbackrest_lists_has_to_lie_there(kept: Kept):
    """Its catalog is a file of its own: who removed a backup's folder, to make room, left it listed."""
    (full,) = (p for p in (kept.folder / "repo" / "backup" / "main").iterdir() if p.name.endswith("F"))
    away = full.rename(kept.folder / "away")
    outcome = kept.outcomes()["operations/backup-outdated"]
    away.rename(full)
    assert found(outcome) == {"repo"}  # type: ignore[arg-type]
    assert isinstance(outcome, Examined)
    assert "its files are gone" in str(outcome.findings[0].remedy)
    assert found(kept.outcomes()["operations/backup-outdated"]) == set()  # type: ignore[arg-type]


def test_a_store_that_can_not_be_asked_is_unknown(kept: Kept, tmp_path: Path):
    profile = kept.profile().model_copy(
        update={
            "backups": {
                name: store.model_copy(update=change)
                for (name, store), change in zip(
                    kept.profile().backups.items(), ({"stanza": "other"}, {"directory": "gone"}), strict=True
                )
            }
        }
    )
    for check in (*CHECKS, "operations/backup-unencrypted"):
        outcome = ask(check, kept.cluster.dsn(), profile=profile, folder=tmp_path)
        assert isinstance(outcome, Unknown), check
        assert {u.subject for u in outcome.unseen} == {"repo", "base"}
        undeclared = ask(check, kept.cluster.dsn())
        none = Profile.model_validate({"name": "kept", "backups": {}})
        assert found(ask(check, kept.cluster.dsn(), profile=none)) == ({"backups"} if check in CHECKS else set())
        assert isinstance(undeclared, Unknown)
        assert undeclared.reason is Reason.NOT_CONFIGURED


def test_an_incremental_backup_without_the_one_below_is_nothing(kept: Kept):
    target = Target(profile=kept.profile(), folder=kept.folder, now=NOW)
    with closing(Postgres(kept.cluster.dsn())) as session:
        backups = Backups.take(session, target)
    store = backups.stores["repo"]
    assert not isinstance(store, Exception)
    full, incr = store.good(backups.system_identifier)
    assert (full.kind, incr.kind, incr.prior, store.encrypted) == ("full", "incr", full.label, True)
    orphaned = type(store)(encrypted=True, backups=(incr,), archived=store.archived)
    assert orphaned.good(backups.system_identifier) == ()


def _by(program: str, data: bytes) -> bytes:
    return subprocess.run([program, "-qc"], input=data, capture_output=True, check=True).stdout


def test_how_far_wal_should_reach_is_not_known(kept: Kept):
    """Behind a crash, which takes the statistics along, and on a standby."""
    with kept.cluster.connect() as admin:
        admin.execute("select pg_stat_reset_shared('archiver')")
    outcome = kept.outcomes()["operations/wal-gap"]
    assert isinstance(outcome, Unknown)
    assert {u.reason for u in outcome.unseen} == {Reason.INSUFFICIENT_SAMPLES}
    target = Target(profile=kept.profile(), folder=kept.folder, now=NOW)
    with closing(Postgres(kept.cluster.dsn())) as session:
        seen = replace(Backups.take(session, target), standby=True)

    def answers(replayed: Segment | None, stores: Mapping[str, Store] = {}) -> list[object]:
        given = replace(seen, replayed=replayed, stores=stores or seen.stores)
        said = checks()["operations/wal-gap"].ask(backups=given)
        return [a.reason if isinstance(a, Unseen) else a.ok for a in said]  # type: ignore[union-attr]

    assert answers(None) == [Reason.WRONG_ROLE] * 2
    # What a standby has replayed its primary had finished: as far as that lies there, all does.
    stores = {name: store for name, store in seen.stores.items() if isinstance(store, Store) and store.archived}
    newest = max((s for store in stores.values() for s in store.archived or ()), key=lambda s: s.number)
    assert answers(newest) == [True] * 2
    assert answers(replace(newest, number=newest.number + 2)) == [Reason.WRONG_ROLE] * 2, "they may be on their way"
    holed = {
        name: replace(s, archived=(s.archived or frozenset()) - {replace(newest, number=newest.number - 1)})
        for name, s in stores.items()
    }
    assert answers(replace(newest, number=newest.number + 2), holed) == [False] * 2
    # What a backup leaves as the last thing handed over tells it, too.
    with kept.cluster.connect() as admin:
        admin.execute("select pg_backup_start('of a test', true)")
        admin.execute("select pg_backup_stop(false)")
        told = "select last_archived_wal like '%.backup' from pg_stat_archiver"
        assert stage.eventually(lambda: admin.execute(told).fetchone() == (True,), 20)
    assert found(kept.outcomes()["operations/wal-gap"]) == set()  # type: ignore[arg-type]
    kept.finish_segments(1)
    assert found(kept.outcomes()["operations/wal-gap"]) == set()  # type: ignore[arg-type]


def test_a_segment_that_is_missing_is_named(kept: Kept):
    segments = sorted(f for f in (kept.folder / "wal").iterdir() if len(f.name) == 24)
    away = segments[-2].rename(kept.folder / segments[-2].name)
    outcome = kept.outcomes()["operations/wal-gap"]
    away.rename(segments[-2])
    whole = segments[-2].read_bytes()
    segments[-2].write_bytes(whole[: len(whole) // 2])  # as a full disk leaves it
    short = kept.outcomes()["operations/wal-gap"]
    assert found(short) == {"base"}  # type: ignore[arg-type]
    for unusable in (bytes(len(whole)), segments[-1].read_bytes()):  # what was never flushed; another one's bytes
        segments[-2].write_bytes(unusable)
        assert found(kept.outcomes()["operations/wal-gap"]) == {"base"}  # type: ignore[arg-type]
    # Packed, it has to be whole, of its own place, and of a segment's size when it is unpacked.
    segments[-2].unlink()
    for suffix, pack in (
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".lz4", lambda data: _by("lz4", data)),
        (".zst", lambda data: _by("zstd", data)),
    ):
        file = segments[-2].with_suffix(suffix)
        for data, missing in (
            (pack(whole), set()),
            (pack(whole)[:-300], {"base"} if suffix != ".bz2" else None),  # has no mark of its end at a known place
            (bytes(1000), {"base"}),
            (b"", {"base"}),
            (pack(bytes(len(whole))), {"base"} if suffix != ".zst" else None),  # which can't be looked into
            (pack(whole[: len(whole) // 2]), {"base"} if suffix == ".gz" else None),
        ):
            if missing is None:
                continue
            file.write_bytes(data)
            assert (segment_in(file, len(whole)) is None) == bool(missing), (suffix, len(data))
        file.unlink()
    file.write_bytes(pack(whole)[:-300])
    assert found(kept.outcomes()["operations/wal-gap"]) == {"base"}  # type: ignore[arg-type]
    file.write_bytes(pack(whole))
    assert found(kept.outcomes()["operations/wal-gap"]) == set()  # type: ignore[arg-type]
    file.unlink()
    segments[-2].write_bytes(whole)
    assert isinstance(outcome, Examined)
    assert [(o.subject, o.evidence["missing"], o.evidence["first_missing"]) for o in outcome.findings] == [
        ("base", 1, segments[-2].name)
    ]
    (pushed,) = (kept.folder / "repo").rglob(f"{segments[-2].name}-*")
    sealed = pushed.read_bytes()
    pushed.write_bytes(b"")
    empty = kept.outcomes()["operations/wal-gap"]
    assert found(empty) == {"repo"}  # type: ignore[arg-type]
    bare = pushed.rename(pushed.with_suffix(""))  # as with compress-type=none
    bare.write_bytes(bytes(len(whole) // 2))
    assert found(kept.outcomes()["operations/wal-gap"]) == {"repo"}  # type: ignore[arg-type]
    bare.write_bytes(bytes(len(whole) + 32))
    assert found(kept.outcomes()["operations/wal-gap"]) == set()  # type: ignore[arg-type]
    bare.rename(pushed)
    pushed.write_bytes(sealed)
    assert found(kept.outcomes()["operations/wal-gap"]) == set()  # type: ignore[arg-type]


def test_a_command_that_kept_nothing_for_a_while_leaves_a_gap_that_no_one_else_tells(kept: Kept):
    kept.archive_by("/bin/true")
    kept.finish_segments(2)
    # While it lasts, the server believes to have archived what lies nowhere.
    assert found(kept.outcomes()["operations/wal-gap"]) == {"repo", "base"}  # type: ignore[arg-type]
    kept.archive_by(_both(kept.folder).replace("'", "''"))
    kept.finish_segments(1)
    outcome = kept.outcomes()["operations/wal-gap"]
    assert isinstance(outcome, Examined)
    assert {(o.subject, o.evidence["missing"]) for o in outcome.findings} == {("repo", 2), ("base", 2)}
    # From no backup can every moment up to now be had: how far back they lie doesn't help.
    window = kept.outcomes()["operations/recovery-window-short"]
    assert isinstance(window, Examined)
    assert [(o.subject, o.evidence["reaches_back_days"]) for o in window.findings] == [("repo", 0.0), ("base", 0.0)]
    with kept.cluster.connect() as admin:  # green all the while
        assert admin.execute("select failed_count from pg_stat_archiver").fetchone() == (0,)
    # What mends it: a new full backup, and the old ones gone.
    kept.pgbackrest("backup", "--type=full", "--repo1-retention-full=1")
    shutil.rmtree(kept.folder / "base" / "first")
    kept.cluster.tool("pg_basebackup", "-D", str(kept.folder / "base" / "second"), "-X", "none", "-c", "fast")
    kept.finish_segments(1)
    assert found(kept.outcomes()["operations/wal-gap"]) == set()  # type: ignore[arg-type]
    assert found(kept.outcomes()["operations/recovery-window-short"]) == set()  # type: ignore[arg-type]


@contextmanager
def standby_of(kept: Kept) -> Iterator[Kept]:
    """One that hands over into a folder of its own once it is promoted; the base backups lie beside it."""
    folder = kept.folder / "promoted"
    for made in (folder, folder / "wal", folder / "lost"):
        made.mkdir()
        kept.cluster.give(made)
    shutil.copytree(kept.folder / "base", folder / "base")
    standby = replace(kept.cluster, data=folder / "data", port=kept.cluster.workshop.port(), process=None)
    kept.cluster.tool("pg_basebackup", "-D", str(standby.data), "-c", "fast", "--no-sync", "-R")
    standby.configure({"port": standby.port})
    standby.start()
    try:
        it = Kept(standby, kept.configuration, folder)
        it.archive_by(f"cp %p {folder}/wal/%f")
        yield it
    finally:
        standby.stop()
        shutil.rmtree(folder)


def test_wal_that_was_lost_at_a_promotion(kept: Kept):
    """The primary handed nothing over any more, and died: its standby hands over from its own timeline on."""
    with standby_of(kept) as standby:
        folder = standby.folder
        own = standby.profile().model_copy(update={"backups": {"base": standby.profile().backups["base"]}})

        def gaps(check: str = "operations/wal-gap") -> set[str] | Reason:
            outcome = ask(check, standby.cluster.dsn(), profile=own, folder=folder)
            return outcome.reason if isinstance(outcome, Unknown) else found(outcome)

        def segments(timeline: int) -> list[Path]:
            return sorted(f for f in (folder / "wal").glob(f"{timeline:08X}*") if len(f.name) == 24)

        kept.finish_segments(2)
        for file in (kept.folder / "wal").iterdir():
            shutil.copy2(file, folder / "wal")
        _promote(kept.cluster, standby.cluster)
        lost = segments(1)[-2:]
        assert gaps() == Reason.INSUFFICIENT_SAMPLES, "a history file, or a part: how far that leads is not known"
        for file in lost:
            file.rename(folder / "lost" / file.name)
        assert gaps() == {"base"}
        standby.finish_segments(2)
        assert gaps() == gaps("operations/recovery-window-short") == {"base"}
        for file in lost:  # the dead primary still has them
            (folder / "lost" / file.name).rename(file)
        assert gaps() == gaps("operations/recovery-window-short") == set()
        history = folder / "wal" / "00000002.history"
        for file in (segments(2)[0], history):
            away = file.rename(folder / "lost" / file.name)
            assert gaps() == gaps("operations/recovery-window-short") == {"base"}, file.name
            away.rename(file)
        text = history.read_bytes()
        history.write_bytes(b"")
        assert gaps() == {"base"}
        history.unlink()
        (packed := history.with_name(f"{history.name}.gz")).write_bytes(gzip.compress(text))
        assert gaps() == set()
        packed.unlink()
        history.write_bytes(b"what it says can't be read")
        assert gaps() == set()
        lost[-1].unlink()
        segments(2)[0].unlink()
        assert gaps() == {"base"}, "where one timeline ends and the next begins is enough"


def _promote(primary: Cluster, standby: Cluster) -> None:
    """Once it has all that the primary has; until it has handed something over."""
    with standby.connect() as admin:
        reached = f"select pg_last_wal_replay_lsn() >= '{_position(primary)}'"
        assert stage.eventually(lambda: admin.execute(reached.encode()).fetchone() == (True,), 20)
        admin.execute("select pg_promote()")
        done = "select last_archived_wal is not null from pg_stat_archiver"
        assert stage.eventually(lambda: admin.execute(done).fetchone() == (True,), 20)


def test_what_pgbackrest_has_of_a_timeline(kept: Kept):
    history = kept.cluster.data / "pg_wal" / "00000002.history"
    history.write_text("1\t0/30000A0\tno recovery target specified\n")
    kept.cluster.give(history)
    try:
        kept.pgbackrest("archive-push", str(history))
        (pushed,) = (kept.folder / "repo").rglob(history.name)
        assert pushed.read_bytes() != history.read_bytes(), "it is enciphered there"
        words = ("pgbackrest", f"--config={kept.configuration}")
        store = pgbackrest.read(words, "main", 2**24, None)
        assert store.histories == {2}
        assert store.branches == {2: Segment(timeline=1, number=3)}
        pushed.unlink()
        assert pgbackrest.read(words, "main", 2**24, None).histories == set()
    finally:
        history.unlink()


def _position(cluster: Cluster) -> str:
    with cluster.connect() as admin:
        row = admin.execute("select pg_current_wal_lsn()::text").fetchone()
        assert row is not None
        return str(row[0])


def test_a_timeline_that_left_before_the_backup_is_no_way_of_its():
    segment = 2**24
    assert branches(3, "1\t0/3000028\tno recovery target\n\n2\t0/5000000\tnone\n", segment) == {
        2: Segment(timeline=1, number=3),
        3: Segment(timeline=2, number=5),
    }
    assert branches(2, "# nothing\n7\t0/1\tnone", segment) == {}, "it can't come from a later one"

    def on(timeline: int, *numbers: int) -> frozenset[Segment]:
        return frozenset(Segment(timeline=timeline, number=n) for n in numbers)

    backup = Backup(
        label="b",
        kind="full",
        prior=None,
        stopped_at=NOW,
        wrong=None,
        system_identifier=None,
        wal=(Segment(timeline=1, number=8), Segment(timeline=1, number=8)),
        size_bytes=1,
    )
    store = Store(
        encrypted=None,
        backups=(backup,),
        archived=on(1, 3, 4, 5, 6, 7, 8, 9) | on(2, 3, 5),
        branches={2: Segment(timeline=1, number=3)},
        histories=frozenset(),
    )
    assert store.gaps(backup, None) == []
    assert store.lost_histories(backup) == []
    assert store.gaps(None, None) == [Segment(timeline=2, number=4)]
    later = replace(store, branches={2: Segment(timeline=1, number=11)}, archived=on(1, 8, 9) | on(2, 11, 12))
    assert store.gaps(backup, Segment(timeline=1, number=10)) == [Segment(timeline=1, number=10)]
    assert later.gaps(backup, None) == [Segment(timeline=1, number=10)]
    assert replace(later, branches={}).gaps(backup, None) == [Segment(timeline=1, number=10)]
    assert later.lost_histories(backup) == ["00000002.history"]


def test_what_is_on_its_way_hides_no_gap_before_it():
    def segments(*numbers: int) -> list[Segment]:
        return [Segment(timeline=1, number=n) for n in numbers]

    store = Store(encrypted=None, backups=(), archived=frozenset(segments(1, 2, 4)), settles=True)
    (last, since) = segments(6, 3)
    assert store.gaps(None, last, since) == segments(3)
    assert store.gaps(None, last, segments(6)[0]) == segments(3, 5)
    assert store.gaps(None, last) == segments(3, 5, 6)
    assert replace(store, settles=False).gaps(None, last, since) == segments(3, 5, 6)
