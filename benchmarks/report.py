"""What the reports cost on 5,000 findings: the HTML in bytes, and its time beside the run document's own JSON."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from readiness import audit, embedded, policy, profile
from readiness.audit import Request
from readiness.document import FindingPart, RunDocument
from readiness.embedded import Cluster
from readiness.reporting.formats import render

FINDINGS = 5_000
RUNS = 15
TABLES = "do $$ begin for n in 1..20 loop execute format('create table t%s (id int, at timestamp, parent int)', n); end loop; end $$"


def main() -> None:
    with embedded.cluster(purpose="bench") as cluster:
        run = large(look(cluster))
    found = sum(len(c.findings) for c in run.checks)
    print(f"reports of a run with {found:,} findings: CPU, the least of {RUNS} turns; audit's own JSON = 1")
    calls: dict[str, Callable[[], str]] = {"own JSON": run.to_json}
    calls |= {
        name: partial(render, run, name) for name in ("json", "html", "markdown", "junit", "sarif", "gitlab", "csv")
    }
    took = fastest(calls)
    for name, seconds in took.items():
        size = len(calls[name]().encode())
        print(f"  {name:9} {seconds * 1000:7.1f} ms  {seconds / took['own JSON']:5.1f} x  {size / 1e6:6.2f} MB")
    whole(run)


def whole(run: RunDocument) -> None:
    """The same as a user waits for it: the command that reads the document and writes a report."""
    formats = ("json", "html", "markdown")
    best = dict.fromkeys(formats, float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "run.json"
        saved.write_text(run.to_json(), encoding="utf-8", errors="backslashreplace")
        command = [str(Path(sys.executable).with_name("readiness")), "report", str(saved), "-o", "-", "-f"]
        for _ in range(RUNS):
            for name in formats:
                before = _children()
                subprocess.run([*command, name], stdout=subprocess.DEVNULL, check=True)
                best[name] = min(best[name], _children() - before)
    print("  as a whole command, `readiness report -f FORMAT`: its CPU")
    for name, seconds in best.items():
        print(f"  {name:9} {seconds * 1000:7.0f} ms  {seconds / best['json']:6.2f} x")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def look(cluster: Cluster) -> RunDocument:
    with cluster.connect() as admin:
        admin.execute(b"create database bench_report")
    with cluster.connect("bench_report") as admin:
        admin.execute(TABLES.encode())
    request = Request(profile=profile.without_file(), policy=policy.load("beta", {}), dsn=cluster.dsn("bench_report"))
    return audit.audit(request).document


def large(run: RunDocument) -> RunDocument:
    """The same run, its failing checks with many findings of the length that real ones have."""
    failing = {c.id for c in run.checks if c.findings and c.weight}
    each = FINDINGS // len(failing)
    checks = []
    for c in run.checks:
        if c.id in failing:
            many = [_finding(n) for n in range(each)]
            checks.append(c.model_copy(update={"findings": many, "examined": each, "healthy": 0}))
        else:
            checks.append(c)
    return run.model_copy(update={"checks": checks})


def _finding(n: int) -> FindingPart:
    table = f"customer_{n:05}.orders_of_the_day"
    return FindingPart(
        subject=f"{table}:orders_customer_{n}_fkey",
        subject_kind="constraint",
        evidence={"columns": ["customer_id"], "refers_to": "public.customers", "estimated_rows": n},
        remedy=f"create index concurrently on {table} (customer_id);",
        waived=False,
        fingerprint=f"{n:032}",
    )


def fastest(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The least CPU time of each, in seconds; they take turns, and none waits for anything."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(RUNS):
        for name, call in calls.items():
            started = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - started)
    return best


if __name__ == "__main__":
    main()
