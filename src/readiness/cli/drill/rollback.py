"""`readiness drill rollback`: the way back, walked."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from readiness import profile as profiles
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.drill import outcome, places
from readiness.cli.runs import EvidenceOption
from readiness.cli.support import ProfileOption, QuietOption, VerboseOption
from readiness.drills import DrillError, evidence, replay, rollback
from readiness.drills.rollback import Result
from readiness.embedded import EmbeddedError
from readiness.facts.migrations import MigrationDigests, MigrationFolder
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command("rollback")
def rollback_drill(
    profile: ProfileOption = None,
    migrations: Annotated[
        Path | None, typer.Option("--migrations", metavar="DIR", help="The migrations folder. Default: the profile's.")
    ] = None,
    framework: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose files they are. Default: the profile's, or as they look.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", metavar="DSN", help="Where scratch databases are made. Default: a server of the drill's own."
        ),
    ] = None,
    seeds: Annotated[
        list[Path] | None,
        typer.Option("--seed", metavar="FILE|DIR", help="SQL with rows to lose. Default: the profile's seeds."),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="Walk on empty tables only; what is lost of rows stays unseen.")
    ] = False,
    step_seconds: Annotated[
        float, typer.Option("--step-seconds", help="A migration that takes longer is ended: it hangs.", min=0.1)
    ] = replay.STEP_SECONDS,
    valid_days: outcome.ValidDaysOption = evidence.VALID_DAYS,
    output_format: outcome.FormatOption = "console",
    store: EvidenceOption = "",
    no_evidence: outcome.NoEvidenceOption = False,
    as_superuser: Annotated[
        bool, typer.Option("--as-superuser", help="On --server: work as its role itself, whatever that may do.")
    ] = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Walk each migration up, down and up again in a scratch database, and compare the schema and the rows at each step.

    Then the whole chain down to nothing. Plain SQL is run natively, all else by the profile's migrations.commands.
    """
    source = support.load_profile(profile)
    declared = source.profile.migrations
    if migrations is None and declared is None:
        raise ConfigError("name the folder: --migrations DIR, or migrations: {directory: ...} in the profile")
    folder_path = migrations or source.folder / (declared.directory if declared else "")
    try:
        folder = MigrationFolder.read(
            folder_path,
            directory=str(migrations or (declared.directory if declared else "")),
            framework=framework or (declared.framework if declared else None),
        )
    except Unobservable as refusal:
        raise ConfigError(refusal.detail) from None
    commands = declared.commands if declared else None
    started_at = dt.datetime.now(dt.UTC)
    try:
        way = replay.way(
            folder, commands=commands, project=source.folder, environment=_without(source), seconds=step_seconds
        )
        platforms = places.platforms(source) if server is not None else []
        with replay.ground(server, platforms=platforms, as_superuser=as_superuser) as ground:
            found = rollback.drill(
                ground,
                way,
                folder.files,
                framework=folder.framework,
                with_rows=not empty,
                seeds=_seeds(seeds, source),
                told=_told(quiet=quiet),
            )
    except DrillError as error:
        raise ConfigError(str(error)) from None
    except EmbeddedError as error:
        support.say(f"readiness: no scratch server could be had: {error}")
        return support.CRASHED
    digests = MigrationDigests.of(folder_path, folder)
    told = _evidence(found, folder, digests, where="a server of its own" if server is None else "a named server")
    return outcome.end(
        source,
        "rollback",
        told,
        passed=found.passed,
        show=lambda say: _print(say, found, folder, verbose=verbose),
        server=None,
        started_at=started_at,
        store=store,
        no_evidence=no_evidence,
        valid_days=valid_days,
        output_format=output_format,
    )


def _without(source: profiles.Source) -> dict[str, str]:
    """The environment for the project's own command, with nothing in it that is a way to the platform's databases."""
    prof = source.profile
    ways = {*profiles.dsns_of(prof), *profiles.environments_of(prof), os.environ.get(support.DATABASE_VARIABLE)}
    return {name: value for name, value in os.environ.items() if value not in ways}


def _seeds(given: list[Path] | None, source: profiles.Source) -> list[Path]:
    declared = source.profile.migrations.seeds if source.profile.migrations else None
    places = given or ([source.folder / declared] if declared else [])
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += sorted(place.glob("*.sql"))
        elif place.is_file():
            found.append(place)
        elif given:
            raise ConfigError(f"--seed {place}: there is no such file or folder")
    return found


def _told(*, quiet: bool) -> Any:
    terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
    return support.say if terminal else (lambda _step: None)


def _evidence(found: Result, folder: MigrationFolder, digests: MigrationDigests, *, where: str) -> dict[str, Any]:
    return {
        "framework": folder.framework,
        "migrations": [f"{name} {sha}" for name, sha in digests.by_path.items()],
        "where": where,
        "with_rows": found.with_rows,
        "down_to_nothing": found.to_nothing,
        "findings": [str(f) for f in found.findings],
        "unreached": list(found.unreached),
        "without_rows": [f"{table}: {why}" for table, why in found.without_rows.items()],
        "rows_dropped": list(found.dropped),
        "seeds_refused": found.seeds_refused,
        "roles_made": list(found.roles),
        "steps": [f"{s.migration}: {_times(s)}" for s in found.steps],
    }


def _times(step: rollback.Step) -> str:
    shown = {"up": step.up, "down": step.down, "up again": step.again}
    return (
        ", ".join(f"{word} {seconds * 1000:.0f} ms" for word, seconds in shown.items() if seconds is not None)
        or "not walked"
    )


def _print(say: Callable[[str], None], found: Result, folder: MigrationFolder, *, verbose: bool) -> None:
    count = len(folder.files)
    say(f"rollback drill: {count} migration{'' if count == 1 else 's'} ({folder.framework})")
    if verbose:
        for step in found.steps:
            say(f"  {step.migration}: {_times(step)}")
    else:
        slowest = max(found.steps, key=lambda s: s.up or 0, default=None)
        if slowest is not None:
            total = sum((s.up or 0) for s in found.steps)
            say(f"  up in {total:.2f} s together; the slowest is {slowest.migration}: {_times(slowest)}")
    for finding in found.findings:
        say(f"  FAIL {finding}")
        for line in finding.differences[1:] if verbose else ():
            say(f"       {line}")
    if found.unreached:
        say(f"  not reached: {', '.join(found.unreached)}")
    for table, why in found.without_rows.items():
        say(f"  no row could be made for {table}: {why}; what it would lose stays unseen")
    if found.seeds_refused:
        say(f"  the seeds could not be loaded at any step: {found.seeds_refused}")
    for line in found.dropped if verbose else ():
        say(f"  on the way down to nothing: {line}")
    if found.roles:
        say(f"  beside the database these roles were made: {', '.join(found.roles)}")
