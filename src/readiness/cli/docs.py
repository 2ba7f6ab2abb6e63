"""`readiness docs`: the schema's documentation, from a live database or from the migrations."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer

from readiness import audit
from readiness.audit import Request
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.support import DatabaseOption, Output, PolicyOption, ProfileOption
from readiness.drills import DrillError, replay
from readiness.embedded import EmbeddedError
from readiness.facts.fingerprint import SchemaFingerprint
from readiness.facts.postgres import Postgres
from readiness.schemadoc import describe, html, markdown
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def docs(
    migrations: Annotated[
        Path | None,
        typer.Option(
            "--migrations", metavar="DIR", help="Replay this folder on an embedded PostgreSQL, and describe that."
        ),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE|-", help="Where it goes.")] = support.STDOUT,
    output_format: Annotated[
        Literal["markdown", "html"] | None,
        typer.Option("--format", "-f", help="Default: by the file's name, else markdown."),
    ] = None,
    schemas: Annotated[list[str] | None, typer.Option("--schema", metavar="NAME", help="Only these schemas.")] = None,
    title: Annotated[str, typer.Option(help="Its heading. Default: the platform's name.")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when the file is not what would be written.")
    ] = False,
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    policy: PolicyOption = "beta",
) -> int:
    """Write the schema's documentation: tables, columns, keys and policies, with a diagram (Mermaid, or SVG in HTML)."""
    source, chosen = support.load_profile(profile), support.load_policy(policy)
    if check and output == support.STDOUT:
        raise ConfigError("--check: name the file that is checked with --output")
    form = output_format or ("html" if output.endswith((".html", ".htm")) else "markdown")
    planned = Output(form, output)
    if not check:
        support.try_outputs([planned], scorecard_on_stdout=False)
    declared = source.profile.migrations
    try:
        with ExitStack() as stack:
            if migrations is None:
                request = Request(profile=source, policy=chosen, dsn=database, redactor=support.redactor)
                postgres = audit.connect(request)
            else:
                made = stack.enter_context(
                    replay.replayed(
                        migrations,
                        framework=declared.framework if declared else None,
                        commands=declared.commands if declared else None,
                        project=source.folder,
                    )
                )
                postgres = Postgres(made.dsn)
            stack.callback(postgres.close)
            found = SchemaFingerprint.of(
                postgres,
                ignored_schemas=chosen.policy.ignored_schemas,
                without_tables=replay.bookkeeping(declared.framework if declared else None),
            )
    except Unobservable as refusal:
        raise audit.NothingAudited(support.redactor.text(refusal.detail)) from None
    except DrillError as error:
        raise ConfigError(f"--migrations {error}") from None
    except EmbeddedError as error:
        raise audit.NothingAudited(str(error)) from None
    doc = describe(found, title=title or source.profile.shown or "Database schema", schemas=schemas or ())
    text = html.render(doc) if form == "html" else markdown.render(doc)
    if not check:
        support.write_output(planned, text)
        return 0
    if _held(Path(output)) == text:
        print(f"{output}: is what the schema is")
        return 0
    print(f"{output}: is stale; write it anew with `readiness docs --output {output}`", file=sys.stderr)
    return 1


def _held(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return None
        raise ConfigError(f"--output {path}: can't be read: {error.strerror or error}") from error
