"""The content fingerprint of one large table against `pg_dump | sha256sum` of the same table: seconds, and our memory."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from readiness import embedded
from readiness.drills import snapshot
from readiness.embedded import Cluster
from readiness.facts.content import Method

ROWS = int(os.environ.get("READINESS_BENCH_ROWS", "10000000"))
RUNS = 2

_MAKE = f"""
create table mix (id bigint primary key, uid uuid, email text, body text, amount numeric(12, 2), at timestamptz, ok boolean, doc jsonb);
insert into mix
select
    g, gen_random_uuid(), 'user' || g || '@example.org', repeat(md5(g::text), 3), g * 1.37, now() + g * interval '1 second',
    g % 2 = 0, jsonb_build_object('a', g)
from generate_series(1, {ROWS}) as g
"""


def main() -> None:
    with embedded.cluster(
        settings={"shared_buffers": "512MB", "max_wal_size": "4GB"}, fast=True, purpose="bench"
    ) as cluster:
        with cluster.connect() as admin:
            admin.execute(_MAKE.encode())
            admin.execute("vacuum analyze mix")
            row = admin.execute("select pg_size_pretty(pg_table_size('mix'))").fetchone()
        assert row is not None
        print(f"one table of {ROWS:,} rows, {row[0]}; the fastest of {RUNS} runs in turn")
        contenders: dict[str, Callable[[], None]] = {
            "pg_dump | sha256sum": lambda: dumped(cluster),
            "snapshot, fast, 2 workers": lambda: taken(cluster, Method.FAST, 2),
            "snapshot, fast, 1 worker": lambda: taken(cluster, Method.FAST, 1),
            "snapshot, portable, 2 workers": lambda: taken(cluster, Method.PORTABLE, 2),
        }
        best = dict.fromkeys(contenders, float("inf"))
        for _ in range(RUNS):
            for name, run in contenders.items():
                started = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - started)
        for name, seconds in best.items():
            print(f"  {name:30} {seconds:7.2f} s  {seconds / best['pg_dump | sha256sum']:5.2f} x")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        taken(cluster, Method.FAST, 2)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"  our peak memory {after / 1024:.0f} MB; one more snapshot added {(after - before) / 1024:.1f} MB")


def dumped(cluster: Cluster) -> None:
    environment = cluster.runtime.env() | {"PGPASSWORD": cluster.password}
    command = '"$0" -h 127.0.0.1 -p "$1" -U postgres -a -t mix postgres | sha256sum'
    subprocess.run(
        ["sh", "-c", command, str(cluster.runtime.bindir / "pg_dump"), str(cluster.port)],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def taken(cluster: Cluster, method: Method, workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshot.take(cluster.dsn(), Path(folder) / "s", method=method, workers=workers, rows_up_to=0)


if __name__ == "__main__":
    main()
