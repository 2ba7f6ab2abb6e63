"""What an audit costs who works beside it: the server's own figures, pgbench in paired rounds, and DDL in a loop.

An audit asks one thing at a time over one session, and while others are at work in a quarter of the time: its default pacing. Its
client runs on the same machine here, and takes more of it than the server does for it, which on a real platform it doesn't; so two
ways are told: one audit in each round, its client's own work counted as if it were the server's; and one audit after the other, with
their client at the lowest priority.

The rounds with and without are paired, in an order that is drawn for each pair. Told is the mean loss with its upper 95 % bound
(Student's t over the pairs' log ratios), after as many pairs as bring that under the limit, up to a number. The same without any
audit on either side, the null, shows what the machine by itself does to such figures.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from readiness import audit, embedded, policy, profile
from readiness.audit import Request
from readiness.drills import load
from readiness.embedded import Cluster
from readiness.quantiles import quantile

PAIRS = int(os.environ.get("READINESS_BENCH_PAIRS", "32"))
FEWEST = 8  # pairs, before a bound is believed
SECONDS = int(os.environ.get("READINESS_BENCH_SECONDS", "20"))
ALTERS = int(os.environ.get("READINESS_BENCH_ALTERS", "2000"))
LOSS = 0.10
AUDITOR = "bench_auditor"
# Two-sided 90 %, so one side 95 %: Student's t for 1, 2... degrees of freedom (any table of it); beyond, the next lower.
_T95 = {
    1: 6.314,
    2: 2.920,
    3: 2.353,
    4: 2.132,
    5: 2.015,
    7: 1.895,
    9: 1.833,
    14: 1.761,
    19: 1.729,
    29: 1.699,
    39: 1.685,
}

_AUDITS = """
import os, sys
from readiness import audit, policy, profile
from readiness.audit import Request
os.nice(int(sys.argv[2]))
request = Request(profile=profile.without_file(), policy=policy.load("beta", {}), dsn=sys.argv[1])
for line in sys.stdin:
    audit.audit(request)
    print(flush=True)
"""


def main() -> None:
    settings: dict[str, str | int] = {
        "shared_preload_libraries": "pg_stat_statements",
        "max_connections": 60,
        "shared_buffers": "128MB",
    }
    with embedded.cluster(settings=settings, purpose="bench") as cluster:
        with cluster.connect() as admin:
            admin.execute("create database bench")
            admin.execute(f"create role {AUDITOR} login password 'bench' connection limit 5".encode())
            admin.execute(f"grant pg_monitor to {AUDITOR}".encode())
        with cluster.connect("bench") as admin:
            admin.execute(schema(10).encode())
            admin.execute("analyze")
        dsn = cluster.dsn("bench", user=AUDITOR, password="bench")
        server_cost(dsn)
        alters(cluster, dsn)
        rounds(cluster, dsn)


def server_cost(dsn: str) -> None:
    request = Request(profile=profile.without_file(), policy=policy.load("beta", {}), dsn=dsn)
    costs = [c for _ in range(5) if (c := audit.audit(request).document.cost) is not None]
    print("one audit of 10 tables, as a role with pg_monitor, no profile; median of 5 runs")
    cpu = [c.cpu_ms for c in costs if c.cpu_ms is not None]
    print(
        f"  CPU of its backend  {statistics.median(cpu):8.0f} ms (aim: under 200)" if cpu else "  CPU: not to be seen"
    )
    blocks = [c.blocks for c in costs if c.blocks is not None]
    print(
        f"  blocks              {statistics.median(blocks):8.0f}"
        if blocks
        else "  blocks: not told before PostgreSQL 18"
    )
    print(f"  statements          {statistics.median(c.statements for c in costs):8.0f}")
    print(f"  the longest of them {statistics.median(c.longest_ms for c in costs):8.1f} ms")


def schema(size: int) -> str:
    return f"""
    do $$ begin for n in 1..{size} loop
        execute format('create table t%s (id uuid primary key, parent uuid, a text, b text, c int, d timestamptz)', n);
        execute format('create index on t%s (parent)', n);
        execute format('create index on t%s (d)', n);
        execute format('alter table t%s add foreign key (parent) references t%s', n, greatest(1, n - 1));
    end loop; end $$
    """


class Auditor:
    """A process that audits when it is told to, with its modules loaded."""

    def __init__(self, dsn: str, *, nice: int) -> None:
        self.ended = 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AUDITS, dsn, str(nice)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._count, daemon=True).start()
        self.once()
        while not self.ended:
            assert self.process.poll() is None, "the audit failed"
            time.sleep(0.01)

    def _count(self) -> None:
        assert self.process.stdout is not None
        for _ in self.process.stdout:
            self.ended += 1

    def once(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def auditor(dsn: str, *, nice: int = 0, again: bool = True) -> Iterator[Auditor]:
    """An auditor at work: without a pause, or once."""
    made = Auditor(dsn, nice=nice)
    made.ended = 0
    for _ in range(10_000 if again else 1):  # it takes the next as soon as it is done with one
        made.once()
    try:
        yield made
    finally:
        made.close()


def alters(cluster: Cluster, dsn: str) -> None:
    """How long each ALTER TABLE waits, on a table that the audit looks at, alone and beside audits."""

    def waits(connection: psycopg.Connection, beside: Auditor | None = None) -> list[float]:
        found: list[float] = []
        while len(found) < ALTERS or (beside is not None and beside.ended < 5):
            at = len(found)
            started = time.perf_counter()
            connection.execute(f"alter table t{1 + at % 10} set (fillfactor = {90 + at % 10})".encode())
            found.append((time.perf_counter() - started) * 1000)
        return found

    with cluster.connect("bench") as connection:
        waits(connection)  # warm
        alone = waits(connection)
        with auditor(dsn) as made:
            beside = waits(connection, made)
            during = made.ended
    cap = profile.without_file().profile.probing.statement_seconds * 1000
    print(f"ALTER TABLE in a loop over 10 tables, {len(alone):,} alone and {len(beside):,} beside {during} audits")
    for name, of in (("alone", alone), ("beside audits", beside)):
        p99 = quantile(of, p=0.99)
        print(f"  {name:14} p99 {p99.point:8.2f} ms ({p99.lower:.2f} to {p99.upper:.2f}), max {max(of):8.2f} ms")
    added = quantile(beside, p=0.99).point - quantile(alone, p=0.99).point
    held = "kept" if max(beside) <= cap else "MISSED"
    print(f"  added: p99 {added:+.2f} ms, max {max(beside) - max(alone):+.2f} ms; the cap of {cap:g} ms is {held}")


def rounds(cluster: Cluster, dsn: str) -> None:
    found = load.pgbench()
    assert found is not None, "pgbench is not installed"
    program, environment = found
    with cluster.connect() as admin:
        admin.execute("create database work")
    with tempfile.TemporaryDirectory() as folder:
        passfile = Path(folder) / "pass"
        passfile.touch(0o600)
        passfile.write_text(f"*:*:*:*:{cluster.password}\n")
        where = cluster.dsn("work", password="").replace("password=''", "") + f" passfile={passfile}"

        def pgbench(*arguments: str) -> str:
            command = [str(program), *arguments, where]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

        pgbench("-i", "-q", "-s", "10")

        def tps(kind: str) -> float:
            out = pgbench("-n", kind, "-c", "8", "-j", "2", "-T", str(SECONDS))
            return float(next(line for line in out.splitlines() if line.startswith("tps = ")).split()[2])

        print(f"pgbench -c 8 -j 2, rounds of {SECONDS} s, up to {PAIRS} pairs")
        ways = (
            ("null, no audit at all", None, False),
            ("one audit a round", 0, False),
            ("one after the other", 19, True),
        )
        for kind, name in (("-S", "reads"), ("-N", "simple update")):
            for label, nice, again in ways:
                print(f"  {name:14} {label:22} {_paired(kind, tps, dsn, nice=nice, again=again)}", flush=True)


def _paired(kind: str, tps: Callable[[str], float], dsn: str, *, nice: int | None, again: bool) -> str:
    chance = random.Random(20261125)
    ratios: list[float] = []
    audited, low, high = 0, math.nan, math.inf
    while len(ratios) < PAIRS and not (len(ratios) >= FEWEST and high < LOSS):
        both: dict[bool, float] = {}
        for with_audits in chance.sample((False, True), 2):
            if with_audits and nice is not None:
                with auditor(dsn, nice=nice, again=again) as made:
                    both[True] = tps(kind)
                    audited += made.ended
            else:
                both[with_audits] = tps(kind)
        ratios.append(math.log(both[True] / both[False]))
        if len(ratios) > 1:
            mean, error = statistics.mean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))
            t = _T95[max(n for n in _T95 if n <= len(ratios) - 1)]
            low, high = (1 - math.exp(mean + sign * t * error) for sign in (1, -1))
    held = "too few pairs to say" if len(ratios) < FEWEST else "yes" if high < LOSS else "NO"
    verdict = "" if nice is None else f"; under {LOSS:.0%}: {held}, {audited} audits ended"
    told = f"loss {1 - math.exp(statistics.mean(ratios)):+6.1%}, 95 % bounds {low:+.1%} and {high:+.1%}"
    return f"{told}, {len(ratios)} pairs{verdict}"


if __name__ == "__main__":
    main()
