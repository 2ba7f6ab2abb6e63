"""`readiness drill restore`: the newest backup, restored and compared."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from readiness import audit
from readiness.audit import Request
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.drill import outcome
from readiness.cli.runs import EvidenceOption
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
        bool,
        typer.Option(
            "--deep", help="Compare every index with every row of its table, and large tables by content, too."
        ),
    ] = False,
    elsewhere: Annotated[
        bool | None,
        typer.Option(
            "--source-elsewhere/--source-here",
            help="The database's server is another machine: read it while the backup is restored. On this one that is in the "
            "restore's way, whose time is measured, unless a core is idle. Default: by its address.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Sessions that read the database side by side.", min=1, max=16)] = 2,
    rows_up_to: Annotated[
        int, typer.Option("--rows-up-to", help="Most rows of a table to compare one by one.", min=1000)
    ] = likeness.ROWS_UP_TO,
    valid_days: outcome.ValidDaysOption = evidence.VALID_DAYS,
    output_format: outcome.FormatOption = "console",
    evidence_store: EvidenceOption = "",
    no_evidence: outcome.NoEvidenceOption = False,
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
        elsewhere=elsewhere,
    )
    try:
        found = restore.drill(
            source,
            dsn,
            options=options,
            ignored_schemas=chosen.policy.ignored_schemas,
            told=(lambda step: support.say(f"{step} ...")) if terminal else (lambda _step: None),
        )
    except DrillError as error:
        raise ConfigError(support.redactor.text(str(error))) from None
    return outcome.end(
        source,
        restore.KIND,
        found.evidence,
        passed=found.passed,
        show=lambda say: _print(say, found, verbose=verbose),
        server=server,
        started_at=started_at,
        store=evidence_store,
        no_evidence=no_evidence,
        valid_days=valid_days,
        output_format=output_format,
    )


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


def _print(say: Callable[[str], None], found: Result, *, verbose: bool) -> None:
    like = found.like
    say(f"restore drill: {found.tool} {found.backup} of {found.taken_at:%Y-%m-%d %H:%M} UTC, from {found.store}")
    if found.rto_seconds is not None:
        lost = "" if found.lost_bytes is None else f" ({found.lost_bytes / 2**20:,.1f} MB of WAL)"
        say(f"  restored {found.size_bytes / 2**20:,.0f} MB; took sessions after {found.rto_seconds:,.1f} s (RTO)")
        say(f"  lost of what was committed: {found.rpo_seconds or 0:,.1f} s (RPO){lost}")
        how = "; of tables over 64 MB by their versions (--deep: by content)" if found.by_version else ""
        say(f"  {like.objects:,} objects, {like.tables:,} tables, {like.rows:,} rows are those of {found.against}{how}")
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
