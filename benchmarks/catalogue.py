"""What the static catalogue costs on large schemas: each check by itself, growth from 100 to 10,000 tables, memory.

A table has 10 columns, 5 indexes, a foreign key and a sequence. The aim: 10,000 tables under 10 s and 300 MB, 5,000
under 4 s. Memory is what the server's backends hold at the end without its shared buffers, and the peak of this process.

The whole is asked as an audit asks it by itself where nobody else is at work: two sessions, each at work at the next question
while we read an answer; what each check costs is measured by itself, one after the other, in another session.

Every check is asked, the SQL door's and the Python door's, of a profile that declares nothing, but for those that look at
more than the catalog: what text columns hold (a statement for each table, bounded by probing.sample_seconds) and how
large databases are on disk. Told beside: the whole schema, which is read only to be compared with a declaration.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from readiness import audit, embedded, profile, runner
from readiness.__main__ import collect_seldom
from readiness.authoring import Check
from readiness.embedded import Cluster
from readiness.facts.capacity import EarlierFigures, Figures
from readiness.facts.drills import DrillRecords
from readiness.facts.fingerprint import SchemaFingerprint
from readiness.facts.lanes import Lanes
from readiness.facts.postgres import Postgres
from readiness.facts.samples import TextSamples
from readiness.facts.target import Target

SIZES = (100, 1_000, 5_000, 10_000)
SHOWN = 15


def main() -> None:
    collect_seldom()  # as the command does
    sizes = tuple(map(int, os.environ.get("READINESS_BENCH_TABLES", "").split())) or SIZES
    # 128 MB of shared buffers is what Postgres has by default, of which a production server has more.
    settings: dict[str, str | int] = {"max_locks_per_transaction": 256, "shared_buffers": "128MB"}
    with embedded.cluster(settings=settings, fast=True, purpose="bench") as cluster:
        costs: dict[int, dict[str, Cost]] = {}
        checks = [c for c in audit.built_in_checks() if not {TextSamples, Figures} & {*c.facts.values()}]
        by_sql = sum(c.sends for c in checks)
        print(
            f"static catalogue, {by_sql} SQL checks and {len(checks) - by_sql} in Python, on n tables of 10 columns, 5 indexes,"
        )
        print("a foreign key, a sequence; besides: seconds to read the whole schema for a declaration, if there is one")
        print(
            f"  {'tables':>7} {'seconds':>8} {'by SQL':>8} {'CPU s':>7} {'longest ms':>11} {'backend MB':>11} {'client MB':>10}"
            f" {'whole schema':>13}"
        )
        for size in sizes:
            name = build(cluster, size)
            found = measure(cluster.dsn(name), checks)
            costs[size] = found.each
            client = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"  {size:7,} {found.whole.seconds:8.2f} {found.by_sql:8.2f} {found.whole.cpu:7.2f}"
                f" {max(c.seconds for c in found.each.values()) * 1000:11.0f}"
                f" {found.whole.backend_mb:11.0f} {client:10.0f} {whole_schema(cluster.dsn(name)):13.2f}",
                flush=True,
            )
        print(f"  the {SHOWN} dearest: CPU ms of the backend at {', '.join(f'{size:,}' for size in sizes)} tables")
        for check, _ in sorted(costs[sizes[-1]].items(), key=lambda item: -item[1].cpu)[:SHOWN]:
            print(f"  {check:52} {' '.join(f'{costs[size][check].cpu * 1000:8.0f}' for size in sizes)}")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one check: wall time, the backend's CPU time (which other work on the machine disturbs least), its memory."""

    seconds: float
    cpu: float
    backend_mb: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Of all checks: the whole, the seconds of it that SQL checks took, and each by itself."""

    whole: Cost
    by_sql: float
    each: dict[str, Cost]


def build(cluster: Cluster, size: int) -> str:
    """A database of so many tables in schemas of 250, a hundred a transaction."""
    name = f"catalogue_{size}"
    with cluster.connect() as admin:
        admin.execute(f"create database {name}".encode())
    with cluster.connect(name) as admin:
        for first in range(1, size + 1, 100):
            admin.execute(_TABLES.format(first=first, last=min(first + 99, size)).encode())
        # Rows made in a minute; autovacuum comes to catalogs that grew in years.
        for (catalog,) in admin.execute(_CATALOGS).fetchall():
            admin.execute(f"vacuum (analyze) {catalog}".encode())
    return name


_CATALOGS = """
select c.oid::pg_catalog.regclass::text
from pg_catalog.pg_class as c
where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace and c.relkind = 'r' and not c.relisshared
"""

_TABLES = """
do $$ begin for n in {first}..{last} loop
    if n % 250 = 1 then execute format('create schema s%s', n / 250); end if;
    execute format(
        'create table s%1$s.t%2$s (id bigint generated always as identity primary key, parent_id bigint, name text not null,'
        ' status varchar(20) check (status in (''a'', ''b'')), amount numeric(10, 2) default 0, at timestamptz default now(),'
        ' done boolean, tags text[], data jsonb, code uuid default gen_random_uuid())',
        (n - 1) / 250, n
    );
    execute format('create index on s%s.t%s (parent_id)', (n - 1) / 250, n);
    execute format('create index on s%s.t%s (at)', (n - 1) / 250, n);
    execute format('create index on s%s.t%s (lower(name))', (n - 1) / 250, n);
    execute format('create index on s%s.t%s (status) where done', (n - 1) / 250, n);
    execute format(
        'alter table s%1$s.t%2$s add foreign key (parent_id) references s%3$s.t%4$s',
        (n - 1) / 250, n, (greatest(n - 1, 1) - 1) / 250, greatest(n - 1, 1)
    );
end loop; end $$
"""


def measure(dsn: str, checks: Sequence[Check]) -> Measured:
    """The whole as an audit asks it, and then, in another session, the cost of each check by itself."""
    now = datetime.now(UTC)
    with session(dsn, now) as (postgres, facts):
        before, started = cpu_seconds(backend(postgres)), time.perf_counter()
        results = list(
            runner.run(checks, facts, parameters=lambda _: {}, selected=lambda _: True, now=now, evidence_days=30)
        )
        seconds = time.perf_counter() - started
        by_sql = sum(result.seconds for check, result in zip(checks, results, strict=True) if check.sends)
        pids = [backend(one) for one in facts.get(Lanes).sessions]
        whole = Cost(seconds, sum(map(cpu_seconds, pids)) - before, sum(map(own_memory, pids)))
        del results
    costs: dict[str, Cost] = {}
    with session(dsn, now) as (postgres, facts):
        pid = backend(postgres)
        for check in checks:
            spent, started = cpu_seconds(pid), time.perf_counter()
            runner.ask(check, facts, {})
            seconds = time.perf_counter() - started
            costs[check.info.id] = Cost(seconds, cpu_seconds(pid) - spent, own_memory(pid))
    return Measured(whole, by_sql, costs)


@contextmanager
def session(dsn: str, now: datetime) -> Iterator[tuple[Postgres, runner.Facts]]:
    """A session and the facts of a profile that declares nothing."""
    known = profile.Profile(name="bench")
    postgres = Postgres(dsn, statement_seconds=120, share_when_busy=known.probing.share_when_busy)
    target = Target(profile=known, folder=Path(), now=now)
    try:
        yield (
            postgres,
            runner.Facts(
                {
                    Target: target,
                    Postgres: postgres,
                    DrillRecords: DrillRecords(now=now),
                    EarlierFigures: EarlierFigures(),
                }
            ),
        )
    finally:
        postgres.close()


def backend(postgres: Postgres) -> int:
    """The pid of a session's server process."""
    pid: int = postgres.rows("select pg_catalog.pg_backend_pid() as pid", marker="bench")[0]["pid"]
    return pid


def whole_schema(dsn: str) -> float:
    postgres = Postgres(dsn, statement_seconds=120)
    try:
        started = time.perf_counter()
        SchemaFingerprint.of(postgres)
        return time.perf_counter() - started
    finally:
        postgres.close()


def cpu_seconds(pid: int) -> float:
    """What a process took so far (Linux, to the nanosecond): neither its waits nor what others did meanwhile."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def own_memory(pid: int) -> float:
    """MB of a process that are its alone (Linux): what it holds now, shared buffers left out."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6
