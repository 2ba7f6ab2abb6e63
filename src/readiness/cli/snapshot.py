"""`readiness snapshot`: a fingerprint of every table's content, before a migration and after it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from readiness import audit
from readiness.audit import Request
from readiness.cli import support
from readiness.cli.support import DatabaseOption, PolicyOption, ProfileOption, QuietOption
from readiness.drills import DrillError, snapshot
from readiness.facts.content import Method
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command("snapshot")
def take_snapshot(
    output: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where it goes; one that was broken off is gone on with.")
    ],
    before: Annotated[
        Path | None,
        typer.Option(
            "--before", metavar="FILE", help="The snapshot before the migration, that this one is compared with."
        ),
    ] = None,
    changes: Annotated[
        Path | None,
        typer.Option(
            "--changes", metavar="FILE", help="What the migration is meant to change (YAML); give it to both."
        ),
    ] = None,
    portable: Annotated[
        bool, typer.Option("--portable", help="Comparable between versions of PostgreSQL and machines; slower.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Sessions that read side by side.", min=1, max=16)] = 2,
    rows_up_to: Annotated[
        int, typer.Option("--rows-up-to", help="Up to this many rows a table's keys are kept, to name rows by.", min=0)
    ] = snapshot.ROWS_UP_TO,
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    policy: PolicyOption = "beta",
    quiet: QuietOption = False,
) -> int:
    """Take a fingerprint of every table's content, in one snapshot of the database; `readiness compare` reads two of them.

    It reads every row once. Take it on a quiet database, a standby or a restored copy. Exit 1: a table could not be read.
    """
    source, chosen = support.load_profile(profile), support.load_policy(policy)
    declared = source.profile.database.dsn
    dsn = database or (declared.get_secret_value() if declared else "")
    audit.connect(
        Request(profile=source, policy=chosen, dsn=database, redactor=support.redactor)
    ).close()  # learns secrets
    terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
    try:
        taken = snapshot.take(
            dsn,
            output,
            changes=snapshot.read_changes(changes),
            before=before,
            method=Method.PORTABLE if portable else Method.FAST,
            workers=workers,
            rows_up_to=rows_up_to,
            ignored_schemas=chosen.policy.ignored_schemas,
            told=support.say if terminal else (lambda _step: None),
        )
    except DrillError as error:
        raise ConfigError(support.redactor.text(str(error))) from None
    for name, why in taken.unseen.items():
        print(f"{name}: could not be read: {why}")
    print(f"{output}: {taken.tables:,} tables, {taken.rows:,} rows{' (gone on with)' if taken.resumed else ''}")
    return 1 if taken.unseen else 0
