"""`readiness drill leftovers`: what bears our mark on a server and should be gone."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import psycopg
import typer

from readiness import embedded
from readiness.cli import support
from readiness.drills import scratch
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def leftovers(
    server: Annotated[
        str, typer.Option("--server", metavar="DSN", help="Where to look. Default: libpq's own sources.")
    ] = "",
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="HOURS", help="What is younger may be at work.", min=0)
    ] = 24,
    remove: Annotated[bool, typer.Option("--remove", help="Drop what is old enough and bears our marker.")] = False,
) -> int:
    """List scratch databases and roles that a drill left behind, and remove them with --remove. Exit 1: something is there."""
    for folder in embedded.sweep(older_than_seconds=older_than * 3600) if remove else []:
        print(f"removed {folder}")
    try:
        found = scratch.leftovers(server)
        now, left = dt.datetime.now(dt.UTC), 0
        for item in found:
            if item.made_at is None:
                print(f"{item.kind} {item.name}: bears our prefix and not our marker; look at it and drop it by hand")
                left += 1
                continue
            hours = (now - item.made_at).total_seconds() / 3600
            if remove and hours >= older_than:
                with psycopg.connect(server, autocommit=True, connect_timeout=scratch.CONNECT_SECONDS) as admin:
                    scratch.drop(admin, item.kind, item.name)
                print(f"removed {item.kind} {item.name} ({hours:.0f} h old)")
            else:
                print(f"{item.kind} {item.name} ({hours:.0f} h old)")
                left += 1
    except psycopg.Error as error:
        raise ConfigError(f"--server: {' '.join(str(error).split())}") from None
    if not found:
        print("nothing of ours is there")
    return 1 if left else 0
