"""The sample platform's folder: its services' sources, and after the migration its repository with all that belongs there."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from readiness import profile
from readiness.demo import State
from readiness.demo.database import SQL

_SOURCES = Path(__file__).parent / "sources"


def lay_out(folder: Path, state: State) -> bool:
    """Fill a folder that is not there yet; whether it is a git repository.

    Before, the schema is nowhere but in the services' sources. After, it is in database/migrations, under git where
    this machine has it (a folder without history is what the audit finds otherwise).
    """
    shutil.copytree(_SOURCES / state, folder, copy_function=shutil.copyfile)
    (folder / "services" / "memory" / "data").mkdir()
    if state == "before":
        return False
    database = folder / "database"
    shutil.copytree(SQL / "migrations", database / "migrations", copy_function=shutil.copyfile)
    shutil.copytree(SQL / "seeds", database / "seeds", copy_function=shutil.copyfile)
    shutil.copytree(SQL / "cutover", database / "cutover", copy_function=shutil.copyfile)
    shutil.copyfile(SQL / "access.sql", database / "access.sql")
    (folder / profile.FILE_NAME).write_bytes(profile.shipped_text("devmentor"))
    (folder / ".gitignore").write_text("node_modules/\nservices/memory/data/\n.readiness/\n", encoding="utf-8")
    now = time.time()
    for path in folder.rglob("*"):
        os.utime(path, (now, now))  # as of one commit: no file is newer than another
    return _commit(folder)


def _commit(folder: Path) -> bool:
    """Everything in one commit, by nobody's configuration and with nobody's hooks."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    people = ("-c", "user.name=DevMentor", "-c", "user.email=team@devmentor.example", "-c", "commit.gpgsign=false")
    try:
        for arguments in (
            ("init", "--quiet", "--initial-branch=main", "--template="),
            ("add", "--all"),
            (*people, "commit", "--quiet", "--message", "The schema under migrations"),
        ):
            subprocess.run(
                ["git", *arguments], cwd=folder, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
