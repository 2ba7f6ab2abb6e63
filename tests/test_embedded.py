"""The throw-away server: nothing of the machine is changed for it, and nothing of it stays, however its owner ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from readiness import embedded, keeper
from readiness.embedded import Cluster, EmbeddedError, Runtime, Workshop

ROOT = os.geteuid() == 0


def modes(*paths: Path) -> dict[Path, tuple[int, int]]:
    """Owner and permissions of paths and of every folder above them."""
    found = {p for path in paths for p in (path, *path.parents)}
    return {p: (p.stat().st_uid, p.stat().st_mode) for p in found}


def uid_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def working_in(folder: Path) -> list[str]:
    """The command lines of processes that name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def eventually(said: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not said():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_server_is_not_root_and_nothing_around_it_changes():
    runtime = embedded.find_runtime()
    around = (runtime.bindir, Path(sys.prefix).resolve(), Path(tempfile.gettempdir()))
    before = modes(*around)
    with embedded.cluster(runtime, fast=True, purpose="test") as made:
        assert made.process is not None
        assert uid_of(made.process.pid) != 0
        assert made.workshop.folder.stat().st_mode & 0o777 == 0o700
        assert made.data.stat().st_mode & 0o777 == 0o700
        with made.connect() as session:
            assert session.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
            assert session.execute("show unix_socket_directories").fetchone() == ("",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            made.connect(password="a guess")
        folder = made.workshop.folder
    assert modes(*around) == before
    assert not folder.exists()
    assert not working_in(folder)


def test_a_restart_keeps_the_data_and_takes_new_settings():
    with embedded.cluster(fast=True, purpose="test") as made:
        with made.connect() as session:
            session.execute("create table kept as select 7 as n")
        first = made.process
        made.configure({"work_mem": "9MB"})
        made.restart()
        assert first is not None
        assert first.poll() is not None
        with made.connect() as session:
            assert session.execute("select n from kept").fetchone() == (7,)
            assert session.execute("show work_mem").fetchone() == ("9MB",)


def test_an_exception_in_the_block_leaves_nothing():
    folders = []

    def work() -> None:
        with embedded.cluster(fast=True, purpose="test") as made:
            folders.append(made.workshop.folder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    (folder,) = folders
    assert not folder.exists()
    assert not working_in(folder)


def test_a_server_that_does_not_start_says_why():
    with (
        pytest.raises(EmbeddedError, match=r"did not start: .*no_such_setting"),
        embedded.cluster(settings={"no_such_setting": "1"}, fast=True, purpose="test"),
    ):
        pass


def test_programs_in_a_closed_folder_are_copied_and_it_stays_closed(tmp_path: Path):
    """A virtual environment in root's home: the server's account may not read it, and is not let in."""
    found = embedded.find_runtime()
    package = found.bindir.parent.parent
    closed = tmp_path / "closed"
    shutil.copytree(package, closed / package.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    closed.chmod(0o700)
    inside = closed / package.name / found.bindir.parent.name / "bin"
    before = modes(inside)
    with embedded.cluster(Runtime(inside, found.libdir), fast=True, purpose="test") as made:
        assert made.runtime.bindir.is_relative_to(made.workshop.folder) == ROOT
        with made.connect() as session:
            assert session.execute("select 1").fetchone() == (1,)
    assert modes(inside) == before


def test_a_port_is_nobody_elses_while_the_workshop_lasts():
    with Workshop("test") as workshop:
        port = workshop.port()
        if sys.platform == "linux":  # elsewhere it is promised to be free, and no more
            with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
                other.bind(("127.0.0.1", port))
        for _ in range(2):  # a server that is started again, too
            with socket.create_server(("127.0.0.1", port)):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    with socket.create_server(("127.0.0.1", port)):
        pass


OWNER = """
import sys, time
from readiness import embedded
with embedded.cluster(fast=True, purpose="test") as made:
    print(made.workshop.folder, flush=True)
    time.sleep(600)
"""


def start_owner(tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture
def open_tmp(tmp_path_factory: pytest.TempPathFactory):
    """A temporary folder that the server's account may enter, as it may /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="tests-of-embedded-"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_owner_that_is_killed_leaves_nothing(open_tmp: Path, number: signal.Signals):
    with start_owner(open_tmp) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        assert working_in(folder)
        owner.send_signal(number)
        owner.wait(20)
    assert eventually(lambda: not folder.exists() and not working_in(folder)), working_in(folder)
    assert list(open_tmp.iterdir()) == []


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_an_owner_that_is_killed_while_it_makes_the_cluster_leaves_nothing(open_tmp: Path, delay: float):
    with start_owner(open_tmp) as owner:
        assert eventually(lambda: any(open_tmp.iterdir()))
        time.sleep(delay)
        owner.kill()
        owner.wait(20)
    assert eventually(lambda: not any(open_tmp.iterdir()) and not working_in(open_tmp)), working_in(open_tmp)


def test_a_process_that_nobody_told_of_ends_with_the_workshop(open_tmp: Path):
    """As when its parent is killed just after starting it; what only names the folder is somebody else's."""
    folder = open_tmp / "readiness-test-0123"
    folder.mkdir()
    environment = {**os.environ, keeper.MARK: str(folder)}
    untold = subprocess.Popen(["sleep", "60"], env=environment)
    other = subprocess.Popen(["sh", "-c", "sleep 60", str(folder)])
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", keeper.__file__], input=f"folder {folder}\n", text=True, check=True, timeout=30
        )
        assert untold.wait(10) == -signal.SIGINT
        assert other.poll() is None
        assert not folder.exists()
    finally:
        untold.kill()
        other.kill()
        untold.wait()
        other.wait()


def test_an_interruption_waits_until_a_new_process_is_known():
    done = []

    def work() -> None:
        with embedded._uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("the block went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_fails_is_told_with_its_words():
    with Workshop("test") as workshop:
        done = workshop.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
        with pytest.raises(subprocess.CalledProcessError):
            workshop.run(["false"])


def test_a_process_that_does_not_listen_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.3)
    with Workshop("test") as workshop:
        deaf = workshop.start(
            ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], stdout=subprocess.PIPE
        )
        assert deaf.stdout is not None
        deaf.stdout.readline()
        workshop.stop(deaf)
        assert deaf.returncode == -signal.SIGKILL
        deaf.stdout.close()


def test_what_ended_and_was_not_asked_about_is_not_alive():
    """As root's pid 1 in many containers leaves them: else the keeper would wait for it."""
    with subprocess.Popen(["true"]) as ended:
        assert eventually(lambda: b") Z " in Path(f"/proc/{ended.pid}/stat").read_bytes())
        pid = ended.pid
        child = os.fork()
        if child == 0:  # somebody else's child: waitpid tells nothing
            os._exit(1 if keeper.alive(pid) else 0)
        assert os.waitpid(child, 0)[1] == 0


def test_the_sweep_takes_old_folders_of_ours_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    long_ago = time.time() - 3 * 24 * 3600
    for name in ("readiness-demo-old", "readiness-demo-young", "somebody-elses"):
        (tmp_path / name / "data").mkdir(parents=True)
    target = tmp_path / "precious"
    target.mkdir()
    (tmp_path / "readiness-link").symlink_to(target)
    for name in ("readiness-demo-old", "somebody-elses", "precious"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    os.utime(tmp_path / "readiness-link", (long_ago, long_ago), follow_symlinks=False)
    assert embedded.sweep() == [tmp_path / "readiness-demo-old"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "precious",
        "readiness-demo-young",
        "readiness-link",
        "somebody-elses",
    ]


def test_programs_are_found_by_the_variable_first_and_told_where_there_are_none(monkeypatch: pytest.MonkeyPatch):
    assert embedded.find_runtime({"READINESS_PG_BINDIR": "/opt/pg/bin"}).bindir == Path("/opt/pg/bin")
    monkeypatch.setattr(embedded, "_WHEELS", ())
    monkeypatch.setattr(embedded.shutil, "which", lambda _name: None)
    monkeypatch.setattr(embedded.Path, "glob", lambda _self, _pattern: iter(()))
    with pytest.raises(EmbeddedError, match=r"readiness\[demo\]"):
        embedded.find_runtime({})


def test_the_users_own_variables_do_not_reach_the_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGDATA", "/var/lib/postgresql")
    monkeypatch.setenv("PGPORT", "1")
    assert not [name for name in Runtime(Path("/opt/pg/bin")).env() if name.startswith("PG")]


def test_the_dsn_takes_other_parameters(embedded_cluster: Cluster):
    dsn = embedded_cluster.dsn("other", user="somebody", password="x y")
    assert psycopg.conninfo.conninfo_to_dict(dsn) == {
        "host": "127.0.0.1",
        "hostaddr": "127.0.0.1",
        "sslmode": "prefer",
        "port": str(embedded_cluster.port),
        "dbname": "other",
        "user": "somebody",
        "password": "x y",
    }
