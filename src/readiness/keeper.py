"""A process that outlives its parent for as long as it takes to clean up after it.

Whoever starts servers or makes folders that must not stay tells the keeper. When the parent ends, in whatever way
(SIGKILL too), the keeper's standard input closes: it ends the processes, the last started first, and removes the
folders. Between the two it runs what else is to be done (a scratch database on somebody's server is dropped). Standard
library only; `readiness.embedded` starts it as a script.

Lines that it reads: `process PID SIGNAL`, `folder PATH`, `run JSON` (an argument list), and `forget` before any of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

PATIENCE_SECONDS = 10.0
RUN_SECONDS = 60.0
MARK = "READINESS_WORKSHOP"  # in the environment of every process that a workshop starts: its folder


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    processes: dict[int, int] = {}
    folders: dict[str, None] = {}
    commands: dict[str, None] = {}
    for line in sys.stdin:
        match line.rstrip("\n").split(" ", 2):
            case ["process", pid, number]:
                processes[int(pid)] = int(number)
            case ["folder", *rest]:
                folders[" ".join(rest)] = None
            case ["run", *rest]:
                commands[" ".join(rest)] = None
            case ["forget", "run", *rest]:
                commands.pop(" ".join(rest), None)
            case ["forget", "process", pid]:
                processes.pop(int(pid), None)
            case ["forget", "folder", path]:
                folders.pop(path, None)
    for pid, number in reversed(processes.items()):
        end(pid, number)
    for pid in untold(folders):
        end(pid, signal.SIGINT)
    for command in reversed(commands):
        run(command)
    for folder in folders:
        remove(folder)


def untold(folders: Iterable[str]) -> list[int]:
    """Processes of one of the folders, by their environment: their parent was killed between starting them and telling.

    Linux shows them; elsewhere they go on until they miss their folder.
    """
    marks = [f"{MARK}={folder}\0".encode() for folder in folders]
    found = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208  pathlib is slow to import
        if entry.isdecimal():
            with suppress(OSError), open(f"/proc/{entry}/environ", "rb") as file:  # noqa: PTH123
                environment = file.read()
                if any(mark in environment for mark in marks):
                    found.append(int(entry))
    return found


def end(pid: int, number: int) -> None:
    """Ask a process to end, and end it when it doesn't."""
    for sent in (number, signal.SIGKILL):
        try:
            os.kill(pid, sent)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if not alive(pid):
                return
            time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process still works; one that ended, and that nobody has asked about yet, does not."""
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  pathlib is slow to import
        return file.read().rpartition(b")")[2].split()[:1] != [b"Z"]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(command: str) -> None:
    """Run a program to its end, within bounds, whatever comes of it."""
    import json  # noqa: PLC0415  a keeper starts often and runs a program seldom
    import subprocess  # noqa: PLC0415

    with suppress(OSError, subprocess.SubprocessError):
        quiet = subprocess.DEVNULL
        subprocess.run(
            json.loads(command), check=False, timeout=RUN_SECONDS, stdin=quiet, stdout=quiet, stderr=quiet, cwd="/"
        )


def remove(folder: str) -> None:
    """Remove a folder. A program that was cut off may still write in it for a moment, so it is tried again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while os.path.lexists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.lexists(folder):
            time.sleep(0.05)


if __name__ == "__main__":
    main()
