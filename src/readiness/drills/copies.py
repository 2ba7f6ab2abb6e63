"""A backup, restored on this machine into a server of its own that reaches nothing but its private socket.

Nothing of the restored configuration counts: the copy starts with a configuration of ours, so that it archives nothing,
follows nobody, loads no library, runs no job and no subscription, and listens on no address; it doesn't take part in what it
was taken from. Programs of the backup's own major version start it.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import conninfo, sql

from readiness import embedded
from readiness.authoring import Unobservable
from readiness.drills import DrillError
from readiness.embedded import EmbeddedError, Runtime, Workshop
from readiness.facts.backups import Backup, archives, barman, basebackups
from readiness.facts.backups import dumps as dump_files
from readiness.facts.backups.packed import suffix_of

RECOVERY_SECONDS = 12 * 3600.0
PORT = 5432  # of a socket in a folder of our own: no port of the machine is taken
READY = "database system is ready to accept connections"  # which a server with `hot_standby = off` says when recovery is over
HELD_BYTES = 64 * 2**20
_SAID = 400
_BESIDE = 10  # the nice value of what is checked beside the restore: it takes what the restore leaves

Told = Callable[[str], None]


class RestoreError(Exception):
    """The backup can't be restored, or is not what it says: one sentence, which is the drill's finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the restored server must be like, as the living one tells.

    Args:
        superuser: the bootstrap role's name, which the copy has too.
        roles: names of every role, without the predefined ones.
        tablespaces: names of those that were made.
        locale: (encoding, collate, ctype) of the database.
    """

    major: int
    database: str
    superuser: str
    roles: Sequence[str] = ()
    tablespaces: Sequence[str] = ()
    locale: tuple[str, str, str] = ("UTF8", "C", "C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A program that runs, and the file into which it says what it finds."""

    process: subprocess.Popen[Any]
    said: Path


@dataclass(slots=True, kw_only=True)
class Copy:
    """A server that is being restored, in a folder of its own.

    Args:
        owner: subprocess' arguments for running as the server's account.
        libraries: what is preloaded all the same (an extension that has a say in recovery or in its tables' format).
        roomy: this machine has memory for the backup and the copy.
        idle: cores that had nothing to do before the drill began.
        lobby: a database that takes sessions, for what concerns none.
        steps: what was done, and the seconds that it took.
        checked: what of the backup's own proofs held: its manifest, its tool's checksums.
        pages: programs that check them beside what else is done.
        held: large files that none of them was given yet, by their paths in the data folder.
        trusted: those whose pages none of them looks at: the server does, while amcheck reads them.
        under_way: the restore has the cores that it takes; what is idle from here on stays so for a while.
    """

    runtime: Runtime
    workshop: Workshop
    owner: Mapping[str, Any]
    source: Source
    libraries: str = ""
    roomy: bool = False
    idle: int = 0
    told: Told = lambda _step: None
    lobby: str = "template1"
    steps: dict[str, float] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    pages: list[Beginning] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)
    under_way: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[Any] | None = None

    @property
    def data(self) -> Path:
        return self.workshop.folder / "data"

    @property
    def socket(self) -> Path:
        return self.workshop.folder / "socket"

    @property
    def tablespaces(self) -> Path:
        return self.workshop.folder / "tablespaces"

    @property
    def log(self) -> Path:
        return self.workshop.folder / "server.log"

    def dsn(self, database: str | None = None) -> str:
        return conninfo.make_conninfo(
            "",
            host=str(self.socket),
            hostaddr="",  # given, as all else that the user's PG* variables could say: they lead to other servers
            port=PORT,
            user=self.source.superuser,
            dbname=database or self.source.database,
            sslmode="disable",
            gssencmode="disable",
            channel_binding="disable",
            client_encoding="utf8",
            target_session_attrs="any",
            requirepeer="",
            passfile=str(self.workshop.folder / "no-passfile"),
            options=self.options,
        )

    @property
    def options(self) -> str:
        """Settings of each session, which go before a database's and a role's.

        What they preload need not be here, and a page whose checksum fails must not be read all the same.
        """
        own = ["session_preload_libraries=", "local_preload_libraries="]
        own += ["ignore_checksum_failure=off", "zero_damaged_pages=off"]
        own += ["event_triggers=off"] if self.source.major >= 17 else []
        return " ".join(f"-c {setting}" for setting in own)

    def run(self, words: Sequence[str | Path], *, as_server: bool = True, **options: Any) -> str:
        """Run a program to its end; what it printed.

        Raises:
            RestoreError: it failed, with its last words.
            DrillError: it isn't there.
        """
        done = self.attempt(words, as_server=as_server, **options)
        if done.returncode:
            raise RestoreError(f"{Path(words[0]).name} ended with {done.returncode}: {last_words(done)}")
        return str(done.stdout)

    def attempt(
        self, words: Sequence[str | Path], *, as_server: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        own: dict[str, Any] = dict(self.owner) if as_server else {}
        try:
            return self.workshop.run(words, check=False, text=True, errors="replace", **self._place, **own, **options)
        except FileNotFoundError:
            raise DrillError(f"{words[0]}: there is no such program here; install it") from None

    def begin(
        self,
        words: Sequence[str | Path],
        *,
        number: int = 0,
        as_server: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> Beginning:
        """Run a program beside what else is done.

        Args:
            number: of one that runs several times side by side.
            environment: variables beside those that each program has.
        """
        place = self._place
        place["env"] |= environment or {}
        said = self.workshop.folder / f"{Path(words[0]).name}-{number}.said"
        own: dict[str, Any] = dict(self.owner) if as_server else {}
        with said.open("wb") as out, said.with_suffix(".errors").open("wb") as errors:
            process = self.workshop.start(words, stdout=out, stderr=errors, **place, **own)
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _BESIDE)
        return Beginning(process=process, said=said)

    def end(self, begun: Beginning) -> subprocess.CompletedProcess[str]:
        """Wait for its end."""
        code = begun.process.wait()
        self.workshop.stop(begun.process)
        out, errors = (p.read_text(errors="replace") for p in (begun.said, begun.said.with_suffix(".errors")))
        return subprocess.CompletedProcess(begun.process.args, code, out, errors)

    @property
    def _place(self) -> dict[str, Any]:
        folder = str(self.workshop.folder)
        return {"env": self.runtime.env() | {"HOME": folder, "TMPDIR": folder}, "cwd": folder}

    def tool(self, name: str) -> Path:
        return self.runtime.bindir / name

    def spare(self) -> bool:
        """Whether what is read and checked beside the restore is hardly in its way: a core is idle, and nothing is read from the disk."""
        return self.under_way.is_set() and self.roomy and idle_cores() > 0

    def step(self, name: str, since: float) -> None:
        self.steps[name] = round(time.perf_counter() - since, 3)

    def prepare(self) -> None:
        """The folders, which are the server account's."""
        for folder in (self.socket, self.tablespaces):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.give(self.workshop.folder, self.socket, self.tablespaces)

    def give(self, *paths: Path) -> None:
        if self.owner:
            for path in paths:
                os.chown(path, self.owner["user"], self.owner["group"], follow_symlinks=False)

    def give_all(self, folder: Path) -> None:
        if self.owner:
            for place, folders, files in os.walk(folder):
                self.give(Path(place), *(Path(place, name) for name in (*folders, *files)))

    def settle(self) -> None:
        """Take away what a restored folder says of the life that it comes from."""
        self.data.chmod(0o700)
        for name in ("postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal", "postgresql.auto.conf"):
            (self.data / name).unlink(missing_ok=True)
        for slot in (self.data / "pg_replslot").glob("*"):
            shutil.rmtree(slot)  # what nobody fetches would be kept

    def relink(self) -> None:
        """Tablespaces into our own folder: the links of a backup lead to where the living server has its files."""
        links = self.data / "pg_tblspc"
        for there in links.glob("[0-9]*") if links.is_dir() else []:
            if there.is_symlink():
                if self.workshop.folder in there.resolve().parents:
                    continue
                raise RestoreError(f"the backup's tablespace {there.name} is a link to another place, and is not in it")
            here = self.tablespaces / there.name
            there.rename(here)
            there.symlink_to(here)
        listed = self.data / "tablespace_map"
        if listed.is_file():
            names = [line.split(" ", 1)[0] for line in listed.read_text(errors="replace").splitlines() if line]
            listed.write_text("".join(f"{name} {self.tablespaces / name}\n" for name in names))

    def start(self, *, restore_command: str | None, target: Mapping[str, str], control: Mapping[str, str]) -> None:
        """Start it, and wait until it has recovered and takes sessions.

        Args:
            restore_command: where recovery fetches WAL from; None where this is no recovery.

        Raises:
            RestoreError: it ended before, with its log's last words.
        """
        began = time.perf_counter()
        self._configure(restore_command, target, control)
        with self.log.open("ab") as log:
            self.process = self.workshop.start(
                [
                    *(self.tool("postgres"), "-D", self.data),
                    *("-c", f"config_file={self.workshop.folder / 'postgresql.conf'}"),
                ],
                stop_signal=signal.SIGINT,
                stdout=log,
                stderr=log,
                env=self.runtime.env(),
                cwd=self.workshop.folder,
                **self.owner,
            )
        self._wait_ready(pages=bool(control))
        self._find_lobby()
        self.step("start and recovery", began)
        if control and not self.pages:
            self.begin_pages()

    def _wait_ready(self, *, pages: bool) -> None:
        """Until it takes sessions; its pages are checked meanwhile once a core is idle, else when recovery is over."""
        assert self.process is not None
        deadline = time.monotonic() + RECOVERY_SECONDS
        said = ""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            while READY not in said:
                if self.process.poll() is not None:
                    raise RestoreError(f"the restored server did not start: {self.log_words()}")
                if time.monotonic() > deadline:
                    raise RestoreError(f"recovery did not end in {RECOVERY_SECONDS / 3600:g} hours")
                if pages and not self.pages and self.spare():
                    self.begin_pages()
                time.sleep(0.01)
                said = said[-len(READY) :] + log.read()

    def _find_lobby(self) -> None:
        others = [self.source.database, "postgres"]  # who closed template1 (datallowconn), or dropped it, has another
        while True:
            try:
                psycopg.connect(self.dsn(self.lobby), connect_timeout=5, autocommit=True).close()
            except psycopg.OperationalError as error:
                if self.process is not None and self.process.poll() is not None:
                    raise RestoreError(f"the restored server did not start: {self.log_words()}") from None
                if not others:
                    raise RestoreError(f"the restored server takes no session: {_line(str(error))}") from None
                self.lobby = others.pop(0)
            else:
                return

    def begin_pages(self) -> None:
        """Check every page that was restored against its checksum, while recovery and the server go on.

        A page that is sound when it is read was sound in the backup, or was written by this server since. One that isn't may have
        been caught while it was written, or while it was backed up, which recovery mends: then all are to be checked again, of
        the stopped copy. Large files wait until it shows what they are (see `begin_rest`).
        """
        files = relations(self.data)
        self.held = [path for path, size in files if size >= HELD_BYTES]
        split = {_folder(path) for path in self.held} | {"global"}  # where our control file comes to lie
        self._begin_pages(
            [path for path, size in files if size < HELD_BYTES and _folder(path) in split],
            {_folder(path) for path, _ in files} - split,
        )

    def begin_rest(self, read: Collection[str]) -> None:
        """Check the large files that were held back, but for those that the server reads: it checks each page as it comes to it.

        Args:
            read: paths of relations that are read through the server, every page.
        """
        if not self.pages:
            return
        self.trusted = [path for path in self.held if re.sub(r"\.\d+$", "", path) in read]
        rest = sorted(set(self.held) - set(self.trusted))
        if not rest or self._begin_pages(rest):
            self.held = []

    def _begin_pages(self, files: Iterable[str], folders: Iterable[str] = ()) -> bool:
        folder = self.workshop.folder / f"pages-{len(self.pages)}"
        with suppress(OSError):
            control = shut_down((self.data / "global/pg_control").read_bytes())
            if control is None:
                return False
            link(self.data, folder, files, folders)
            (folder / "global/pg_control").write_bytes(control)
            self.give_all(folder)
            self.pages.append(self.begin([self.tool("pg_checksums"), "--check", "-D", folder], number=len(self.pages)))
            return True
        return False

    def relax(self) -> None:
        """What is written from here on need not outlive the machine."""
        with (self.workshop.folder / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("fsync = off\n")
        with psycopg.connect(self.dsn(self.lobby), autocommit=True) as session:
            session.execute("select pg_catalog.pg_reload_conf()")

    def stop(self) -> None:
        """Shut it down, so that its files are whole."""
        if self.process is not None:
            self.workshop.stop(self.process)
            self.process = None

    def end_at_once(self) -> None:
        """End it and remove its files, which are good for nothing any more: it writes none on this signal."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGQUIT)
            embedded.empty(self.data)
            self.stop()

    def log_words(self) -> str:
        own = r"FATAL: +the database system is (not accepting connections|in recovery mode|starting up|shutting down)"
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if not re.search(own, line)]
        grave = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR):", line)]
        return _line(" / ".join((grave or lines)[-3:])) or "it said nothing"

    def _configure(self, restore_command: str | None, target: Mapping[str, str], control: Mapping[str, str]) -> None:
        own: dict[str, str | int] = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0700",
            "port": PORT,
            "hba_file": str(self.workshop.folder / "pg_hba.conf"),
            "ident_file": str(self.workshop.folder / "pg_ident.conf"),
            "ssl": "off",
            "archive_mode": "off",
            "shared_preload_libraries": self.libraries,
            "hot_standby": "off",  # then recovery doesn't ask for the source's own limits
            "wal_level": "replica",
            "max_wal_senders": 0,
            "max_logical_replication_workers": 0,
            "max_connections": 30,
            "max_prepared_transactions": control.get("max_prepared_xacts setting", "0"),
            "shared_buffers": "128MB",
            "maintenance_work_mem": "128MB",
            "max_wal_size": "4GB",
            # Who first reads what recovery wrote sets hints, and on pages with checksums logs each page whole for them.
            "full_page_writes": "off",
            "checkpoint_timeout": "1h",
            "autovacuum": "off",
            "jit": "off",
            "logging_collector": "off",
            "log_destination": "stderr",
            "log_line_prefix": "",
            "lc_messages": "C",
        }
        if restore_command is not None:
            own |= {"restore_command": restore_command, "recovery_target_timeline": "latest", **target}
            signal_file = self.data / "recovery.signal"
            signal_file.touch(0o600)
            self.give(signal_file)
        folder = self.workshop.folder
        quoted = {name: str(value).replace("'", "''") for name, value in own.items()}
        (folder / "postgresql.conf").write_text("".join(f"{n} = '{v}'\n" for n, v in quoted.items()), encoding="utf-8")
        # Whoever comes through a folder that is closed to everybody else is the account itself.
        (folder / "pg_hba.conf").write_text("local all all trust\n", encoding="ascii")
        (folder / "pg_ident.conf").write_text("", encoding="ascii")
        self.give(*(folder / name for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")))

    def control(self) -> dict[str, str]:
        """What pg_controldata tells of the folder."""
        try:
            told = self.run([self.tool("pg_controldata"), self.data])
        except RestoreError as error:
            raise RestoreError(f"what came back is no data folder of PostgreSQL: {error}") from None
        parts = (line.partition(":") for line in told.splitlines())
        return {name.strip(): value.strip() for name, _, value in parts}


class Way(Protocol):
    """How one tool's backup becomes a running copy."""

    def words(self, backup: Backup) -> Sequence[str]:
        """What of the way a runbook can't leave out: programs, files, settings."""
        ...

    @property
    def logical(self) -> bool:
        """Whether it is filled from a dump: then it shares no transaction numbers with the source."""
        ...

    def needs_bytes(self, backup: Backup, database_bytes: int) -> int:
        """What the restored cluster will take on the disk, about."""
        ...

    def restore(self, copy: Copy, backup: Backup, until: datetime | None) -> None:
        """Restore and start.

        Raises:
            RestoreError: the backup can't be restored.
            DrillError: it can't be tried here.
        """
        ...


def _target(until: datetime | None) -> dict[str, str]:
    if until is None:
        return {}
    return {"recovery_target_time": until.isoformat(sep=" "), "recovery_target_action": "promote"}


# -- pg_basebackup -----------------------------------------------------------------------------------------------

# What archive commands and pg_receivewal leave: whole segments, packed ones, and the one that is still being written.
_FETCH = (
    "f={place}/%f; "
    'if [ -f "$f" ]; then cp "$f" "%p"; '
    'elif [ -f "$f.gz" ]; then gzip -dc "$f.gz" > "%p"; '
    'elif [ -f "$f.zst" ]; then zstd -dc "$f.zst" > "%p"; '
    'elif [ -f "$f.lz4" ]; then lz4 -dc "$f.lz4" > "%p"; '
    'elif [ -f "$f.partial" ]; then cp "$f.partial" "%p"; '
    "else exit 1; fi"
)


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """A folder of pg_basebackup, plain or tar, with a folder of archived WAL or with the WAL that it brought along."""

    directory: Path
    wal: Path | None
    logical: bool = False

    def words(self, backup: Backup) -> Sequence[str]:  # noqa: ARG002  they are all restored alike
        return ("restore_command", "recovery.signal") if self.wal else ("pg_basebackup",)

    def needs_bytes(self, backup: Backup, database_bytes: int) -> int:
        if backup.prior is None:
            return max(backup.size_bytes, database_bytes)
        return backup.size_bytes + 2 * database_bytes  # of a tar the parts lie beside what they give together

    def restore(self, copy: Copy, backup: Backup, until: datetime | None) -> None:
        folder = self.directory / backup.label
        if until is not None and self.wal is None:
            raise DrillError("a point in time needs the archived WAL: declare the store's wal_directory")
        _see_readable(copy, self.wal)
        chain = basebackups.chain(folder)
        if len(chain) > 1:
            self._combine(copy, chain)
        else:
            self._fetch(copy, folder)
        copy.settle()
        copy.relink()
        place = shlex.quote(str(self.wal.resolve())).replace("%", "%%") if self.wal else ""
        copy.start(
            restore_command=_FETCH.format(place=place) if self.wal else "false",
            target=_target(until),
            control=copy.control(),
        )

    def _fetch(self, copy: Copy, folder: Path) -> None:
        began = time.perf_counter()
        copy.told(f"copying {folder}")
        plain = (folder / "PG_VERSION").is_file()
        beside = plain and copy.roomy and copy.idle > 1
        verified = _begin_verify(copy, folder / "backup_manifest", folder) if beside else None
        copy.under_way.set()
        unpacked = _Unpacked(copy, folder / "backup_manifest")
        if plain:
            # Links are followed: of a backup that keeps its tablespaces or its WAL beside it we want the files.
            copy.run(["cp", "-RLp", f"{folder}/.", copy.data], as_server=False)
        elif copy.roomy and copy.idle > 1:
            with unpacked:
                self._unpack(folder, copy, copy.data)
        else:
            self._unpack(folder, copy, copy.data)
        copy.give_all(copy.data)
        copy.step("fetch", began)
        began = time.perf_counter()
        manifest = folder / "backup_manifest"
        _end_verify(copy, verified or _begin_verify(copy, manifest, copy.data, ignoring=unpacked.sound()))
        copy.step("manifest", began)

    def _combine(self, copy: Copy, chain: Sequence[Path]) -> None:
        """A full base backup and the incremental ones above it, each as its manifest says, put together."""
        began = time.perf_counter()
        copy.told(f"combining {', '.join(folder.name for folder in chain)}")
        copy.under_way.set()
        parts = [folder if (folder / "PG_VERSION").is_file() else self._part(copy, folder) for folder in chain]
        spaces = [link for link in (parts[-1] / "pg_tblspc").glob("[0-9]*") if link.is_symlink()]
        mapped = [f"--tablespace-mapping={link.readlink()}={copy.tablespaces / link.name}" for link in spaces]
        words: list[str | Path] = [copy.tool("pg_combinebackup"), "--no-sync", *mapped, "-o", copy.data, *parts]
        copy.run(words, as_server=False)
        copy.give_all(copy.data)
        copy.give_all(copy.tablespaces)
        copy.step("fetch", began)
        began = time.perf_counter()
        for folder, part in zip(chain, parts, strict=True):
            _end_verify(copy, _begin_verify(copy, folder / "backup_manifest", part))
        copy.step("manifest", began)

    def _part(self, copy: Copy, folder: Path) -> Path:
        part = copy.workshop.folder / f"part-{folder.name}"
        self._unpack(folder, copy, part)
        shutil.copyfile(folder / "backup_manifest", part / "backup_manifest")
        return part

    def _unpack(self, folder: Path, copy: Copy, data: Path) -> None:
        archives = {p.name.partition(".")[0]: p for p in folder.iterdir() if re.search(r"\.tar(\.\w+)?$", p.name)}
        if "base" not in archives:
            raise RestoreError(f"{folder.name}: holds neither a data folder nor base.tar")
        data.mkdir(mode=0o700)
        into = {"base": data, "pg_wal": data / "pg_wal"}
        for name in sorted(archives, key=lambda n: n != "base"):
            place = into.get(name) or data / "pg_tblspc" / name
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy.run(["tar", "-xf", archives[name], "-C", place], as_server=False)


def _see_readable(copy: Copy, wal: Path | None) -> None:
    if wal is None:
        return
    if copy.attempt(["ls", wal]).returncode:
        who = "the server's account (--account)" if copy.owner else "this account"
        raise DrillError(f"{wal}: {who} can't read the archived WAL; let it, or run the drill as one that can")


def _begin_verify(copy: Copy, manifest: Path, files: Path, *, ignoring: Sequence[str] = ()) -> Beginning | None:
    """The files against the manifest that the backup brought: sizes and checksums of each."""
    program = copy.tool("pg_verifybackup")
    if not manifest.is_file() or not program.is_file():
        return None
    own = copy.workshop.folder / "backup_manifest"
    shutil.copyfile(manifest, own)
    copy.give(own)
    # The WAL is read by recovery itself. What lies beside the files of a tar (the manifest) is none of them.
    ignored = [f"--ignore={name}" for name in ("backup_manifest", *ignoring)]
    return copy.begin(
        [program, "--no-parse-wal", "--manifest-path", own, *ignored, files],
        as_server=files == copy.data,  # a backup is read as who copies it
    )


class _Unpacked:
    """Large files of a tar, held against its manifest while those behind them are still unpacked.

    One whose size is that of the manifest is all there. It is looked at through a link, with a manifest of its own; what doesn't
    fit is left to the look at all of them, which says so.
    """

    def __init__(self, copy: Copy, manifest: Path) -> None:
        self._copy = copy
        self._manifest = manifest
        self._begun: dict[str, Beginning] = {}
        self._sizes: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def sound(self) -> list[str]:
        """Those that fit, and still are the files that were looked at: a tar may hold one twice."""
        found = []
        for path, begun in self._begun.items():
            place = self._place(path)
            with suppress(FileNotFoundError):
                looked_at, size = place / path, self._sizes[path]
                same = (self._copy.data / path).samefile(looked_at) and looked_at.stat().st_size == size
                if self._copy.end(begun).returncode == 0 and same:
                    found.append(path)
            shutil.rmtree(place, ignore_errors=True)
        return found

    def _place(self, path: str) -> Path:
        return self._copy.workshop.folder / f"unpacked-{path.replace('/', '-')}"

    def _look(self) -> None:
        with suppress(OSError, ValueError, KeyError, DrillError):  # then all are looked at behind it
            entries = {f["Path"]: f for f in json.loads(self._manifest.read_bytes())["Files"] if "Path" in f}
            within = {path: f for path, f in entries.items() if path[:1] != "/" and ".." not in path.split("/")}
            self._sizes = {path: f["Size"] for path, f in within.items() if f["Size"] >= HELD_BYTES}
            waiting = list(self._sizes)
            while waiting and not self._stop.wait(0.05):
                for path in list(waiting):
                    with suppress(FileNotFoundError):
                        if (self._copy.data / path).stat().st_size == self._sizes[path]:
                            waiting.remove(path)
                            self._begin(path, entries[path])

    def _begin(self, path: str, entry: Mapping[str, Any]) -> None:
        place = self._place(path)
        (place / path).parent.mkdir(parents=True)
        os.link(self._copy.data / path, place / path)
        # As pg_basebackup writes it: its checksum is of all lines before its own (backup-manifest.html).
        lines = (
            f'{{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n{json.dumps(entry)}\n],\n"WAL-Ranges": [\n],\n'
        )
        own = place.with_suffix(".manifest")
        own.write_text(
            f'{lines}"Manifest-Checksum": "{hashlib.sha256(lines.encode()).hexdigest()}"}}\n', encoding="utf-8"
        )
        words = (self._copy.tool("pg_verifybackup"), "--no-parse-wal", "--manifest-path", own, place)
        self._begun[path] = self._copy.begin(words, number=len(self._begun) + 1, as_server=False)


def _end_verify(copy: Copy, begun: Beginning | None) -> None:
    if begun is None:
        return
    done = copy.end(begun)
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        told = "; ".join(line.removeprefix("pg_verifybackup: error: ") for line in said[:3])
        raise RestoreError(f"the backup is not what its manifest says: {_line(told)}")
    if "manifest" not in copy.checked:  # of several parts
        copy.checked.append("manifest")


# -- pgBackRest --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PgBackRest:
    """A stanza, restored and recovered by pgBackRest, whose own checksums hold for each file."""

    command: Sequence[str]
    stanza: str
    logical: bool = False

    def words(self, backup: Backup) -> Sequence[str]:  # noqa: ARG002  they are all restored alike
        return ("pgbackrest", "restore", self.stanza)

    def needs_bytes(self, backup: Backup, database_bytes: int) -> int:
        return max(backup.size_bytes, database_bytes)

    def restore(self, copy: Copy, backup: Backup, until: datetime | None) -> None:
        folder = copy.workshop.folder
        (folder / "lock").mkdir(mode=0o700)
        copy.give(folder / "lock")
        copy.data.mkdir(mode=0o700)
        copy.give(copy.data)  # the command may lead to the account itself: runuser -u postgres -- pgbackrest
        options = [
            f"--stanza={self.stanza}",
            f"--pg1-path={copy.data}",
            f"--lock-path={folder / 'lock'}",
            "--log-level-file=off",
            "--log-level-console=off",
            "--log-level-stderr=error",
        ]
        began = time.perf_counter()
        copy.told(f"pgbackrest restore --set={backup.label}")
        environment = copy.runtime.env() | {"HOME": os.environ.get("HOME", "/")}
        # What the configuration may say of links and tablespaces leads to where the living server has its files.
        aside = [
            f"--tablespace-map-all={copy.tablespaces}",
            "--reset-tablespace-map",
            "--no-link-all",
            "--reset-link-map",
        ]
        copy.under_way.set()
        # Not as the server's account: the tool's configuration may be for nobody else than who runs this.
        words = [*self.command, *options, f"--set={backup.label}", "--type=default", "--no-delta", *aside, "restore"]
        done = _own(copy, words, environment)
        if done.returncode:
            raise RestoreError(f"pgbackrest restore ended with {done.returncode}: {last_words(done)}")
        if not (copy.data / "PG_VERSION").is_file():
            raise DrillError(
                "pgbackrest restore left nothing here: the store's `command` must run it on this machine for the drill"
            )
        copy.give_all(copy.data)
        copy.give_all(copy.tablespaces)
        copy.step("fetch", began)
        copy.checked.append("pgBackRest's checksums")
        copy.settle()
        copy.relink()
        # One by one: side by side it would fetch into the folder of the living server.
        fetch = [*_of_the_account(self.command, copy.owner), *options, "--no-archive-async", "archive-get"]
        words_of_it = " ".join(shlex.quote(word).replace("%", "%%") for word in fetch)
        copy.start(restore_command=f'{words_of_it} %f "%p"', target=_target(until), control=copy.control())


def _of_the_account(command: Sequence[str], owner: Mapping[str, Any]) -> Sequence[str]:
    """A command as the server's account itself runs it: by `runuser` or `sudo` none but root comes to be who it is."""
    words = [word for word in command[1:] if word not in ("-n", "-H", "--non-interactive", "--set-home")]
    if not owner or Path(command[0]).name not in ("runuser", "sudo") or words[:1] not in (["-u"], ["--user"]):
        return command
    with suppress(KeyError):
        if embedded.account(words[1])["user"] == owner["user"]:
            return words[3:] if words[2] == "--" else words[2:]
    return command


def _own(copy: Copy, words: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return copy.workshop.run(words, check=False, text=True, errors="replace", env=environment, cwd="/")
    except FileNotFoundError:
        raise DrillError(f"{words[0]}: there is no such program here; install it") from None


# -- Barman ------------------------------------------------------------------------------------------------------

# What `barman recover` changes of what it restores, or leaves beside it.
_BARMANS = ("postgresql.conf", "postgresql.auto.conf", "recovery.signal", "standby.signal", ".barman-recover.info")


@dataclass(frozen=True, slots=True)
class Barman:
    """A server of Barman's, restored by `barman recover` and recovered by `barman get-wal`, on Barman's own machine."""

    command: Sequence[str]
    server: str
    logical: bool = False

    def words(self, backup: Backup) -> Sequence[str]:  # noqa: ARG002  they are all restored alike
        return ("barman", "recover", self.server)

    def needs_bytes(self, backup: Backup, database_bytes: int) -> int:
        return max(backup.size_bytes, database_bytes)

    def restore(self, copy: Copy, backup: Backup, until: datetime | None) -> None:
        began = time.perf_counter()
        copy.told(f"barman recover {self.server} {backup.label}")
        try:
            spaces = barman.tablespaces(self.command, self.server, backup.label)
        except Unobservable as refusal:
            raise DrillError(refusal.detail) from None
        aside = [word for name in spaces for word in ("--tablespace", f"{name}:{copy.tablespaces / name}")]
        copy.under_way.set()
        copy.run([*self.command, "recover", "--get-wal", *aside, self.server, backup.label, copy.data])
        if not (copy.data / "PG_VERSION").is_file():
            raise DrillError("barman recover left nothing here: the store's `command` must run it on this machine")
        copy.step("fetch", began)
        began = time.perf_counter()
        originals = [f"{name}.origin" for name in _BARMANS[:2]]
        manifest = copy.data / f"backup_manifest.{backup.label}"
        _end_verify(copy, _begin_verify(copy, manifest, copy.data, ignoring=[*_BARMANS, *originals, manifest.name]))
        copy.step("manifest", began)
        copy.settle()
        copy.relink()
        fetch = " ".join(shlex.quote(word).replace("%", "%%") for word in (*self.command, "get-wal", "-P", self.server))
        copy.start(restore_command=f'{fetch} %f > "%p"', target=_target(until), control=copy.control())


# -- pg_dump -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump, loaded into a new cluster. Roles and tablespaces, which no dump holds, are made by name, as the source has them."""

    directory: Path
    logical: bool = True

    def words(self, backup: Backup) -> Sequence[str]:
        kind = dump_files.kind_of(self.directory / backup.label)
        return ("psql",) if kind in ("plain", None) else ("pg_restore",)

    def needs_bytes(self, backup: Backup, database_bytes: int) -> int:
        return max(backup.size_bytes * 2, database_bytes)

    def restore(self, copy: Copy, backup: Backup, until: datetime | None) -> None:
        if until is not None:
            raise DrillError("a dump leads to no other moment than its own; leave --to out, or name another --store")
        path = self.directory / backup.label
        began = time.perf_counter()
        copy.under_way.set()
        copy.run(
            [
                *(copy.tool("initdb"), "-D", copy.data, "-U", copy.source.superuser, "-A", "trust"),
                *("-E", "UTF8", "--no-locale", "--no-sync"),
            ]
        )
        copy.start(restore_command=None, target={}, control={})
        self._create(copy)
        copy.told(f"loading {path}")
        connection = ["-h", str(copy.socket), "-p", str(PORT), "-U", copy.source.superuser, "-d", copy.source.database]
        readable = self._readable(copy, path)
        if dump_files.kind_of(readable) == "archive":
            jobs = ["--jobs=2"] if _takes_jobs(readable) else []
            copy.run([copy.tool("pg_restore"), *connection, "--exit-on-error", *jobs, readable])
        else:
            copy.run(
                [copy.tool("psql"), *connection, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", readable],
            )
        copy.step("fetch", began)

    def _create(self, copy: Copy) -> None:
        with psycopg.connect(copy.dsn("postgres"), autocommit=True) as admin:
            have = {name for (name,) in admin.execute("select rolname from pg_catalog.pg_roles")}
            for role in copy.source.roles:
                if role not in have:
                    admin.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
            for at, name in enumerate(copy.source.tablespaces):
                place = copy.tablespaces / str(at)
                place.mkdir(mode=0o700)
                copy.give(place)
                admin.execute(
                    sql.SQL("create tablespace {} location {}").format(sql.Identifier(name), sql.Literal(str(place)))
                )
            if copy.source.database == "postgres":
                return
            create = sql.SQL("create database {} template template0 encoding {}").format(
                sql.Identifier(copy.source.database), sql.Literal(copy.source.locale[0])
            )
            own = sql.SQL(" lc_collate {} lc_ctype {}").format(*map(sql.Literal, copy.source.locale[1:]))
            try:
                admin.execute(create + own)
            except psycopg.errors.WrongObjectType:  # a locale that this machine doesn't have
                admin.execute(create)

    def _readable(self, copy: Copy, path: Path) -> Path:
        """The dump, where the server's account may read it."""
        if path.is_file() and (program := _UNPACKS.get(suffix_of(path) or "")):
            here = copy.workshop.folder / "dump.sql"
            with here.open("wb") as file:
                done = copy.workshop.start([program, "-dc", path], stdout=file, stderr=subprocess.DEVNULL)
                done.wait()
                copy.workshop.stop(done)
            if done.returncode:
                raise RestoreError(f"{path.name}: can't be unpacked: it is cut off, or damaged")
            if dump_files.kind_of(here) == "tar":
                here = self._folder_in(copy, here)
        elif dump_files.kind_of(path) == "tar":
            here = self._folder_in(copy, path)
        elif not copy.owner or copy.attempt(["ls", path]).returncode == 0:
            return path
        else:
            here = copy.workshop.folder / path.name
            copy.run(["cp", "-RLp", path, here], as_server=False)
        copy.give_all(here) if here.is_dir() else copy.give(here)
        return here

    def _folder_in(self, copy: Copy, tar: Path) -> Path:
        """A dump's folder that was packed by others."""
        folder = copy.workshop.folder / "dump"
        folder.mkdir()
        copy.run(["tar", "-xf", tar, "-C", folder, "--no-same-owner"], as_server=False)
        tables = next(folder.rglob(archives.TOC), None)
        if tables is None:
            raise RestoreError(f"{tar.name}: it holds no dump")
        return tables.parent


_UNPACKS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4"}


def _takes_jobs(path: Path) -> bool:
    """Whether pg_restore may load it side by side: all but a tar, which begins with its first member's name."""
    if path.is_dir():
        return True
    with path.open("rb") as file:
        return file.read(5) == b"PGDMP"


# -- a stopped copy in parts -------------------------------------------------------------------------------------


def parts(data: Path, into: Path, number: int) -> list[Path]:
    """A stopped cluster's relations, shared out into data folders that pg_checksums takes for whole ones: it has one thread.

    They hold links, not copies. Every file of the folders that it looks through is in one of them. Where the file system
    knows no links, the cluster itself is the only part.

    Args:
        into: a folder that isn't there yet, on the same file system.
    """
    shares: list[list[str]] = [[] for _ in range(number)]
    filled = [(0, n) for n in range(number)]  # a heap: the emptiest first
    for path, size in sorted(relations(data), key=lambda f: f[1], reverse=True):
        bytes_, n = filled[0]
        shares[n].append(path)
        heapq.heapreplace(filled, (bytes_ + size, n))
    made = [into / f"part-{n}" for n in range(number)]
    try:
        for part, files in zip(made, shares, strict=True):
            link(data, part, files)
            os.link(data / "global/pg_control", part / "global/pg_control")
    except OSError:
        return [data]
    return made


def relations(data: Path) -> list[tuple[str, int]]:
    """(path, bytes) of every file that pg_checksums looks through, as paths in the data folder."""
    found = []
    for tree in ("base", "global", "pg_tblspc"):
        for place, _, names in os.walk(data / tree, followlinks=True):
            inside = os.path.relpath(place, data)
            for name in names:
                with suppress(FileNotFoundError):  # recovery took it away
                    found.append((f"{inside}/{name}", os.stat(f"{place}/{name}").st_size))  # noqa: PTH116  a thousand times
    return [(path, size) for path, size in found if path != "global/pg_control"]


def link(data: Path, into: Path, files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """A folder with links to some files and to some whole folders of a data folder, but without a control file.

    Raises:
        OSError: the file system knows none.
    """
    for tree in ("base", "global", "pg_tblspc"):
        (into / tree).mkdir(parents=True)
    os.link(data / "PG_VERSION", into / "PG_VERSION")
    for path in folders:
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        (into / path).symlink_to(data / path)
    made = set()
    for path in files:
        if (place := _folder(path)) not in made:
            (into / place).mkdir(parents=True, exist_ok=True)
            made.add(place)
        with suppress(FileNotFoundError):
            os.link(f"{data}/{path}", f"{into}/{path}")


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


_STATE = 16  # of ControlFileData: behind two numbers of 32 bits and one of 64, in every version
_SHUT_DOWN = 1  # DB_SHUTDOWNED (pg_control.h)


def shut_down(control: bytes) -> bytes | None:
    """A control file that is the same, but says that the cluster was shut down; None where it is none.

    Its checksum, a CRC-32C of what lies before it, has another place in each version: it is where it fits.
    """
    sum_ = 0xFFFFFFFF
    for at, byte in enumerate(control[:1024]):
        if at > _STATE and at % 4 == 0 and struct.pack("=I", sum_ ^ 0xFFFFFFFF) == control[at : at + 4]:
            said = control[:_STATE] + struct.pack("=i", _SHUT_DOWN) + control[_STATE + 4 : at]
            return said + struct.pack("=I", _crc32c(said) ^ 0xFFFFFFFF) + control[at + 4 :]
        sum_ = _crc32c(bytes([byte]), sum_)
    return None


def _crc32c(data: bytes, sum_: int = 0xFFFFFFFF) -> int:
    """Not yet turned over, so that it can go on."""
    for byte in data:
        sum_ ^= byte
        for _ in range(8):
            sum_ = (sum_ >> 1) ^ (0x82F63B78 if sum_ & 1 else 0)
    return sum_


# -- the machine -------------------------------------------------------------------------------------------------


def in_memory(bytes_: int) -> bool:
    """Whether a backup and its copy, of so many bytes each, stay in memory once they were read.

    Linux tells; elsewhere it isn't known.
    """
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return bytes_ * 3 < 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return False


_LOOKS = 5  # of which the second best counts: something always stirs for a moment


def idle_cores() -> int:
    """Cores that have nothing to do while we wait; none where it isn't known."""
    try:
        return (os.cpu_count() or 1) - sorted(_running() for _ in range(_LOOKS))[1]
    except (OSError, ValueError, IndexError):
        return 0


def _running() -> int:
    """Processes that run or want to, but for us."""
    time.sleep(0.002)
    return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[0]) - 1


# -- words -------------------------------------------------------------------------------------------------------


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout or "").splitlines() if line.strip()]
    grave = [line for line in lines if re.search(r"\b(error|ERROR|FATAL|PANIC|fatal)\b", line)]
    told = grave[-2:] or [*lines[:1], *lines[1:][-1:]]  # of what names no error the first tells why
    return _line(" / ".join(told)) or "it said nothing"


def _line(text: str) -> str:
    return " ".join(text.split())[:_SAID]


def server_account(name: str | None, places: Iterable[Path]) -> Mapping[str, Any]:
    """Whose the copy is: ours; as root, who is named, who owns the backups, postgres, or nobody.

    Raises:
        DrillError: there is no such account.
    """
    if os.geteuid() != 0:
        if name is not None:
            raise DrillError("--account: only root can run the copy as somebody else")
        return {}
    if name is not None:
        try:
            found = embedded.account(name)
        except KeyError:
            raise DrillError(f"--account {name}: there is no such account") from None
        if found["user"] == 0:
            raise DrillError("--account root: PostgreSQL doesn't run as root; name another one")
        return found
    for place in places:
        with suppress(OSError, KeyError):
            if uid := place.stat().st_uid:
                import pwd  # noqa: PLC0415  not on every platform

                return embedded.account(pwd.getpwuid(uid).pw_name)
    for candidate in ("postgres", "nobody"):
        with suppress(KeyError):
            return embedded.account(candidate)
    return {}


def runtime(major: int, environment: Mapping[str, str]) -> Runtime:
    try:
        return embedded.runtime_of(major, environment)
    except EmbeddedError as error:
        raise DrillError(str(error)) from None
