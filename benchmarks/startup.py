"""What starting costs: `--version` under 2 times, `--help` under 8 times the bare interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.timing import fastest

RUNS = 40


def main() -> None:
    command = str(Path(sys.executable).with_name("readiness"))
    took = fastest(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "readiness --version": [command, "--version"],
            "readiness --help": [command, "--help"],
            "readiness score --help": [command, "score", "--help"],
        },
        runs=RUNS,
    )
    bare = took["python -c pass"]
    print(f"startup, the fastest of {RUNS} runs in turn")
    for name, seconds in took.items():
        print(f"  {name:24} {seconds * 1000:7.1f} ms  {seconds / bare:5.2f} x")
