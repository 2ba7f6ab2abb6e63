"""The evidence store loses nothing: not to a crowd, not to damage, not to a full disk; and it serves the audit, not the reverse."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import stage
from conftest import Database
from readiness import history
from readiness.facts.drills import DrillRecord
from readiness.history import OutcomeRecord, RunRecord, StoreError, open_store

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def run(name: str, **own: Any) -> RunRecord:
    fields: dict[str, Any] = {
        "id": name,
        "target": "p",
        "system_identifier": "abc",
        "started_at": NOW,
        "finished_at": NOW + timedelta(seconds=1),
        "decision": "NO-GO",
        "score": "50/3",
        "ceiling": "100",
        "coverage": "50",
        "policy_sha256": "p",
        "checkset_sha256": "c",
        "partial": False,
        "document": {"id": name, "checks": ["ü🙂"], "n": 1.5},
    }
    return RunRecord(**(fields | own))


OUTCOME = OutcomeRecord(check_id="schema/a", status="partial", credit="2/3", examined=3, outcome={"findings": ["x"]})


def drill(name: str, **own: Any) -> DrillRecord:
    fields: dict[str, Any] = {
        "id": name,
        "kind": "restore",
        "target": "p",
        "system_identifier": "abc",
        "taken_at": NOW,
        "expires_at": NOW + timedelta(days=31),
        "passed": True,
        "evidence": {"seconds": 4.5, "rows": 12},
    }
    return DrillRecord(**(fields | own))


def ids(path: Path) -> list[str]:
    store = open_store(path, now=NOW)
    try:
        return sorted(r.id for r in store.runs("p", limit=10_000))
    finally:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "evidence.db"


@pytest.fixture
def kept(path: Path) -> Path:
    """A store with a run and a drill in it."""
    store = open_store(path, now=NOW)
    store.save_run(run("first"), [OUTCOME])
    store.save_drill(drill("d"))
    store.close()
    return path


def test_what_is_kept_comes_back(path: Path):
    store = open_store(path, now=NOW)
    assert (store.notes, store.read_only) == ((), False)
    records = [run("a"), run("b", started_at=NOW + timedelta(hours=1)), run("c", target="other")]
    for record in records:
        store.save_run(record, [OUTCOME, replace(OUTCOME, check_id="schema/b", credit=None)])
    assert store.runs("p") == [records[1], records[0]]
    assert store.runs("p", limit=1) == [records[1]]
    assert [o.check_id for o in store.outcomes("a")] == ["schema/a", "schema/b"]
    assert store.outcomes("a")[0] == OUTCOME
    store.save_run(run("a", decision="GO"), [])
    assert [r.decision for r in store.runs("p")] == ["NO-GO", "GO"]
    assert store.outcomes("a") == []
    store.save_drill(drill("x"))
    assert store.drills("p") == [drill("x")]
    store.close()


def test_only_its_owner_may_read_it(path: Path):
    before = os.umask(0)
    try:
        store = open_store(path, now=NOW)
        store.save_run(run("a"), [])
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert "evidence.db-wal" in modes
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


# -- a crowd ---------------------------------------------------------------------------------------------------

WRITER = """
import pickle, sys
from dataclasses import replace
from pathlib import Path
from readiness.history import open_store
path, who, times, given = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4])
now, run, outcome = pickle.loads(given)
print('ready', flush=True)
sys.stdin.readline()
for n in range(times):
    store = open_store(path, now=now)
    store.save_run(replace(run, id=f'{who}-{n}'), [outcome])
    for note in store.notes:
        print(note)
    store.close()
"""


def crowd(path: Path, *, writers: int = 8, times: int) -> list[str]:
    """So many processes that open the store and write at the same moment; what they noted."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(n), str(times), pickle.dumps((NOW, run("x"), OUTCOME)).hex()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(writers)
    ]
    for p in processes:
        assert p.stdout is not None
        assert p.stdout.readline() == "ready\n"
    for p in processes:
        assert p.stdin is not None
        p.stdin.write("\n")
        p.stdin.flush()
    notes = []
    for p in processes:
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
        notes += out.splitlines()
    return notes


def test_a_crowd_loses_nothing_and_a_damaged_file_is_put_aside_once(path: Path):
    """Eight at once: on no file, then on that file, then on what damage left of it."""
    assert crowd(path, times=10) == []
    assert ids(path) == sorted(f"{who}-{n}" for who in range(8) for n in range(10))
    damaged = os.urandom(50_000)
    path.write_bytes(damaged)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    notes = crowd(path, times=3)
    assert ids(path) == sorted(f"{who}-{n}" for who in range(8) for n in range(3))
    aside = list(path.parent.glob("*.corrupt-*"))
    assert [p.read_bytes() for p in aside] == [damaged]
    assert len(notes) == 1
    assert aside[0].name in notes[0]


def test_a_writer_waits_for_another(path: Path):
    open_store(path, now=NOW).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")

    def write() -> None:
        store = open_store(path, now=NOW)
        store.save_run(run("late"), [])
        store.close()

    waiting = threading.Thread(target=write)
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    other.execute("commit")
    waiting.join()
    other.close()
    assert ids(path) == ["late"]


def test_a_writer_that_is_killed_in_the_middle_leaves_no_half_run(kept: Path):
    child = os.fork()
    if child == 0:
        store = open_store(kept, now=NOW)
        with store._writing() as db:
            db.execute(
                "insert into runs select 'half', target, null, '', '', '', '', '', '', '', '', 0, '{}' from runs"
            )
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert ids(kept) == ["first"]
    store = open_store(kept, now=NOW)
    store.save_run(run("second"), [])
    assert store.notes == ()
    store.close()
    assert ids(kept) == ["first", "second"]


# -- damage ----------------------------------------------------------------------------------------------------


def grown(path: Path) -> None:
    store = open_store(path, now=NOW)
    for n in range(40):
        store.save_run(run(f"r{n}", document={"text": "x" * 3000}), [OUTCOME])
    store.close()


def flipped(raw: bytes) -> bytes:
    """The second page's header, and more behind it."""
    return raw[:4096] + bytes(b ^ 0x5A for b in raw[4096:9000]) + raw[9000:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"this is no database " * 500,
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:4096],
        lambda raw: raw[:50],
        flipped,
        lambda raw: b"\0" * len(raw),
        lambda raw: raw[:16] + os.urandom(84) + raw[100:],
    ],
    ids=["no database", "half", "one page", "half a header", "a page", "zeroes", "the header"],
)
def test_a_damaged_store_is_put_aside_whole_and_a_new_one_begun(path: Path, damage: Callable[[bytes], bytes]):
    grown(path)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    store = open_store(path, now=NOW)
    (note,) = store.notes
    aside = path.with_name("evidence.db.corrupt-20261122T123000Z")
    assert aside.name in note
    assert aside.read_bytes() == damaged
    assert store.runs("p") == []
    store.save_run(run("new"), [OUTCOME])
    store.close()
    assert ids(path) == ["new"]


def test_a_second_damage_does_not_take_the_place_of_the_first(path: Path):
    for n in range(3):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"damage %d " % n * 300)
        open_store(path, now=NOW).close()
    kept_aside = sorted(path.parent.glob("*.corrupt-*"))
    assert {p.read_bytes()[:8] for p in kept_aside} == {b"damage 0", b"damage 1", b"damage 2"}


def test_an_empty_file_is_a_new_store(path: Path):
    path.parent.mkdir()
    path.touch()
    store = open_store(path, now=NOW)
    store.save_run(run("a"), [])
    store.close()
    assert ids(path) == ["a"]


# -- somebody else's, or a newer one ---------------------------------------------------------------------------


def test_another_programs_database_is_left_alone(path: Path):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("create table theirs (n int)")
        other.execute("insert into theirs values (7)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's database"):
        open_store(path, now=NOW)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*corrupt*"))


def test_one_of_a_newer_version_is_read_and_not_written(kept: Path):
    with sqlite3.connect(kept) as newer:
        newer.execute(f"pragma user_version = {history.VERSION + 98}")
    newer.close()
    store = open_store(kept, now=NOW)
    assert store.read_only
    assert ["written by a newer version" in note for note in store.notes] == [True]
    assert [r.id for r in store.runs("p")] == ["first"]
    assert store.drills("p") == [drill("d")]
    for write in (lambda: store.save_run(run("x"), []), lambda: store.save_drill(drill("x"))):
        with pytest.raises(StoreError, match="newer version"):
            write()
    store.close()
    with sqlite3.connect(kept) as looked:
        assert looked.execute("select count(*) from runs").fetchone() == (1,)
    looked.close()


def test_a_link_is_not_followed(kept: Path, tmp_path: Path):
    link = tmp_path / "link.db"
    link.symlink_to(kept)
    before = kept.read_bytes()
    with pytest.raises(StoreError, match="symbolic link"):
        open_store(link, now=NOW)
    assert kept.read_bytes() == before


@pytest.mark.parametrize("where", ["a folder", "under a file", "under no folder that can be"])
def test_where_there_can_be_no_store(tmp_path: Path, where: str):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    path = {"a folder": tmp_path / "folder", "under a file": tmp_path / "file" / "x.db"}.get(
        where, Path("/proc/x/y.db")
    )
    with pytest.raises(StoreError, match="can't be opened"):
        open_store(path, now=NOW)


# -- what may only be read, and what is full -------------------------------------------------------------------


def as_somebody(work: Callable[[], Any]) -> Any:
    """What a piece of work comes to in a process that has no right to everything: root's are given up."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            result = work()
        except BaseException as error:  # noqa: BLE001  told to the parent
            result = f"{type(error).__name__}: {error}"
        os.write(writing, pickle.dumps(result))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    return found


@pytest.fixture
def open_folder() -> Any:
    """A folder that any account may enter."""
    folder = Path("/tmp") / f"readiness-test-{os.getpid()}"  # pytest's own are closed
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("mode", "folder_mode"),
    [(0o444, 0o555), (0o444, 0o777), (0o666, 0o555)],
    ids=["and its folder too", "in a folder of everybody's", "for its folder is closed"],
)
def test_one_that_may_only_be_read_is_read(open_folder: Path, mode: int, folder_mode: int):
    path = open_folder / "evidence.db"
    store = open_store(path, now=NOW)
    store.save_run(run("first"), [OUTCOME])
    store.save_drill(drill("d"))
    store.close()
    path.chmod(mode)
    open_folder.chmod(folder_mode)
    before = path.read_bytes()

    def work() -> Any:
        found = open_store(path, now=NOW)
        try:
            read = ([r.id for r in found.runs("p")], [d.id for d in found.drills("p")], found.read_only, found.notes)
            try:
                found.save_run(run("x"), [])
            except StoreError as error:
                return (*read, str(error))
        finally:
            found.close()

    runs, drills, read_only, notes, refusal = as_somebody(work)
    assert (runs, drills, read_only) == (["first"], ["d"], True)
    assert ["can only be read" in note for note in notes] == [True]
    assert "only read" in refusal
    assert path.read_bytes() == before


def test_a_full_disk_loses_the_new_run_and_keeps_the_old_ones(kept: Path):
    def work() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        store = open_store(kept, now=NOW)
        try:
            store.save_run(run("large", document={"text": "x" * 1_000_000}), [OUTCOME])
        except StoreError as error:
            return str(error)
        finally:
            store.close()
        return "no error"

    pid = os.fork()
    if pid == 0:
        said = work()
        (kept.parent / "said").write_text(said)
        os._exit(0)
    os.waitpid(pid, 0)
    assert "can't be written" in (kept.parent / "said").read_text()
    assert ids(kept) == ["first"]
    store = open_store(kept, now=NOW)
    assert store.notes == ()
    store.save_run(run("second"), [OUTCOME])
    store.close()
    assert ids(kept) == ["first", "second"]


# -- drills ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "passed = 1",
        "expires_at = '2999-01-01T00:00:00.000000+00:00'",
        "evidence = replace(evidence, '12', '13')",
        "kind = 'rollback'",
        "system_identifier = 'other'",
        "taken_at = '2026-11-23T00:00:00.000000+00:00'",
        "sha256 = 'x'",
    ],
)
def test_a_drill_that_was_changed_counts_for_nothing(path: Path, change: str):
    store = open_store(path, now=NOW)
    store.save_drill(drill("failed", passed=False))
    store.save_drill(drill("sound"))
    store.close()
    with sqlite3.connect(path) as hand:
        assert hand.execute(f"update drills set {change} where id = 'failed'").rowcount == 1
    hand.close()
    store = open_store(path, now=NOW)
    assert [d.id for d in store.drills("p")] == ["sound"]
    store.close()


# -- the audit goes on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["damaged", "foreign", "full", "nowhere"])
def test_an_audit_without_its_store_says_so_and_keeps_its_verdict(
    embedded_database: Database, tmp_path: Path, fault: str
):
    store, options = tmp_path / "evidence.db", {}
    command = ("score", "-d", embedded_database.bare_dsn(), "-f", "json", "--policy", stage.write_policy(tmp_path))
    sound = stage.run(*command, "--no-evidence", env=stage.environment(tmp_path), cwd=tmp_path)
    match fault:
        case "damaged":
            store.write_bytes(b"x" * 5000)
        case "foreign":
            with sqlite3.connect(store) as other:
                other.execute("create table theirs (n int)")
            other.close()
        case "full":
            open_store(store, now=NOW).close()

            def limit() -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

            options = {"preexec_fn": limit}
        case "nowhere":
            store = Path("/proc/nowhere/evidence.db")
    done = stage.cold(*command, "--evidence", store, env=stage.environment(tmp_path), cwd=tmp_path, **options)
    said = {
        "damaged": "the evidence store was damaged; it was put aside",
        "foreign": "another program's database",
        "full": "this run is not kept",
        "nowhere": "this run is not kept",
    }[fault]
    assert done.code == sound.code
    assert done.document["verdict"]["score_exact"] == sound.document["verdict"]["score_exact"]
    assert [note for note in done.document["notes"] if said in note], done.document["notes"]
    if fault == "damaged":
        assert ids_of(store) == [done.document["id"]]


def ids_of(store: Path) -> list[str]:
    with sqlite3.connect(store) as found:
        rows = found.execute("select id, document from runs").fetchall()
    found.close()
    assert all(json.loads(document)["id"] == run_id for run_id, document in rows)
    return [run_id for run_id, _ in rows]
