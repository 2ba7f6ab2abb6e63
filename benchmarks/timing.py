"""Whole commands, timed in turn: the minimum of many runs is what the machine can do, whatever else it does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence


def fastest(commands: Mapping[str, Sequence[str]], *, runs: int) -> dict[str, float]:
    """The shortest of each command's wall times, in seconds; the commands take turns, so that a slow moment hits all."""
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            best[name] = min(best[name], time.perf_counter() - started)
    return best
