"""Rows against the points and objects that they name: seconds, and the memory that we take, by the number of ids.

The other side is made up as it is asked for, in a process of its own: the scroll and count of Qdrant, in the order of the
ids, from an arithmetic rule; so many points are held by no stand-in. Postgres is real, and so is everything of ours between.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from readiness import embedded
from readiness.authoring import Unobservable
from readiness.facts.links import Bound, compare, places
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.profile import Profile

IDS = [int(n) for n in os.environ.get("READINESS_BENCH_LINKS", "50000 500000 5000000").split()]
LOST = 10  # points that are missing; as many have no row


def written(number: int) -> str:
    """A UUID that grows with the number."""
    return f"{number:08x}-0000-4000-8000-000000000000"


class _Points(BaseHTTPRequestHandler):
    """Every second number is a point; of the first `LOST` there is the odd one instead."""

    protocol_version = "HTTP/1.1"
    number = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/scroll"):
            start = int(str(body.get("offset", "0"))[:8], 16)
            page = range(start, min(start + body["limit"], self.number))
            following = written(page.stop) if page.stop < self.number else None
            result: Any = {"points": [{"id": point(n)} for n in page], "next_page_offset": following}
        else:
            there = {point(n) for n in range(LOST)} | {written(2 * n) for n in range(LOST, LOST * 2)}
            result = [{"id": i} for i in body["ids"] if i in there]
        raw = json.dumps({"result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def point(n: int) -> str:
    return written(2 * n + 1) if n < LOST else written(2 * n)


def serve(number: int, told: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Numbered", (_Points,), {"number": number}))
    told.send(server.server_address[1])
    server.serve_forever()


def main() -> None:
    with embedded.cluster(settings={"max_wal_size": "4GB"}, fast=True, purpose="bench") as cluster:
        print(f"{'ids':>12} {'s':>8} {'CPU s':>8} {'MB at most':>11}")
        for number in IDS:
            with cluster.connect() as admin:
                admin.execute("drop table if exists chunks")
                admin.execute(
                    "create table chunks as select (lpad(to_hex(2 * n), 8, '0') || '-0000-4000-8000-000000000000')::uuid "
                    f"as point from generate_series(0, {number - 1}) as n order by random()".encode()
                )
                admin.execute("vacuum analyze chunks")
            ours, theirs = multiprocessing.Pipe()
            other = multiprocessing.Process(target=serve, args=(number, theirs), daemon=True)
            other.start()
            # A process of its own for each, so that the most that it held is its own.
            command = [sys.executable, "-m", "benchmarks.links", cluster.dsn(), str(ours.recv()), str(number)]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")
            other.kill()


def measure(dsn: str, port: int, number: int) -> None:
    rows = [{"table": "public.chunks", "column": "point"}]
    store = {"kind": "qdrant", "url": f"http://127.0.0.1:{port}", "collections": {"chunks": {"rows": rows}}}
    session = Postgres(dsn)
    asked = Profile.model_validate_json(json.dumps({"name": "bench", "stores": {"vectors": store}}))
    ((_, declared, place),) = places(Target(profile=asked, folder=Path(), now=datetime.now(UTC)))
    started, used = time.perf_counter(), time.process_time()
    assert not isinstance(place, Unobservable)
    found = compare(session, declared, place, Bound(ids=number, seconds=3600))
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    session.close()
    assert (found.rows, found.things, found.orphaned.count) == (number, number, LOST), found
    assert found.columns[0].unresolved.count == LOST, found
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{number:12,} {seconds:8.1f} {cpu:8.1f} {most:11.0f}")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
