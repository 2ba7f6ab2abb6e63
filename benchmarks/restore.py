"""The restore drill against the plain restore that anybody would do by hand: seconds until sessions are taken, and in all.

With the backup still in memory, as it was written a moment ago, and with it on the disk, as backups are: its files' pages are
given away before each restore by hand and before each drill.

With the source on this machine, read when the copy is up, as where no core is idle; and as the drill does it by itself on a machine
that does nothing else: read by the idle core while the backup is restored.

The source's own files are in memory, as those of a living database are. `week` and `tar-week` are the plain and the
packed base backup with about 1 GB of WAL behind them, of updates and inserts in the newest tenth of the table, recovered to a moment
behind which more was written.

Beside the plain restore stands its removal, which the drill has done; and what proves a backup by hand without its source:
pg_verifybackup (of a base backup), the restore, pg_amcheck, and pg_checksums of the copy when it is stopped, one after the other.

At last what the drill has to find at this size: a damaged backup, a missing table, a changed row.
"""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from readiness import embedded
from readiness import profile as profiles
from readiness.drills import copies, restore
from readiness.drills.restore import Options, Result
from readiness.embedded import Cluster, Runtime
from readiness.profile import Profile

ROWS = int(os.environ.get("READINESS_BENCH_ROWS", "6500000"))
RUNS = int(os.environ.get("READINESS_BENCH_RUNS", "4"))
RUNS_OF_OTHERS = 2  # of what the drill is not measured against
SHAPE = os.environ.get("READINESS_BENCH_SHAPE", "")  # narrow or wide; both
STORES = os.environ.get("READINESS_BENCH_STORES", "pgbackrest,basebackup,tar,tar-week,week").split(",")
IN_A_WEEK = {"tar-week": "tar", "week": "basebackup"}  # the same backups, restored when much was written behind them
WAL_BYTES = int(os.environ.get("READINESS_BENCH_WAL_MB", "1024")) * 2**20
idle_cores = copies.idle_cores
DEBIAN = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A database of about 1.2 GB, one table of it: what a comparison costs hangs on its rows, a copy's cost on its bytes."""

    name: str
    kind: str
    rows: int
    columns: str
    values: str

    @property
    def statement(self) -> str:
        made = f"create table mix (id bigint primary key, uid uuid, at timestamptz, ok boolean, {self.columns})"
        return f"{made}; {self.inserted(1, self.rows)}"

    def inserted(self, first: int, last: int) -> str:
        return (
            f"insert into mix select g, gen_random_uuid(), now() + g * interval '1 second', g % 2 = 0, {self.values} "
            f"from generate_series({first}, {last}) as g"
        )


SHAPES = (
    Shape(
        name="narrow rows",
        kind="narrow",
        rows=ROWS,
        columns="email text, body text",
        values="'user' || g || '@example.org', repeat(md5(g::text), 2)",
    ),
    Shape(
        name="rows of 1 kB with texts and a document",
        kind="wide",
        rows=ROWS // 5,
        columns="email text, amount numeric(12, 2), body text, doc jsonb",
        values="""
            'user' || g || '@example.org', g * 1.37,
            (select string_agg(md5(g || '/' || i), ' ') from generate_series(1, 15) as i),
            jsonb_build_object(
                'status', 'open', 'score', g * 0.01, 'token', md5('t' || g), 'tags', jsonb_build_array('a', g % 10, null),
                'address', jsonb_build_object('city', 'City ' || g % 1000, 'street', md5('s' || g), 'number', g % 200)
            )""",
    ),
)


@dataclass(slots=True, kw_only=True)
class Took:
    """Seconds of each run, and CPU seconds."""

    by_hand_cpu: list[float] = field(default_factory=list)
    proved: list[float] = field(default_factory=list)
    cpu: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    by_hand: list[float] = field(default_factory=list)
    removed: list[float] = field(default_factory=list)
    rto: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    in_all: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    meanwhile: int = 0
    steps: dict[bool, list[Mapping[str, float]]] = field(default_factory=lambda: {False: [], True: []})


def main() -> None:
    if shutil.which("pgbackrest") is None or not (DEBIAN / "postgres").exists():
        print("needs Debian's pgbackrest and postgresql-15")
        return
    print(f"seconds; {RUNS} runs in turn, the best of them against the best, and the middle one against the middle one")
    for shape in (s for s in SHAPES if SHAPE in ("", s.kind)):
        with embedded.cluster(Runtime(DEBIAN), fast=True, purpose="bench", prepare=_archives) as cluster:
            _fill(cluster, shape)
            with cluster.connect() as admin:
                row = admin.execute("select pg_size_pretty(pg_database_size('postgres'))").fetchone()
            assert row is not None
            print(f"{shape.name}: {shape.rows:,}, a database of {row[0]}", flush=True)
            stores = [name for name in ("pgbackrest", "basebackup", "tar") if name in STORES]
            for name, cold in itertools.product(stores, (False, True)):
                compare(cluster, name, cold=cold)
            for name in stores:
                faults(cluster, name)
            if weeks := [name for name in IN_A_WEEK if name in STORES]:
                until = a_week(cluster, shape)
                for week, cold in itertools.product(weeks, (False, True)):
                    compare(cluster, week, cold=cold, until=until)
                for week in weeks:
                    faults(cluster, week, until=until)


def compare(cluster: Cluster, name: str, *, cold: bool, until: datetime | None = None) -> None:
    """One way of backing up, by hand and by the drill in turn."""
    folder = cluster.workshop.folder
    store = IN_A_WEEK.get(name, name)
    backrest = _backrest(folder)
    backup, tar, wal = folder / "base" / "first", folder / "tar" / "first", folder / "wal"
    plain: dict[str, Callable[[Path], None]] = {
        "pgbackrest": lambda data: _by_pgbackrest(cluster, backrest, data),
        "basebackup": lambda data: _by_hand(cluster, ["cp", "-RLp", f"{backup}/.", data], wal, data, until),
        "tar": lambda data: _by_hand(cluster, ["tar", "-xzf", tar / "base.tar.gz", "-C", data], wal, data, until),
    }
    manifests = {"basebackup": backup / "backup_manifest", "tar": tar / "backup_manifest"}
    took = Took()
    by_hand = plain[store]
    for run in range(RUNS):
        _settle(cluster, cold=cold)
        before = _cpu(cluster)
        seconds, removal = _plain(cluster, by_hand)
        took.by_hand.append(seconds)
        took.removed.append(removal)
        took.by_hand_cpu.append(_cpu(cluster) - before)
        if run < RUNS_OF_OTHERS:
            _settle(cluster, cold=cold)
            took.proved.append(_plain(cluster, by_hand, proofs=True, manifest=manifests.get(store))[0])
        for idle in (False, True) if run < RUNS_OF_OTHERS else (True,):
            _settle(cluster, cold=cold)
            copies.idle_cores = idle_cores if idle else _none
            before, began = _cpu(cluster), time.perf_counter()
            found = _drill(cluster, store, until)
            took.in_all[idle].append(time.perf_counter() - began)
            took.cpu[idle].append(_cpu(cluster) - before)
            assert found.passed, found.findings
            assert not found.like.unproved, found.like.unproved
            assert until is None or found.like.since, "nothing was written since"
            took.rto[idle].append(found.rto_seconds or float("inf"))
            took.steps[idle].append(found.steps)
            took.meanwhile += found.read_meanwhile
    where = "on the disk" if cold else "in memory"
    own = f"{_all(took.by_hand)}, CPU {_all(took.by_hand_cpu)}, then its removal {_all(took.removed)}"
    print(f"  {name}, {where}: by hand {own}; load {os.getloadavg()[0]:.1f}")
    with_removal = [restored + removed for restored, removed in zip(took.by_hand, took.removed, strict=True)]
    for idle, how_read in ((False, "when the copy is up"), (True, f"meanwhile in {took.meanwhile} of {RUNS}")):
        rto, in_all = took.rto[idle], took.in_all[idle]
        print(f"    the source is read {how_read}: until sessions {_all(rto)}, {_over(rto, took.by_hand)}")
        print(f"      in all {_all(in_all)}, {_over(in_all, took.by_hand)}, CPU {_all(took.cpu[idle])}")
        print(f"      in all, {_over(in_all, with_removal)} and its removal")
        print(f"      {took.steps[idle][in_all.index(min(in_all))]}", flush=True)
    proved = min(took.proved)
    over = (min(took.in_all[True]) / proved - 1) * 100
    print(f"    proved by hand, without its source: {_all(took.proved)}; the drill {over:+.0f} %", flush=True)


def faults(cluster: Cluster, name: str, *, until: datetime | None = None) -> None:
    """What a drill of this size has to find: a damaged backup, and a table and a row that the copy hasn't as the source has them."""
    folder, store = cluster.workshop.folder, IN_A_WEEK.get(name, name)
    place = folder / {"pgbackrest": "repo", "basebackup": "base", "tar": "tar"}[store]
    largest = max((path for path in place.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    _turn_a_byte(largest)
    try:
        damaged = _drill(cluster, store, until)
    finally:
        _turn_a_byte(largest)
    assert damaged.findings, "the damaged backup was not found"
    compared = restore._compare  # noqa: SLF001  between the restore and the comparison

    def tampered(copy: copies.Copy, *arguments: Any, **options: Any) -> None:
        with psycopg.connect(copy.dsn(), autocommit=True) as session:
            session.execute("update mix set body = 'changed' where id = 7")
            session.execute("drop table aside")
        compared(copy, *arguments, **options)

    restore._compare = tampered  # noqa: SLF001
    try:
        found = _drill(cluster, store, until)
    finally:
        restore._compare = compared  # noqa: SLF001
    (changed,) = (f for f in found.findings if "public.mix" in f)
    assert changed.endswith(" rows, 1 changed (7)"), found.findings
    assert "table public.aside: is missing" in found.findings, found.findings
    print(f"  {name}, one byte of {largest.name} turned: {damaged.findings[0][:200]}")
    print(f"    a row of the copy changed, and a table dropped: {'; '.join(found.findings)}", flush=True)


def _turn_a_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0xFF]))


def _drill(cluster: Cluster, store: str, until: datetime | None) -> Result:
    folder = cluster.workshop.folder
    backups = {
        "pgbackrest": {"tool": "pgbackrest", "stanza": "main", "command": _backrest(folder)[:2]},
        "basebackup": {"tool": "basebackup", "directory": "base", "wal_directory": "wal"},
        "tar": {"tool": "basebackup", "directory": "tar", "wal_directory": "wal"},
    }
    source = profiles.Source(profile=Profile.model_validate({"name": "bench", "backups": backups}), folder=folder)
    how = Options(store=store, account="nobody" if cluster.owner else None, until=until)
    return restore.drill(source, cluster.dsn(), options=how)


def _none() -> int:
    return 0


def _settle(cluster: Cluster, *, cold: bool) -> None:
    """Nothing is still being written; the source's files are in memory, those of backups and archived WAL too, or where it is to be cold none."""
    os.sync()
    folder = cluster.workshop.folder
    for place in (cluster.data / "base", *(folder / name for name in ("repo", "base", "tar", "wal"))):
        for path in place.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    if cold and place.parent == folder:
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    else:
                        while file.read(2**20):
                            pass


def _cpu(cluster: Cluster) -> float:
    """CPU seconds of our process, of those that it started and that have ended, and of the source's ended sessions."""
    assert cluster.process is not None
    stat = Path(f"/proc/{cluster.process.pid}/stat").read_text().rpartition(")")[2].split()
    of_sessions = (int(stat[13]) + int(stat[14])) / os.sysconf("SC_CLK_TCK")  # cutime, cstime: proc(5)
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system + of_sessions


def _all(seconds: Sequence[float]) -> str:
    return " ".join(f"{one:.2f}" for one in seconds)


def _over(these: Sequence[float], by_hand: Sequence[float]) -> str:
    best, middle = (100 * (of(these) / of(by_hand) - 1) for of in (min, statistics.median))
    return f"{best:+.0f} % over the plain restore (medians {middle:+.0f} %)"


def _backrest(folder: Path) -> list[str]:
    return ["pgbackrest", f"--config={folder}/pgbackrest.conf", "--stanza=main"]


def _archives(made: Cluster) -> None:
    folder = made.workshop.folder
    for name in ("repo", "log", "lock", "spool", "base", "tar", "wal"):
        (folder / name).mkdir()
        made.give(folder / name)
    (folder / "pgbackrest.conf").write_text(
        f"[global]\nrepo1-path={folder}/repo\nlog-path={folder}/log\nlock-path={folder}/lock\nspool-path={folder}/spool\n"
        f"start-fast=y\n[main]\npg1-path={made.data}\npg1-port={made.port}\npg1-socket-path={folder}\npg1-user=postgres\n"
    )
    push = " ".join([*_backrest(folder), "archive-push", "%p"])
    made.configure(
        {
            "unix_socket_directories": str(folder),
            "archive_mode": "on",
            "archive_command": f"{push} && cp %p {folder}/wal/%f",
            "wal_level": "replica",
            "max_wal_size": "4GB",
        }
    )
    made.workshop.run(
        [made.runtime.bindir / "pg_checksums", "--enable", "-D", made.data],
        env=made.runtime.env(),
        cwd=folder,
        **made.owner,
    )


def _fill(cluster: Cluster, shape: Shape) -> None:
    folder = cluster.workshop.folder
    with cluster.connect() as admin:
        admin.execute("alter system set archive_command = '/bin/true'")  # what comes before the backup is not needed
        admin.execute("select pg_reload_conf()")
        admin.execute(shape.statement.encode())
        admin.execute(
            "checkpoint"
        )  # the rows' transaction is on the disk, else vacuum could not mark their pages as visible to all
        admin.execute("create table aside as select generate_series(1, 10) as id")
        admin.execute("vacuum analyze mix, aside")
        admin.execute("checkpoint")
        admin.execute("alter system reset archive_command")
        admin.execute("select pg_reload_conf()")
    env = {"PATH": "/usr/bin:/bin", "PGPASSWORD": cluster.password, "HOME": str(folder)}
    for words in (["stanza-create"], ["backup", "--type=full"]):
        cluster.workshop.run([*_backrest(folder), *words], env=env, cwd=folder, **cluster.owner)
    for name, how in (("base", ["-Fp"]), ("tar", ["-Ft", "-z"])):
        cluster.tool("pg_basebackup", "-D", str(folder / name / "first"), *how, "-X", "none", "-c", "fast")
    with cluster.connect() as admin:
        admin.execute(f"update mix set ok = not ok where id % 20 = 0 and id < {shape.rows // 4}".encode())
    _archived(cluster)


def _archived(cluster: Cluster) -> None:
    with cluster.connect() as admin:
        row = admin.execute("select pg_walfile_name(pg_switch_wal())").fetchone()
        while admin.execute("select last_archived_wal >= %s from pg_stat_archiver", row).fetchone() != (True,):
            time.sleep(0.1)


def a_week(cluster: Cluster, shape: Shape) -> datetime:
    """Write about as much as WAL_BYTES behind the backups: updates and inserts in the newest tenth, a checkpoint for every tenth of it.

    Returns:
        A moment behind which more was written.
    """
    rows = shape.rows
    some = "id in (select {} + (random() * {})::bigint from generate_series(1, {}))"
    with cluster.connect() as admin:
        for setting in (
            "full_page_writes = on",
            f"archive_command = 'cp %p {cluster.workshop.folder}/wal/%f'",
        ):
            admin.execute(f"alter system set {setting}".encode())
        admin.execute("select pg_reload_conf()")
        ((began,),) = admin.execute("select pg_current_wal_lsn()").fetchall()
        written = marked = 0
        while written < WAL_BYTES:
            hot = some.format(rows * 9 // 10, rows // 10, 20_000)
            admin.execute(f"update mix set ok = not ok, at = now() where {hot}".encode())
            admin.execute(shape.inserted(rows + 1, rows + 2_000).encode())
            rows += 2_000
            ((written,),) = admin.execute("select pg_current_wal_lsn() - %s::pg_lsn", [began]).fetchall()
            if written - marked > WAL_BYTES / 10:
                marked = written
                admin.execute("checkpoint")
        ((until,),) = admin.execute("select clock_timestamp()").fetchall()
        time.sleep(0.1)
        for _ in range(100):  # the copy's numbers go to what `faults` writes into it
            admin.execute("select pg_current_xact_id()")
        hot = some.format(rows * 9 // 10, rows // 10, 1_000)
        admin.execute(f"update mix set ok = not ok, at = now() where {hot}".encode())
        admin.execute(shape.inserted(rows + 1, rows + 200).encode())
    _archived(cluster)
    print(f"  a week later: {written / 2**20:.0f} MB of WAL, {rows:,} rows", flush=True)
    assert isinstance(until, datetime)
    return until


def _plain(
    cluster: Cluster, by_hand: Callable[[Path], None], *, proofs: bool = False, manifest: Path | None = None
) -> tuple[float, float]:
    """Seconds until sessions are taken, or with its proofs until they are through; and of its removal.

    Args:
        manifest: of the backup, which what was copied or unpacked is held against.
    """
    data = cluster.workshop.folder / "by-hand"
    data.mkdir(mode=0o700)
    cluster.give(data)
    began = time.perf_counter()
    try:
        by_hand(data)
        if manifest is not None:
            ignored = [f"--ignore={name}" for name in ("backup_manifest", "postgresql.conf", "recovery.signal")]
            cluster.tool("pg_verifybackup", "--no-parse-wal", "-m", str(manifest), *ignored, str(data))
        ended = _recovered(cluster, data, amcheck=proofs)
        if proofs:
            cluster.tool("pg_checksums", "--check", "-D", str(data))
            ended = time.perf_counter()
        removing = time.perf_counter()
        shutil.rmtree(data)
        return ended - began, time.perf_counter() - removing
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _by_pgbackrest(cluster: Cluster, backrest: list[str], data: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(cluster.workshop.folder)}
    words = [*backrest, f"--pg1-path={data}", "--archive-mode=off", "restore"]
    cluster.workshop.run(words, env=env, cwd="/", **cluster.owner)


def _by_hand(cluster: Cluster, copying: list[str | Path], wal: Path, data: Path, until: datetime | None) -> None:
    cluster.workshop.run(copying, cwd="/", **cluster.owner)
    with (data / "postgresql.conf").open("a") as file:
        file.write(f"archive_mode = off\nrestore_command = 'cp {shlex.quote(str(wal))}/%f %p'\n")
        if until is not None:
            file.write(f"recovery_target_time = '{until.isoformat(sep=' ')}'\nrecovery_target_action = 'promote'\n")
    (data / "recovery.signal").touch()
    cluster.give(data / "recovery.signal")


def _recovered(cluster: Cluster, data: Path, *, amcheck: bool) -> float:
    """Start it beside the source, and wait until recovery has ended."""
    port = cluster.workshop.port()
    own = {
        "port": port,
        "archive_mode": "off",
        "listen_addresses": "127.0.0.1",
        "fsync": "on",
        "shared_buffers": "128MB",
    }
    own |= {"synchronous_commit": "on", "full_page_writes": "on"}
    words = [w for name, value in own.items() for w in ("-c", f"{name}={value}")]
    process = cluster.workshop.start(
        [cluster.runtime.bindir / "postgres", "-D", data, *words],
        env=cluster.runtime.env(),
        cwd=data,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stop_signal=signal.SIGINT,
        **cluster.owner,
    )
    try:
        while True:
            try:
                with psycopg.connect(cluster.dsn(port=port), connect_timeout=5, autocommit=True) as session:
                    recovered = session.execute("select pg_is_in_recovery()").fetchone() == (False,)
                if recovered:
                    if amcheck:
                        cluster.tool("pg_amcheck", "-p", str(port), "--install-missing", "-d", "postgres")
                    return time.perf_counter()
            except psycopg.OperationalError:
                assert process.poll() is None, "it did not start"
            time.sleep(0.05)
    finally:
        cluster.workshop.stop(process)


if __name__ == "__main__":
    main()
