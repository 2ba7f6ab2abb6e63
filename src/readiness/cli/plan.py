"""`readiness plan`: the way to GO."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from readiness import migration_files, planning, policy, recount, rehearsal, remedies
from readiness import profile as profile_of
from readiness.audit import NothingAudited, Request
from readiness.cli import runs, support
from readiness.cli.score import console_for, run_with_progress
from readiness.cli.support import (
    ColorOption,
    DatabaseOption,
    PolicyOption,
    ProfileOption,
    QuietOption,
    SuperuserOption,
    VerboseOption,
)
from readiness.document import RunDocument
from readiness.embedded import EmbeddedError
from readiness.model import Status, count_of
from readiness.recount import Weighed
from readiness.rehearsal import Rehearsal
from readiness.remedies import ByHand, Migration
from readiness.reporting import plans
from readiness.reporting.escape import visible
from readiness.scoring import shown
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def plan(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help=f"{runs.RUN_HELP} Without one the platform is audited now.")
    ] = "",
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="ID[=STATUS]",
            help="The verdict if a check had a status (pass, partial, fail, unknown; pass where none is given). Repeatable.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="ID", help="Plan without this check: it can't be helped now."),
    ] = None,
    sql: Annotated[
        Path | None,
        typer.Option(
            "--sql",
            metavar="DIR",
            help="Write the remedies as migration files in the project's framework's form, numbered behind what is there.",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Try the remedies on a scratch copy of the schema first, undo them, and prove the new score.",
        ),
    ] = False,
    format_name: Annotated[Literal["console", "json"], typer.Option("--format", "-f")] = "console",
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    policy_name: PolicyOption = "beta",
    evidence: runs.EvidenceOption = "",
    as_superuser: SuperuserOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    color: ColorOption = "auto",
) -> int:
    """Fixes and measurements by what exactly they gain, and the least effort that reaches GO.

    Efforts count as an hour (S), a day (M) and a week (L). A fix is sure of its gain; a measurement or a signature gains if it
    turns out healthy. Exit code 0 where GO can be reached, 1 where not.

    With --sql or --verify: 0 where every file was written, and the score that the remedies promise was proven on the copy. The copy
    (pg_dump --schema-only, as the auditor's role, into a server that goes with the command) has no rows, settings or services: what
    can't be proven without them is told, and counts for nothing in the proof.
    """
    source = support.load_profile(profile)
    request = Request(
        profile=source,
        policy=support.load_policy(policy_name),
        dsn=database,
        as_superuser=as_superuser,
        environment=os.environ,
        redactor=support.redactor,
    )
    if run:
        document = runs.load(run, source, evidence)
    else:
        document = run_with_progress(request, quiet=quiet or format_name == "json").document
    weighed = _weighed(document, run)
    known = {r.check.id for r in weighed.results}
    for name in (*(without or ()), *_assumed(what_if or ())):
        if name not in known:
            raise ConfigError(policy.unknown_check(name, known))
    console = console_for(color)
    if what_if:
        card = planning.what_if(weighed, _assumed(what_if))
        for part in plans.what_if(document, card):
            console.print(part)
        return card.exit_code
    if sql is not None or verify:
        return _remedies(request, document, sql, verify=verify, console=console, told=_told(quiet=quiet))
    possible = planning.actions(weighed, without=without or ())
    found = planning.least(weighed, possible)
    if format_name == "json":
        print(json.dumps(plans.as_json(document, found, possible), indent=1, ensure_ascii=False))
    else:
        for part in plans.render(document, found, possible, verbose=verbose):
            console.print(part)
    return 0 if found.reaches_go else 1


def _remedies(
    request: Request,
    document: RunDocument,
    folder: Path | None,
    *,
    verify: bool,
    console: Console,
    told: Callable[[str], None],
) -> int:
    """Write the remedies as files, proven first where that is asked for."""
    found, by_hand = remedies.read(document)
    tried: Rehearsal | None = None
    if verify:
        if document.policy.sha256 != request.policy.policy.sha256:
            raise ConfigError(
                f"--policy {request.policy.shown}: the run was weighed by another ({document.policy.name})"
            )
        try:
            tried = rehearsal.rehearse(request, document, found, told=told)
        except (rehearsal.RehearsalError, EmbeddedError, NothingAudited, recount.Unreadable) as error:
            raise ConfigError(f"--verify: {error}") from error
    made = list(tried.migrations) if tried else remedies.migrations(found, {c.id: c.title for c in document.checks})
    written = _written(request.profile, made, folder) if folder is not None else []
    for part in _tell(made, written, by_hand, tried):
        console.print(part)
    return 0 if tried is None or tried.kept else 1


def _written(source: profile_of.Source, made: list[Migration], folder: Path) -> list[Path]:
    own = source.profile.migrations
    folders = [folder, *([source.folder / own.directory] if own else [])]
    framework = migration_files.framework_of(folders, own.framework if own else None)
    if framework not in migration_files.names():
        support.say(f"readiness: --sql: {framework} has no form here; the files are numbered SQL")
    try:
        return migration_files.write(folder, migration_files.render(framework, made, folders, datetime.now(UTC)))
    except OSError as error:
        raise ConfigError(f"--sql {error.filename or folder}: {error.strerror or error}") from error


def _told(*, quiet: bool) -> Callable[[str], None]:
    terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
    return (lambda step: support.say(f"{step} ...")) if terminal else (lambda _step: None)


def _weighed(document: RunDocument, shown: str) -> Weighed:
    try:
        return recount.weigh(document)
    except recount.Unreadable as error:
        raise ConfigError(f"{shown}: {error}") from error


def _assumed(texts: list[str] | tuple[()]) -> dict[str, Status]:
    found = {}
    for text in texts:
        name, _, status = text.partition("=")
        try:
            found[name] = Status(status or "pass")
        except ValueError:
            raise ConfigError(f"--what-if {text}: expected one of {', '.join(s.value for s in Status)}") from None
    return found


# -- what is told of remedies ----------------------------------------------------------------------------------

_SHOWN = 12


def _tell(
    made: Sequence[Migration], written: Sequence[Path], by_hand: Sequence[ByHand], tried: Rehearsal | None
) -> Iterator[Text]:
    statements = sum(len(m.up) for m in made)
    without = [m for m in made if m.lost]
    yield Text(
        f"{count_of(len(made), 'migrations')} of {count_of(statements, 'statements')}; "
        f"{count_of(len(without), 'migrations')} without a whole way back",
        style="bold",
    )
    for path in written[:_SHOWN]:
        yield Text(f"  {visible(str(path))}")
    if len(written) > _SHOWN:
        yield Text(f"  and {len(written) - _SHOWN} more files")
    reasons: dict[str, list[ByHand]] = {}
    for b in by_hand:
        reasons.setdefault(b.why, []).append(b)
    for why, those in sorted(reasons.items(), key=lambda item: -len(item[1])):
        checks = ", ".join(sorted({b.check for b in those}))
        yield Text(f"by hand: {count_of(len(those), 'findings')} ({checks}): {why}", style="dim")
    if tried:
        yield from _proof(tried)


def _proof(tried: Rehearsal) -> Iterator[Text]:
    for note in tried.notes:
        yield Text(f"note: {visible(note)}")
    for r in tried.refused:
        yield Text(f"refused on the copy, left out: {r.remedy.check}: {visible(r.remedy.subject)}: {visible(r.said)}")
    yield Text(
        f"undone and applied again, the schema as before: {len(tried.undone)} of {len(tried.migrations)} migrations"
    )
    for name, why in tried.not_undone.items():
        yield Text(f"  {name}: {visible(why)}", style="dim")
    card = tried.promised
    yield Text(f"These remedies promise {shown(card.total.floor)} ({card.decision.value}).")
    if tried.unproven:
        rest = ", ".join(f"{c} +{shown(p)}" for c, p in sorted(tried.unproven.items()))
        yield Text(f"A copy without rows, settings and services can't prove: {rest}.")
    yield Text(
        f"Provable there: {shown(tried.provable.total.floor)} (exactly {tried.provable.total.floor}). "
        f"Proven: {shown(tried.proven.total.floor)} (exactly {tried.proven.total.floor}), {tried.proven.decision.value}.",
        style="bold green" if tried.kept else "bold red",
    )
    for check, points in sorted(tried.moved.items()):
        said = "more" if points > 0 else "less"
        yield Text(
            f"  {check} proved {float(abs(points)):.2f} {said} than its own remedies promised: others touch what it looks at"
        )
    if tried.touched:
        card = tried.with_the_rest
        yield Text(f"With what they touch besides: {shown(card.total.floor)} ({card.decision.value}):")
        yield from (Text(f"  {visible(said)}", style="dim") for said in tried.touched)
