"""What the static catalogue costs on large schemas: each SQL check by itself, growth from 100 to 10,000 tables, memory.

A table has 10 columns, 5 indexes, a foreign key and a sequence. The aim: 10,000 tables under 10 s and 300 MB, 5,000
under 4 s. Memory is the peak of the server's backend without its shared buffers, and of this process.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from readiness import audit, embedded, profile, runner
from readiness.embedded import Cluster
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target

SIZES = (100, 1_000, 5_000, 10_000)
SHOWN = 12


def main() -> None:
    sizes = tuple(map(int, os.environ.get("READINESS_BENCH_TABLES", "").split())) or SIZES
    with embedded.cluster(settings={"max_locks_per_transaction": 256}, fast=True, purpose="bench") as cluster:
        took: dict[int, dict[str, float]] = {}
        print("static catalogue (every SQL check) on n tables of 10 columns, 5 indexes, a foreign key, a sequence")
        print(f"  {'tables':>7} {'seconds':>8} {'CPU s':>7} {'longest ms':>11} {'backend MB':>11} {'client MB':>10}")
        for size in sizes:
            name = build(cluster, size)
            took[size], backend, cpu = measure(cluster.dsn(name))
            client = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"  {size:7,} {sum(took[size].values()):8.2f} {cpu:7.2f} {max(took[size].values()) * 1000:11.0f}"
                f" {backend:11.0f} {client:10.0f}",
                flush=True,
            )
        largest, before = sizes[-1], sizes[max(0, len(sizes) - 3)]
        print(
            f"  the {SHOWN} dearest at {largest:,} tables, ms; growth: times their cost at {before:,}, linear is {largest // before}"
        )
        for check, seconds in sorted(took[largest].items(), key=lambda item: -item[1])[:SHOWN]:
            growth = seconds / max(took[before][check], 1e-4)
            told = " ".join(f"{took[size][check] * 1000:8.0f}" for size in sizes)
            print(f"  {check:52} {told}  x {growth:.1f}")


def build(cluster: Cluster, size: int) -> str:
    """A database of so many tables in schemas of 250, a hundred a transaction."""
    name = f"catalogue_{size}"
    with cluster.connect() as admin:
        admin.execute(f"create database {name}".encode())
    with cluster.connect(name) as admin:
        for first in range(1, size + 1, 100):
            admin.execute(_TABLES.format(first=first, last=min(first + 99, size)).encode())
        admin.execute("analyze pg_catalog.pg_class, pg_catalog.pg_attribute, pg_catalog.pg_constraint")
        admin.execute("analyze pg_catalog.pg_index, pg_catalog.pg_depend, pg_catalog.pg_type, pg_catalog.pg_sequence")
    return name


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


def measure(dsn: str) -> tuple[dict[str, float], float, float]:
    """Seconds of each SQL check; the backend's own memory at its peak in MB, and its CPU seconds."""
    postgres = Postgres(dsn, statement_seconds=120)
    target = Target(profile=profile.Profile(name="bench"), folder=Path(), now=datetime.now(UTC))
    facts = runner.Facts({Target: target, Postgres: postgres})
    took: dict[str, float] = {}
    peak = 0.0
    try:
        pid = postgres.rows("select pg_catalog.pg_backend_pid() as pid", marker="bench")[0]["pid"]
        for check in audit.built_in_checks():
            if check.source.startswith("/*---"):
                started = time.perf_counter()
                runner.ask(check, facts, {})
                took[check.info.id] = time.perf_counter() - started
                peak = max(peak, own_memory(pid))
        cpu = cpu_seconds(pid)
    finally:
        postgres.close()
    return took, peak, cpu


def cpu_seconds(pid: int) -> float:
    """What a process took so far (Linux): the figure that other work on the machine disturbs least."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_memory(pid: int) -> float:
    """MB of a process that are its alone (Linux): what it holds now, shared buffers left out."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0.0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
