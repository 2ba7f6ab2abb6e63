"""What a scrape costs: /metrics of one target and of a hundred, full and summary, and /probe of one among a hundred."""

from __future__ import annotations

import statistics
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from readiness import audit, embedded, fleet, policy, profile
from readiness.audit import Request
from readiness.document import RunDocument
from readiness.export import metrics
from readiness.export.metrics import Detail
from readiness.fleet import Attempt, Target
from readiness.serving.board import Board
from readiness.serving.web import Server, Site

SCRAPES = 60


def main() -> None:
    run = a_run()
    series = [
        sum(not line.startswith("#") for line in metrics.text([metrics.reading(run)], detail=detail).splitlines())
        for detail in Detail
    ]
    print(
        f"scrapes of what `serve` keeps: {series[0]} series a target, {series[1]} in summary ({len(run.checks)} checks)"
    )
    print(f"  {'':34} {'kB':>7} {'median ms':>10} {'slowest ms':>11}")
    for path, targets, detail in (
        ("/metrics", 1, Detail.FULL),
        ("/metrics", 100, Detail.FULL),
        ("/metrics", 100, Detail.SUMMARY),
        ("/probe?target=t7", 100, Detail.FULL),
    ):
        print(f"  {path:18} {targets:4} targets, {detail.value:8} {measure(run, path, targets, detail)}")


def a_run() -> RunDocument:
    with embedded.cluster(purpose="bench") as cluster:
        request = Request(profile=profile.without_file(), policy=policy.load("beta", {}), dsn=cluster.dsn())
        return audit.audit(request).document


def measure(run: RunDocument, path: str, targets: int, detail: Detail) -> str:
    known = [
        Target(name=f"t{n}", folder=Path(), profile=None, policy="beta", evidence=Path("/nowhere"), every=3600)
        for n in range(targets)
    ]
    board = Board(known)
    for target in known:
        board.end(target.name, Attempt(run=run, code=0), now=datetime.now(UTC))
    site = Site(board, detail=detail, now=lambda: datetime.now(UTC), alive=lambda: True)
    audits: list[str] = []
    fleet.attempt = lambda target, *_a, **_k: audits.append(target.name) or Attempt(run=None, code=None)  # type: ignore[func-returns-value]
    with Server(("127.0.0.1", 0), site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        took = []
        for _ in range(SCRAPES):
            started = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.place[1]}{path}") as answer:
                size = len(answer.read())
            took.append((time.perf_counter() - started) * 1000)
        server.shutdown()
    assert not audits, "a scrape started an audit"
    return f"{size / 1000:7.0f} {statistics.median(took):10.1f} {max(took):11.1f}"


if __name__ == "__main__":
    main()
