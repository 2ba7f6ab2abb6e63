"""Where in a repository a finding points to: CI marks a line there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from readiness.document import RunDocument

DEFAULT_PROFILE = "readiness.yaml"


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int


def of_finding(run: RunDocument, kind: str, subject: str, evidence: Mapping[str, Any]) -> Place:
    """The file that the evidence names (`file` from the profile's folder, `line`); else the profile's line.

    What was found live has no source line: the profile's, where its service or query is declared, or the database, is
    where a reader starts.
    """
    profile = profile_file(run)
    file, line = evidence.get("file"), evidence.get("line")
    if isinstance(file, str) and file:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(profile), file))
        return Place(_inside(path), line if isinstance(line, int) and line > 0 else 1)
    lines = run.target.profile_lines
    for key in (f"{kind}s.{subject}" if kind == "service" else f"queries.{subject}", "database"):
        if key in lines:
            return Place(profile, lines[key])
    return Place(profile, 1)


def of_run(run: RunDocument) -> Place:
    return Place(profile_file(run), 1)


def profile_file(run: RunDocument) -> str:
    """The profile, as a path within the repository that the audit was started in."""
    return _inside(posixpath.normpath((run.target.profile or DEFAULT_PROFILE).replace("\\", "/")))


def _inside(path: str) -> str:
    """CI refuses absolute paths, and those that leave the repository."""
    return posixpath.basename(path) if path.startswith(("/", "../")) or path == ".." else path
