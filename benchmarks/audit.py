"""What an audit costs: wall time, statements, and the CPU time of its backend, on a database of a few tables and of many."""

from __future__ import annotations

import os
import time
from pathlib import Path

from readiness import audit, embedded, policy, profile
from readiness.audit import Request
from readiness.embedded import Cluster

SIZES = (10, 100, 1_000)


def main() -> None:
    with embedded.cluster(settings={"shared_preload_libraries": "pg_stat_statements"}, purpose="bench") as cluster:
        print("audit of a schema of n tables (8 columns, 3 indexes, a foreign key each), no profile")
        print(f"  {'tables':>7} {'seconds':>8} {'backend CPU ms':>15} {'slowest checks'}")
        for size in SIZES:
            print(f"  {size:7,} {measure(cluster, size)}")


def measure(cluster: Cluster, size: int) -> str:
    name = f"bench_{size}"
    with cluster.connect() as admin:
        admin.execute(f"create database {name}".encode())
    with cluster.connect(name) as admin:
        admin.execute(build(size).encode())
        admin.execute("analyze")
    request = Request(profile=profile.without_file(), policy=policy.load("beta", {}), dsn=cluster.dsn(name))
    before = cpu_of_backends(cluster)
    started = time.perf_counter()
    document = audit.audit(request).document
    seconds = time.perf_counter() - started
    spent = (cpu_of_backends(cluster) - before) * 1000
    slowest = sorted(document.checks, key=lambda c: -c.duration_ms)[:3]
    told = ", ".join(f"{c.id} {c.duration_ms:.0f} ms" for c in slowest)
    return f"{seconds:8.2f} {spent:15.0f} {told}"


def build(size: int) -> str:
    return f"""
    do $$ begin for n in 1..{size} loop
        execute format('create table t%s (id uuid primary key, parent uuid, a text, b text, c int, d timestamptz, e jsonb, f text[])', n);
        execute format('create index on t%s (parent)', n);
        execute format('create index on t%s (d)', n);
        execute format('alter table t%s add foreign key (parent) references t%s', n, greatest(1, n - 1));
    end loop; end $$
    """


def cpu_of_backends(cluster: Cluster) -> float:
    """Seconds of CPU that ended children of the server took (Linux): an audit's backend has ended when it is read."""
    assert cluster.process is not None
    time.sleep(0.3)
    fields = Path(f"/proc/{cluster.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
