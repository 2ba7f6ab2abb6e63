"""`readiness drill restore`: the newest backup, restored and compared."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from readiness import audit, history
from readiness.audit import Request
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.support import DatabaseOption, PolicyOption, ProfileOption, QuietOption, VerboseOption
from readiness.drills import DrillError, evidence, likeness, restore
from readiness.drills.restore import Options, Result
from readiness.facts.server import Server
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command("restore")
def restore_drill(
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="NAME", help="Of the profile's backups. Default: the newest backup's."),
    ] = None,
    backup: Annotated[
        str | None, typer.Option("--backup", metavar="LABEL", help="Which backup. Default: the newest good one.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="A point in time (ISO 8601). Default: as far as there is WAL."),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            "--snapshot",
            metavar="FILE",
            help="Compare the rows with a `readiness snapshot` of the restore point, not with the live database.",
        ),
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option("--scratch", metavar="DIR", help="Where the copy lies meanwhile. Default: temporary files."),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="As root: who runs the copy. Default: who owns the backups, else postgres."),
    ] = None,
    preload: Annotated[
        str, typer.Option(metavar="LIBRARIES", help="What the copy must preload all the same (timescaledb).")
    ] = "",
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every index with every row of its table, too (amcheck).")
    ] = False,
    workers: Annotated[int, typer.Option(help="Sessions that read side by side.", min=1, max=16)] = 2,
    rows_up_to: Annotated[
        int, typer.Option("--rows-up-to", help="Most rows of a table to compare one by one.", min=1000)
    ] = likeness.ROWS_UP_TO,
    valid_days: Annotated[
        float, typer.Option("--valid-days", help="How long the proof counts.", min=0.1, max=366)
    ] = evidence.VALID_DAYS,
    output_format: Annotated[
        Literal["console", "json"], typer.Option("--format", "-f", help="How the outcome is printed.")
    ] = "console",
    evidence_store: Annotated[
        Path | None, typer.Option("--evidence", metavar="FILE", help="The evidence store.")
    ] = None,
    no_evidence: Annotated[bool, typer.Option("--no-evidence", help="Keep nothing.")] = False,
    policy: PolicyOption = "beta",
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Restore the newest declared backup into a scratch server, check its pages, compare it with the live database, time it.

    The copy reaches nothing: no address, no archive, no library, no job. It takes the disk space of the cluster, for as
    long as the drill. The live database is read once; what was written since the restore point is told apart.
    """
    source, chosen = support.load_profile(profile), support.load_policy(policy)
    started_at = dt.datetime.now(dt.UTC)
    declared = source.profile.database.dsn
    dsn = database or (declared.get_secret_value() if declared else "")
    postgres = audit.connect(Request(profile=source, policy=chosen, dsn=database, redactor=support.redactor))
    try:
        server = Server.take(postgres)
    except Unobservable as refusal:
        raise ConfigError(refusal.detail) from None
    finally:
        postgres.close()
    terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
    options = Options(
        store=store,
        backup=backup,
        until=_time(to),
        scratch=scratch,
        account=account,
        libraries=preload,
        snapshot=snapshot,
        workers=workers,
        rows_up_to=rows_up_to,
        deep=deep,
    )
    try:
        found = restore.drill(
            source,
            dsn,
            options=options,
            ignored_schemas=chosen.policy.ignored_schemas,
            told=(lambda step: support.say(f"{step} ...")) if terminal else (lambda _step: None),
        )
        kept = None
        if not no_evidence:
            found.like.findings = [support.redactor.text(line) for line in found.findings]
            kept = restore.keep(
                found,
                evidence_store or history.default_path(source.folder, os.environ, has_profile=source.path is not None),
                target=audit.target_name(source.profile, server),
                system_identifier=server.system_identifier,
                taken_at=started_at,
                valid_days=valid_days,
            ).id
    except DrillError as error:
        raise ConfigError(support.redactor.text(str(error))) from None
    if output_format == "json":
        told = support.redactor.value(found.evidence)
        print(json.dumps({"passed": found.passed, "kept": kept, **told}, indent=2, ensure_ascii=False))
    else:
        _print(found, kept, verbose=verbose)
    return 0 if found.passed else 1


def _time(text: str | None) -> dt.datetime | None:
    """A moment; without a zone it is this machine's.

    Raises:
        ConfigError: it is none.
    """
    if text is None:
        return None
    try:
        return dt.datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise ConfigError(f"--to {text}: expected a time like 2026-11-25T14:30:00+00:00") from None


def _print(found: Result, kept: str | None, *, verbose: bool) -> None:
    def say(line: str) -> None:
        print(support.redactor.text(line))

    like = found.like
    say(f"restore drill: {found.tool} {found.backup} of {found.taken_at:%Y-%m-%d %H:%M} UTC, from {found.store}")
    if found.rto_seconds is not None:
        lost = "" if found.lost_bytes is None else f" ({found.lost_bytes / 2**20:,.1f} MB of WAL)"
        say(f"  restored {found.size_bytes / 2**20:,.0f} MB; took sessions after {found.rto_seconds:,.1f} s (RTO)")
        say(f"  lost of what was committed: {found.rpo_seconds or 0:,.1f} s (RPO){lost}")
        say(f"  {like.objects:,} objects, {like.tables:,} tables, {like.rows:,} rows are those of {found.against}")
    if found.checked:
        say(f"  checked: {', '.join(found.checked)}")
    for line in (*found.findings, *found.broken_promises):
        say(f"  FAIL {line}")
    for line in like.unproved:
        say(f"  not proved: {line}")
    for name, rows in sorted(like.since.items()):
        say(f"  {name}: {rows:,} rows were written since the restore point")
    for line in like.notes:
        say(f"  note: {line}")
    if verbose:
        for name, seconds in found.steps.items():
            say(f"  {name}: {seconds:,.2f} s")
    say(f"{'PASSED' if found.passed else 'FAILED'}{f'; kept as {kept}' if kept else '; not kept'}")
