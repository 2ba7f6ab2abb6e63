"""What the repository's CI runs, and on which changes: read from its configuration, never asked of a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from readiness.facts.migrations import named_directory
from readiness.facts.target import Target

MOST_BYTES = 1_000_000
_PLACES = (
    *(".github/workflows/*.yml", ".github/workflows/*.yaml", ".gitlab-ci.yml", ".gitlab/ci/*.yml", "Jenkinsfile"),
    *("azure-pipelines.yml", ".azure-pipelines/*.yml", "bitbucket-pipelines.yml", ".circleci/config.yml"),
    *(".drone.yml", ".woodpecker.yml", ".woodpecker/*.yml", ".buildkite/pipeline.yml", ".travis.yml", ".ci/*"),
    *(".forgejo/workflows/*.yml", ".gitea/workflows/*.yml", "cloudbuild.yaml", ".teamcity/*.kts"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One file of the CI's configuration.

    Args:
        path: from the repository's root.
        commands: what it runs, with what those commands call in the repository (make targets, npm scripts, scripts).
        on_change: whether it runs on every change of the migrations folder; None where its form does not tell.
    """

    path: str
    commands: str
    on_change: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipelines:
    """The CI configuration of the repository that the migrations lie in."""

    root: str
    migrations: str
    found: tuple[Pipeline, ...]

    @classmethod
    def take(cls, target: Target) -> Self:
        directory = named_directory(target)
        root = _root(target.path(directory), target.folder)
        folder = _below(target.path(directory), root)
        found = []
        for place in _PLACES:
            for path in sorted(root.glob(place)):
                if path.is_file():
                    text = _text(path)
                    shown = str(path.relative_to(root))
                    if "/workflows/" in shown:
                        found.append(_workflow(root, shown, text, folder))
                    else:
                        bare = without_remarks(text)
                        found.append(Pipeline(path=shown, commands=bare + _called(root, bare), on_change=None))
        return cls(root=str(root), migrations=folder, found=tuple(found))


def _root(start: Path, otherwise: Path) -> Path:
    """The nearest folder above that has a `.git`; the profile's own without one."""
    start = start.resolve()
    return next((p for p in (start, *start.parents) if (p / ".git").exists()), otherwise.resolve())


def _below(path: Path, root: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def without_remarks(text: str) -> str:
    """A configuration or shell script less the lines that are remarks."""
    return re.sub(r"^\s*(?:#|//)[^\n]*$", "", text, flags=re.MULTILINE)


def _workflow(root: Path, shown: str, text: str, folder: str) -> Pipeline:
    """A workflow of GitHub's form: its steps, and whether a change of the folder starts it."""
    try:
        whole = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        whole = None
    if not isinstance(whole, Mapping):
        return Pipeline(path=shown, commands="", on_change=None)
    commands = "\n".join(_steps(whole))
    started = whole.get("on", whole.get(True))  # YAML 1.1 takes a bare `on` for true
    return Pipeline(path=shown, commands=commands + _called(root, commands), on_change=_starts(started, folder))


def _steps(whole: Mapping[Any, Any]) -> Iterator[str]:
    jobs = whole.get("jobs")
    for job in jobs.values() if isinstance(jobs, Mapping) else ():
        if not isinstance(job, Mapping):
            continue
        if isinstance(job.get("uses"), str):
            yield job["uses"]
        steps = job.get("steps")
        for step in steps if isinstance(steps, list) else ():
            if isinstance(step, Mapping):
                yield from (step[k] for k in ("uses", "run") if isinstance(step.get(k), str))


def _starts(started: Any, folder: str) -> bool:
    """Whether a pull request or a push that changes the folder starts it."""
    if isinstance(started, str):
        started = [started]
    if isinstance(started, list):
        return any(event in started for event in ("push", "pull_request", "pull_request_target", "merge_group"))
    if not isinstance(started, Mapping):
        return False
    for event in ("pull_request", "push", "pull_request_target", "merge_group"):
        if event not in started:
            continue
        limits = started[event] if isinstance(started[event], Mapping) else {}
        paths, ignored = _list(limits.get("paths")), _list(limits.get("paths-ignore"))
        if event == "push" and not _list(limits.get("branches")) and _list(limits.get("tags")):
            continue  # tags alone
        wanted = [p for p in paths if not p.startswith("!")]
        unwanted = [*ignored, *(p[1:] for p in paths if p.startswith("!"))]
        probe = f"{folder}/20990101000000_new.sql"
        if (not paths or any(_covers(p, probe) for p in wanted)) and not any(_covers(p, probe) for p in unwanted):
            return True
    return False


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(v) for v in value] if isinstance(value, list) else []


def _covers(pattern: str, path: str) -> bool:
    """GitHub's path filters: `*` stops at a slash, `**` doesn't."""
    form = "".join(
        ".*" if piece == "**" else "[^/]*" if piece == "*" else "[^/]" if piece == "?" else re.escape(piece)
        for piece in re.split(r"(\*\*|\*|\?)", pattern)
        if piece
    ).replace(r".*/", r"(?:.*/)?")
    return bool(re.fullmatch(form, path))


def _called(root: Path, commands: str) -> str:
    """What the commands call that lies in the repository: make's recipes, npm's scripts, scripts by their path."""
    found = []
    if re.search(r"\bmake\b", commands):
        found.append(without_remarks(_text(root / "Makefile")))
    if re.search(r"\b(?:npm|pnpm|yarn|bun)\b", commands):
        found.append(_text(root / "package.json"))
    if re.search(r"\b(?:tox|nox|pre-commit|just|task)\b", commands):
        found += [
            without_remarks(_text(root / n))
            for n in ("tox.ini", "noxfile.py", ".pre-commit-config.yaml", "justfile", "Taskfile.yml")
        ]
    for name in sorted(set(re.findall(r"(?<![\w/.-])(?:\./)?([\w.-]+(?:/[\w.-]+)*)", commands))):
        path = (root / name).resolve()
        if ("/" in name or name.endswith(".sh")) and path.is_relative_to(root) and path.is_file():
            found.append(without_remarks(_text(path)))
    return "".join(f"\n{text}" for text in found)
