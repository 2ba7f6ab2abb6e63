"""A wait, and how much of it may have been for a CPU of our own.

On a busy machine we don't run as soon as the answer is there. Linux tells how long a thread was ready to run and had to wait
(the second number of /proc/thread-self/schedstat, in nanoseconds: https://docs.kernel.org/scheduler/sched-stats.html). The other
side may have been at work meanwhile, so it isn't subtracted: what was waited for took between the two.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait in milliseconds, and in how much of it our own thread had no CPU: 0 where the system doesn't tell."""

    milliseconds: float
    ours: float = 0.0

    @property
    def least(self) -> float:
        """What it took at the least, in milliseconds."""
        return self.milliseconds - self.ours


class Stopwatch:
    """Begins when it is made; for the thread that makes it."""

    def __init__(self) -> None:
        self._ours = _waited_for_cpu()
        self._began = time.perf_counter()

    def read(self) -> Wait:
        milliseconds = (time.perf_counter() - self._began) * 1000
        return Wait(milliseconds, min(milliseconds, _waited_for_cpu() - self._ours))


def _waited_for_cpu() -> float:
    """Milliseconds that this thread has been ready to run without a CPU, since it began."""
    try:
        descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # another system, or a kernel without it
        return 0.0
    try:
        return int(os.read(descriptor, 100).split()[1]) / 1e6
    finally:
        os.close(descriptor)
