"""`readiness init`: look at a live database and write a commented profile to start from."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import Environment, StrictUndefined

from readiness import audit, declaration, policy, profile
from readiness.audit import NothingAudited, Request
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.support import DatabaseOption
from readiness.facts.inventory import Inventory
from readiness.facts.server import Server
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def init(
    database: DatabaseOption = "",
    name: Annotated[str | None, typer.Option(help="The platform's name. Default: the database's.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE|-")] = profile.FILE_NAME,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Look at a live database and write a commented profile to start from."""
    if output != support.STDOUT and Path(output).exists() and not force:
        raise ConfigError(f"{output}: is there already; --force writes over it, -o - prints to the terminal")
    outputs = [support.Output("yaml", output)]
    support.try_outputs(outputs, scorecard_on_stdout=False)
    request = Request(
        profile=profile.without_file(),
        policy=policy.load("beta", {}),
        dsn=database,
        environment=os.environ,
        redactor=support.redactor,
    )
    postgres = audit.connect(request)
    try:
        server = Server.take(postgres)
        text = draft(server, Inventory.take(postgres), name, audit.without_secrets(database))
    except Unobservable as refusal:
        raise NothingAudited(support.redactor.text(refusal.detail)) from None
    finally:
        postgres.close()
    support.write_output(outputs[0], text)
    if output != support.STDOUT:
        support.say(f"readiness: wrote {output}; fill in the services, then: readiness score")


def draft(server: Server, inventory: Inventory, name: str | None, dsn: str = "") -> str:
    """The profile's text: what is there, as declarations, and comments for what only its people know."""
    found = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    found.keep_trailing_newline = True
    found.filters["yaml"], found.filters["yaml_text"] = declaration.scalar, declaration.text
    template = (files("readiness_config") / "templates" / "readiness.yaml.j2").read_text(encoding="utf-8")
    plain = re.sub(r"[^a-z0-9_-]+", "-", (name or server.database).lower()).strip("-_")
    return found.from_string(template).render(
        name=plain if re.match(r"[a-z]", plain) else f"db-{plain}"[:63],
        title=name or server.database,
        dsn=dsn,
        server=server,
        declared=declaration.written(inventory),
        roles=inventory.roles,
        histories=inventory.histories,
    )
