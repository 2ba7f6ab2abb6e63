"""What the finished platform has to show for itself: the product's own commands, run as its people run them.

Each keeps its record in the evidence store beside the platform's profile, where the audit finds it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness.demo import DemoError
from readiness.embedded import Workshop


@dataclass(frozen=True, slots=True)
class Commands:
    """`readiness ...` with the platform's profile.

    Args:
        environment: with the addresses that the profile asks for.
    """

    workshop: Workshop
    profile: Path
    environment: Mapping[str, str]

    def start(self, *arguments: str | Path, log: Path) -> subprocess.Popen[Any]:
        """Begin a command whose end is awaited later."""
        with log.open("wb") as out:
            return self.workshop.start(
                self._line(arguments), stdout=out, stderr=out, env=dict(self.environment), cwd=self.workshop.folder
            )

    def run(self, *arguments: str | Path) -> None:
        """Run a command to its end.

        Raises:
            DemoError: it found something wrong, or could not do its work.
        """
        done = self.workshop.run(
            self._line(arguments), check=False, text=True, env=dict(self.environment), cwd=self.workshop.folder
        )
        if done.returncode:
            raise DemoError(_told(arguments, done.stdout + done.stderr))

    def try_out(self, *arguments: str | Path) -> None:
        """Run a command that may say no: how fast this machine is, is not the platform's to promise.

        Raises:
            DemoError: it could not do its work.
        """
        try:
            self.run(*arguments)
        except DemoError as error:
            if "FAILED" not in str(error):
                raise

    def _line(self, arguments: tuple[str | Path, ...]) -> list[str | Path]:
        return [sys.executable, "-P", "-m", "readiness", *arguments, "--profile", self.profile]


def ended(process: subprocess.Popen[Any], arguments: tuple[str, ...], log: Path) -> None:
    """Wait for a command that was begun.

    Raises:
        DemoError: see `Commands.run`.
    """
    if process.wait():
        raise DemoError(_told(arguments, log.read_text(errors="replace")))


def environment(own: Mapping[str, str], bindir: Path) -> dict[str, str]:
    """A user's environment with the platform's addresses, and nothing that leads to another database or store."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "READINESS_", "PYTHONINSPECT"))}
    return kept | {"READINESS_PG_BINDIR": str(bindir)} | dict(own)


def _told(arguments: tuple[str | Path, ...], said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    words = " ".join(str(a) for a in arguments[:2])
    return f"readiness {words}: {' / '.join(lines[-3:]) or 'it said nothing'}"
