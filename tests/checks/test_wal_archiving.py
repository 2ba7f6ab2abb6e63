"""WAL archiving on a server whose archiver works, fails, is stuck, keeps nothing, or was never switched on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from asking import ask
from conftest import Database
from readiness import embedded
from readiness.embedded import Cluster
from readiness.facts.archiving import Means, means_of
from readiness.model import Examined, Observation, Outcome, Reason, Unknown
from readiness.profile import Profile
from stage import eventually

CHECK = "operations/wal-archiving-failing"


def _where_it_is_kept(database: Database, folder: Path) -> None:
    """How far the stream was written has to lie in the store, too: one that is kept elsewhere is none of its."""
    cluster, home = database.cluster, folder.parent / "kept"
    for made in (home, home / "base", home / "wal"):
        made.mkdir()
        cluster.give(made)
    cluster.tool("pg_basebackup", "-D", str(home / "base" / "one"), "-X", "none", "-c", "fast")

    def gap(wal: str, dsn: str = "") -> Outcome:
        store = {"tool": "basebackup", "directory": "base", "wal_directory": wal}
        profile = Profile.model_validate({"name": "t", "backups": {"base": store}})
        return ask("operations/wal-gap", dsn or database.dsn(), profile=profile, folder=home)

    def written(count: int) -> None:
        for _ in range(count):
            switch(cluster)
        reached = "select write_lsn >= pg_current_wal_lsn() from pg_stat_replication"
        assert eventually(lambda: shown(cluster, reached) is True)

    try:
        written(2)
        assert only(gap("../received")).ok
        for file in folder.iterdir():
            shutil.copy2(file, home / "wal")
        assert only(gap("wal")).ok
        written(2)
        assert only(gap("../received")).ok
        assert not only(gap("wal")).ok
        with cluster.connect() as admin:
            admin.execute("revoke pg_monitor from " + database.bare_role)  # type: ignore[arg-type]
        unseen = gap("../received", database.bare_dsn())
        assert isinstance(unseen, Unknown)
        assert "pg_monitor" in str(unseen.unseen[0].unlock)
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def archiving() -> Iterator[Cluster]:
    """A server of our own that archives: what is set here holds for all of its databases."""
    with embedded.cluster(settings={"archive_mode": "on"}, fast=True, purpose="test") as made:
        with made.connect() as admin:
            admin.execute("create role looker login password 'bare-role-of-a-test'")
        yield made


def looked(cluster: Cluster, **parameters: str | int) -> Outcome:
    """What the superuser is told, which a bare role must be told too."""
    outcome = ask(CHECK, cluster.dsn(), parameters=parameters)
    as_bare = ask(CHECK, cluster.dsn(user="looker", password="bare-role-of-a-test"), parameters=parameters)
    assert type(as_bare) is type(outcome)
    if isinstance(outcome, Examined) and isinstance(as_bare, Examined):
        assert [o.ok for o in as_bare.observations] == [o.ok for o in outcome.observations]
    return outcome


def only(outcome: Outcome) -> Observation:
    assert isinstance(outcome, Examined), outcome
    (observation,) = outcome.observations
    return observation


def archive_with(cluster: Cluster, command: str) -> None:
    with cluster.connect() as admin:
        admin.execute(f"alter system set archive_command = '{command}'".encode())
        admin.execute("select pg_reload_conf()")
        admin.execute("select pg_stat_reset_shared('archiver')")
    assert eventually(lambda: shown(cluster, "show archive_command") == command)
    switch(cluster)


def switch(cluster: Cluster) -> None:
    """Finish a segment with something in it."""
    with cluster.connect() as admin:
        admin.execute("create table if not exists written (n int)")
        admin.execute("insert into written values (1)")
        admin.execute("select pg_switch_wal()")


def shown(cluster: Cluster, query: str) -> object:
    with cluster.connect() as admin:
        row = admin.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_the_archiver_from_its_first_day_to_its_recovery(archiving: Cluster):
    assert only(looked(archiving)).remedy == (
        "Set archive_command by the backup tool's manual; until then WAL piles up, and the disk fills."
    )

    archive_with(archiving, "/bin/true %p")
    assert eventually(lambda: shown(archiving, "select archived_count > 0 from pg_stat_archiver"))
    assert "keeps nothing" in str(only(looked(archiving)).remedy)
    with archiving.connect() as admin:
        admin.execute("alter system set archive_command = 'test %p = never || true'")
        admin.execute("select pg_reload_conf()")
    assert eventually(lambda: "takes a success at its word" in str(only(looked(archiving)).remedy))

    archive_with(archiving, "test %p = never")
    assert eventually(lambda: shown(archiving, "select failed_count > 0 from pg_stat_archiver"))
    failing = only(looked(archiving))
    assert not failing.ok
    assert failing.evidence["archived"] == 0
    wal = shown(archiving, "select last_failed_wal from pg_stat_archiver")
    assert str(wal) in str(failing.remedy)

    folder = archiving.workshop.folder / "archive"
    folder.mkdir()
    archiving.give(folder)
    with archiving.connect() as admin:
        admin.execute(f"alter system set archive_command = 'cp %p {folder}/%f'".encode())
        admin.execute("select pg_reload_conf()")
    switch(archiving)
    mended = "select coalesce(last_archived_time > last_failed_time, false) from pg_stat_archiver"
    assert eventually(lambda: shown(archiving, mended), 90)
    healthy = only(looked(archiving))
    assert healthy.ok
    assert int(str(healthy.evidence["failed"])) >= 1, "the failures of its life are remembered, and don't count"
    assert list(folder.iterdir())


@pytest.mark.parametrize(
    ("command", "means"),
    [
        ("cp %p /dev/null", Means.NO_OP),
        ("exit 0;", Means.NO_OP),
        ("true # cp '%p' /archive/%f", Means.NO_OP),
        ("sh -c 'exit 0'", Means.NO_OP),
        ("bash -c true", Means.NO_OP),
        ("cp %p /dev/null || push %p", Means.NO_OP),
        ("/usr/bin/env true", Means.NO_OP),
        ("/bin/true && true", Means.NO_OP),
        ("/bin/true || push %p", Means.NO_OP),
        ("exit 0; push %p", Means.NO_OP),
        ("echo %p >> /var/log/wal", Means.NO_OP),
        ("test -f %p", Means.NO_OP),
        ("[ -f %p ]", Means.NO_OP),
        ("cat %p > /dev/null", Means.NO_OP),
        ("gzip -c %p > /dev/null 2>&1", Means.NO_OP),
        ("gzip < %p > /dev/null", Means.NO_OP),
        ("dd if=%p of=/dev/null bs=1M", Means.NO_OP),
        ("push %p || echo failed", Means.MUTE),
        ("push %p; logger archived", Means.MUTE),
        ("push %p || exit 0 # never mind", Means.MUTE),
        ("push %p || (echo failed; exit 1)", Means.COMMAND),
        ("push %p || { logger failed; false; }", Means.COMMAND),
        ("set -e; push %p; echo archived", Means.COMMAND),
        ("push %p && echo archived", Means.COMMAND),
        ("push %p; exit $?", Means.COMMAND),
        ("cat %p > /archive/%f 2> /dev/null", Means.COMMAND),
        ("gzip -c %p > /archive/%f.gz 2>/dev/null", Means.COMMAND),
        ("push %p # to the share", Means.COMMAND),
        ("push '#1' %p", Means.COMMAND),
        ("push %p || true", Means.MUTE),
        ("push %p; exit 0", Means.MUTE),
        ('sh -c "push %p || /bin/true"', Means.MUTE),
        ("push %p &", Means.MUTE),
        ("push %p 2>&1 | logger -t wal", Means.MUTE),
        ("set -o pipefail; push %p 2>&1 | logger -t wal", Means.COMMAND),
        ("test ! -f /archive/%f && cp %p /archive/%f", Means.COMMAND),
        ("push %p > /dev/null 2>&1", Means.COMMAND),
        ('gzip -c %p | ssh host "cat > /archive/%f.gz"', Means.COMMAND),
    ],
)
def test_a_command_that_cannot_fail_or_takes_no_segment(command: str, means: Means):
    assert means_of(command) is means


def test_an_archiver_that_waits_for_ever_is_named(archiving: Cluster):
    archive_with(archiving, "true; # then what follows waits")
    assert eventually(lambda: shown(archiving, "select archived_count > 0 from pg_stat_archiver"))
    go = archiving.workshop.folder / "go"
    with archiving.connect() as admin:
        admin.execute(f"alter system set archive_command = 'until test -e {go}; do sleep 0.1; done'".encode())
        admin.execute("select pg_reload_conf()")
    try:
        switch(archiving)
        switch(archiving)
        assert eventually(lambda: int(str(only(looked(archiving)).evidence["behind_segments"])) >= 2)
        assert only(looked(archiving)).ok, "it may just be slow"
        stalled = only(looked(archiving, stalled_seconds=0))
        assert not stalled.ok
        assert "neither succeeds nor fails" in str(stalled.remedy)
    finally:
        go.touch()
    assert eventually(lambda: only(ask(CHECK, archiving.dsn(), parameters={"stalled_seconds": 0})).ok)


def test_an_archiver_that_waits_from_the_first_segment_on_is_named(archiving: Cluster):
    go = archiving.workshop.folder / "later"
    archive_with(archiving, f"until test -e {go}; do sleep 0.1; done")
    try:
        waits = "select exists (select from pg_ls_archive_statusdir() as s where s.name ~ 'ready$')"
        assert eventually(lambda: shown(archiving, waits))
        assert isinstance(looked(archiving), Unknown), "it may just be slow"
        stalled = only(ask(CHECK, archiving.dsn(), parameters={"stalled_seconds": -1}))
        assert not stalled.ok
        assert "neither succeeds nor fails" in str(stalled.remedy)
        weak = ask(
            CHECK, archiving.dsn(user="looker", password="bare-role-of-a-test"), parameters={"stalled_seconds": -1}
        )
        assert isinstance(weak, Unknown)
        assert "grant pg_monitor to looker;" in str(weak.unlock)
        with archiving.connect() as admin:
            admin.execute("grant pg_monitor to looker")
        assert not only(looked(archiving, stalled_seconds=-1)).ok
    finally:
        go.touch()
        with archiving.connect() as admin:
            admin.execute("revoke pg_monitor from looker")
    assert eventually(lambda: shown(archiving, "select archived_count > 0 from pg_stat_archiver"))
    assert only(looked(archiving)).ok


def test_what_waits_for_an_archiver_makes_pg_wal_grow(archiving: Cluster):
    def oversized(dsn: str = "") -> Outcome:
        return ask("operations/oversized-wal", dsn or archiving.dsn())

    with archiving.connect() as admin:
        admin.execute("alter system set max_wal_size = '48MB'")
        admin.execute("alter system set min_wal_size = '32MB'")
    archive_with(archiving, "test %p = never")
    with archiving.connect() as admin:
        admin.execute("checkpoint")
    assert only(oversized()).ok
    for _ in range(8):
        switch(archiving)
    swollen = only(oversized())
    assert not swollen.ok
    assert int(str(swollen.evidence["waiting_for_the_archiver"])) >= 6
    weak = ask("operations/oversized-wal", archiving.dsn(user="looker", password="bare-role-of-a-test"))
    assert isinstance(weak, Unknown)
    assert weak.reason is Reason.NO_PERMISSION
    archive_with(archiving, "test %p != never")
    assert eventually(
        lambda: shown(
            archiving,
            "select pg_walfile_name(pg_current_wal_lsn()) > last_archived_wal "
            "and not exists (select from pg_ls_archive_statusdir() as s where s.name ~ 'ready$') from pg_stat_archiver",
        )
    )

    def shrunk() -> bool:
        with archiving.connect() as admin:
            admin.execute("checkpoint")
        return only(oversized()).ok

    assert eventually(shrunk)


def test_what_was_never_tried_is_unknown(archiving: Cluster):
    with archiving.connect() as admin:
        admin.execute("select pg_stat_reset_shared('archiver')")
    unknown = looked(archiving)
    assert isinstance(unknown, Unknown)
    assert unknown.reason is Reason.INSUFFICIENT_SAMPLES
    assert "pg_switch_wal" in str(unknown.unlock)


def test_a_standby_says_to_ask_its_primary(archiving: Cluster):
    signal_file = archiving.data / "standby.signal"
    archiving.stop()
    signal_file.touch()
    archiving.give(signal_file)
    archiving.start()
    try:
        unknown = looked(archiving)
        assert isinstance(unknown, Unknown)
        assert unknown.reason is Reason.WRONG_ROLE
    finally:
        archiving.stop()
        signal_file.unlink()
        archiving.start()


def test_an_archiver_that_waits_behind_a_history_file_is_named(archiving: Cluster):
    """A promotion hands that over first, which tells no place in the log."""
    go, signal_file = archiving.workshop.folder / "go on", archiving.data / "standby.signal"
    until = f'until test -e "{go}"; do sleep 0.1; done'
    with archiving.connect() as admin:
        admin.execute(f"alter system set archive_command = 'case %f in *.history) ;; *) {until};; esac'".encode())
    archiving.stop()
    signal_file.touch()
    archiving.give(signal_file)
    archiving.start()
    try:
        with archiving.connect() as admin:
            admin.execute("select pg_stat_reset_shared('archiver')")
            admin.execute("select pg_promote()")
        handed = "select coalesce(last_archived_wal like '%.history', false) from pg_stat_archiver"
        assert eventually(lambda: shown(archiving, handed))
        switch(archiving)
        assert only(looked(archiving)).ok, "it may just be slow"
        assert eventually(lambda: not only(ask(CHECK, archiving.dsn(), parameters={"stalled_seconds": 0})).ok)
        bare = archiving.dsn(user="looker", password="bare-role-of-a-test")
        weak = ask(CHECK, bare, parameters={"stalled_seconds": 0})
        assert isinstance(weak, Unknown)
        assert weak.reason is Reason.NO_PERMISSION
    finally:
        go.touch()
    assert eventually(lambda: not shown(archiving, handed))
    assert eventually(lambda: only(ask(CHECK, archiving.dsn(), parameters={"stalled_seconds": 0})).ok)


def test_off_is_a_finding(database: Database):
    for dsn in (database.dsn(), database.bare_dsn()):
        off = only(ask(CHECK, dsn))
        assert not off.ok
        assert "archive_mode = on" in str(off.remedy)


def test_off_is_a_finding_on_other_versions(older_cluster: Cluster):
    assert not only(ask(CHECK, older_cluster.dsn())).ok


def test_a_managed_service_archives_out_of_sight(database: Database):
    with database.connect() as admin:
        admin.execute("create role rds_superuser")
    try:
        unknown = ask(CHECK, database.dsn())
        assert isinstance(unknown, Unknown)
        assert unknown.reason is Reason.NOT_OBSERVABLE
        assert "Amazon" in unknown.detail
    finally:
        with database.connect() as admin:
            admin.execute("drop role rds_superuser")


def test_a_stream_can_be_the_archive(debian_database: Database):
    """pg_receivewal keeps WAL without an archiver; who can't see its name says so."""
    database, cluster = debian_database, debian_database.cluster
    folder = cluster.workshop.folder / "received"
    folder.mkdir()
    cluster.give(folder)
    with cluster.connect() as admin:
        admin.execute("create role receiver login replication password 'of-a-test'")
    received = cluster.workshop.start(
        [
            cluster.runtime.bindir / "pg_receivewal",
            "-D",
            folder,
            "-d",
            cluster.dsn(user="receiver", password="of-a-test"),
            *("-s", "1"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **cluster.runtime.env()},
        cwd=folder,
        **cluster.owner,
    )
    try:
        assert eventually(lambda: only(ask(CHECK, database.dsn())).ok)
        as_bare = ask(CHECK, database.bare_dsn())
        assert isinstance(as_bare, Unknown)
        assert as_bare.reason is Reason.NO_PERMISSION
        with psycopg.connect(database.dsn(), autocommit=True) as admin:
            admin.execute(str(as_bare.unlock).encode())
        assert only(ask(CHECK, database.bare_dsn())).ok
        assert not only(ask(CHECK, database.dsn(), parameters={"receivers": "another"})).ok, "a standby is no archive"
        _where_it_is_kept(database, folder)
    finally:
        cluster.workshop.stop(received)
        with cluster.connect() as admin:
            admin.execute("drop role receiver")
