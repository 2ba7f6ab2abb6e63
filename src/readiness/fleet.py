"""Several targets: what a targets file names, each audited by a process of its own.

The process is `readiness score`, with the words that a user would say. So a target's questions, memory, environment and
faults stay its own, an audit can be ended however it hangs, and nothing is audited otherwise than by the main job. The
lock that a target's audits take is held by that process: no two of one target run at once, even when whoever started
the first is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from readiness import document, history, policy, profile, yamldoc
from readiness.document import RunDocument
from readiness.export.metrics import Detail
from readiness.facts.postgres import Postgres
from readiness.profile import Name, file_stem
from readiness.yamldoc import ConfigError

DEADLINE_SECONDS = 3600.0
PATIENCE_SECONDS = 10.0
DATABASE_VARIABLE = "READINESS_DATABASE"
LONGEST_WORDS = 2000
_LOOK_SECONDS = 0.1
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """`90s`, `15m`, `6h`, `1d` in seconds.

    Raises:
        ValueError: it is none of these, or nothing.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if found is None:
        raise ValueError("expected a duration: 90s, 15m, 6h or 1d")
    return float(found[1]) * _UNITS[found[2]]


def _duration(text: str) -> str:
    seconds_of(text)
    return text


Duration = Annotated[str, AfterValidator(_duration)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Item(_Section):
    """One target: what `readiness score` would be told."""

    profile: str | None = None
    """The profile's file, from this file's folder, or a shipped one's name. Default: readiness.yaml, found upwards."""
    policy: str = "beta"
    """`alpha`, `beta`, `ga`, or a file."""
    dsn: SecretStr | None = None
    """Goes before the profile's; keep the password out of it (`${VARIABLE}`, passfile, service)."""
    environment: dict[str, str] = {}
    """Variables of this target's audits alone: what tells two environments of one profile apart."""
    every: Duration | None = None
    """How often `serve` audits it, where that differs from the others."""
    evidence: str | None = None
    """The evidence store's file. Default: where `score` keeps it, by the profile."""


class TargetsFile(_Section):
    """Many targets, for `readiness serve` and `readiness fleet`."""

    every: Duration = "1h"
    """How often `serve` audits each of them."""
    parallel: int = Field(default=2, ge=1, le=64)
    """How many are audited at once."""
    metrics: Detail = Detail.FULL
    """`summary` leaves the series of single checks out."""
    targets: dict[Name, Item] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one audit needs to know.

    Args:
        name: what its runs are filed under, and its metrics' label.
        folder: where its relative paths start from.
        every: seconds between two audits of a schedule.
    """

    name: str
    folder: Path
    profile: str | None
    policy: str
    evidence: Path
    every: float
    dsn: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    targets: tuple[Target, ...]
    parallel: int = 1
    detail: Detail = Detail.FULL


def load(path: Path, environment: Mapping[str, str]) -> Fleet:
    """Read a targets file, and see that every profile and policy in it can be used.

    Raises:
        ConfigError: see `yamldoc`.
    """
    read = yamldoc.read(path)
    yamldoc.substitute(read, environment)
    found = yamldoc.validate(TargetsFile, read)
    folder = path.resolve().parent
    targets, problems = [], []
    for name, item in found.targets.items():
        try:
            targets.append(
                target(
                    name,
                    folder=folder,
                    profile_name=item.profile,
                    policy_name=item.policy,
                    dsn=item.dsn.get_secret_value() if item.dsn else "",
                    every=item.every or found.every,
                    evidence=folder / item.evidence if item.evidence else None,
                    environment=environment,
                    own=item.environment,
                )
            )
        except ConfigError as error:
            problems += [f"{read.mark(('targets', name))}: targets.{name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(*problems)
    return Fleet(targets=tuple(targets), parallel=found.parallel, detail=found.metrics)


def target(
    name: str,
    *,
    folder: Path,
    profile_name: str | None,
    policy_name: str,
    dsn: str,
    every: str,
    evidence: Path | None,
    environment: Mapping[str, str],
    own: Mapping[str, str] = {},
) -> Target:
    """A target, its profile and policy looked at.

    Args:
        name: empty means the profile's.
        own: variables that go before the environment's.

    Raises:
        ConfigError: one of them can't be used.
    """
    known = {**environment, **own}
    source = _source(folder, profile_name, known)
    file = folder / policy_name
    policy.load(str(file) if file.is_file() else policy_name, known)
    return Target(
        name=name or source.profile.name,
        title=source.profile.title,
        folder=folder,
        profile=profile_name,
        policy=policy_name,
        dsn=dsn,
        every=seconds_of(every),
        evidence=evidence or history.default_path(source.folder, known, has_profile=source.path is not None),
        environment=own,
    )


def named_by_database(target: Target) -> Target:
    """Without a profile, a target is filed under its database's name, as `score` does it; nothing is sent for that.

    Raises:
        ConfigError: the connection string can't be parsed.
    """
    try:
        return replace(target, name=Postgres(target.dsn).address.database)
    except ValueError as error:
        raise ConfigError(f"--database: {error}") from None


def _source(folder: Path, name: str | None, environment: Mapping[str, str]) -> profile.Source:
    if name is None:
        found = profile.find(folder)
        return profile.load(found, environment) if found else profile.without_file()
    if name in profile.shipped() and not (folder / name).exists():
        return profile.load_shipped(name, environment)
    return profile.load(folder / name, environment)


def json_schema() -> dict[str, object]:
    """JSON Schema of a targets file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TargetsFile.model_json_schema()}


# -- one audit -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How an audit ended.

    Args:
        run: what it found; None where nothing could be audited, or it never began.
        code: the exit code of `score --report-only`; None where it was not started, or ended by a signal.
        said: its last words, without secrets: why there is no whole run.
    """

    run: RunDocument | None
    code: int | None
    said: str = ""

    @property
    def success(self) -> bool:
        return self.code == 0 and self.run is not None and not self.run.partial


def attempt(
    target: Target, stopping: threading.Event | None = None, *, deadline_seconds: float = DEADLINE_SECONDS
) -> Attempt:
    """Audit one target, in a process of its own.

    Args:
        stopping: once set, the audit is told to end; what it finished is kept in its store, marked partial.
    """
    stopping = stopping or threading.Event()
    try:
        with _lock(target) as lock, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                _command(target),
                cwd=target.folder,
                env=_environment(target),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(lock,),  # held for as long as the process lives, whatever becomes of us
                start_new_session=True,  # Ctrl-C in the terminal is for us to pass on
            )
            late = _await(process, stopping, time.monotonic() + deadline_seconds)
            code = process.returncode
            words = _words(err)
            run = _document(out)
    except BlockingIOError:
        return Attempt(run=None, code=None, said="another audit of this target is still running")
    except OSError as error:
        return Attempt(run=None, code=None, said=f"the audit could not be started: {error.strerror or error}")
    if late:
        words = f"the audit was ended after {deadline_seconds:g} s without an end"
    elif code < 0:
        words = words or f"the audit's process was ended by {signal.Signals(-code).name}"
    elif run is None and not words:
        words = f"the audit ended with exit code {code} and without a document"
    elif run is not None and run.partial:
        words = words or "the audit was interrupted"
    return Attempt(run=run, code=code if code >= 0 else None, said=words)


def _command(target: Target) -> list[str]:
    # -P: nothing in the folder that it runs in is taken for a module.
    words = [sys.executable, "-P", "-m", "readiness", "score", "--quiet", "--report-only", "--format", "json"]
    words += ["--policy", target.policy, "--evidence", str(target.evidence)]
    if target.profile is not None:
        words += ["--profile", target.profile]
    if target.name:
        words += ["--name", target.name]
    return words


def _environment(target: Target) -> dict[str, str]:
    found = {**os.environ, **target.environment}
    found.pop(DATABASE_VARIABLE, None)
    if given := target.dsn or target.environment.get(DATABASE_VARIABLE):
        found[DATABASE_VARIABLE] = given  # never an argument: the process list is for everybody
    return found


@contextlib.contextmanager
def _lock(target: Target) -> Iterator[int]:
    """The lock that this target's audits take, as a file descriptor.

    Raises:
        BlockingIOError: somebody has it.
        OSError: it can't be made.
    """
    folder = target.evidence.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{file_stem(target.name)}.audit.lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _await(process: subprocess.Popen[bytes], stopping: threading.Event, deadline: float) -> bool:
    """Wait for the process's end, or bring it about; whether it was late."""
    late = False
    while process.poll() is None:
        late = time.monotonic() > deadline
        if late or stopping.is_set():
            _end(process)
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
    return late


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what it started: packs run in children of it
        process.wait()


def _document(out: IO[bytes]) -> RunDocument | None:
    out.seek(0)
    try:
        return document.parse(out.read().decode())
    except ValueError:
        return None


def _words(err: IO[bytes]) -> str:
    size = err.seek(0, os.SEEK_END)
    err.seek(max(0, size - LONGEST_WORDS))
    lines = err.read().decode("utf-8", "replace").strip().splitlines()
    return "; ".join(line.removeprefix("readiness: ") for line in lines)


# -- all of them -----------------------------------------------------------------------------------------------

NO_GO, CONFIGURATION, HOLD, NOTHING = 1, 2, 3, 4


def attempt_all(
    fleet: Fleet,
    *,
    told: Callable[[str, Attempt], None] = lambda _name, _attempt: None,
    audit: Callable[[Target, threading.Event], Attempt] = attempt,
) -> tuple[dict[str, Attempt], BaseException | None]:
    """Audit every target once, `parallel` at a time; by name in their order, and what interrupted it.

    Args:
        told: hears of each as it ends.
    """
    stopping = threading.Event()
    found: dict[str, Attempt] = {}
    interrupted: BaseException | None = None
    with ThreadPoolExecutor(fleet.parallel) as pool:
        under_way = {pool.submit(audit, target, stopping): target.name for target in fleet.targets}
        try:
            for done in as_completed(under_way):
                found[under_way[done]] = done.result()
                told(under_way[done], done.result())
        except KeyboardInterrupt as interrupt:
            interrupted = interrupt
            stopping.set()
            pool.shutdown(cancel_futures=True)
            found |= {name: done.result() for done, name in under_way.items() if not done.cancelled()}
    cut = Attempt(run=None, code=None, said="not audited: interrupted before its turn")
    return {target.name: found.get(target.name, cut) for target in fleet.targets}, interrupted


def exit_code(attempts: Iterable[Attempt]) -> int:
    """The worst of them: a wrong configuration, NO-GO, HOLD or not audited, GO; 4 where no target could be audited."""
    found = list(attempts)
    if any(a.code == CONFIGURATION for a in found):
        return CONFIGURATION
    if not any(a.success for a in found):
        return NOTHING
    codes = {a.run.verdict.exit_code if a.success and a.run else HOLD for a in found}
    return next(code for code in (NO_GO, HOLD, 0) if code in codes)
