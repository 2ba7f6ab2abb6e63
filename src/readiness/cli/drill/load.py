"""`readiness drill load`: connections and throughput, shown."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import psycopg
import typer

from readiness import audit, history
from readiness.cli import support
from readiness.cli.drill import places
from readiness.cli.support import ProfileOption
from readiness.drills import DrillError, evidence, load, scratch
from readiness.drills.load import Result
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command("load")
def load_drill(
    server: Annotated[
        str,
        typer.Option("--server", metavar="DSN", help="A server like the platform's; its role may make databases."),
    ],
    profile: ProfileOption = None,
    connections: Annotated[
        int | None, typer.Option("--connections", help="Default: the profile's targets.connections.", min=1)
    ] = None,
    seconds: Annotated[int, typer.Option("--seconds", help="How long pgbench works.", min=2, max=3600)] = 60,
    scale: Annotated[int, typer.Option("--scale", help="pgbench's: 100,000 rows each.", min=1, max=10_000)] = 10,
    same_server: Annotated[
        bool, typer.Option("--same-server", help="Allow the platform's own server. It will feel it.")
    ] = False,
    valid_days: Annotated[
        float, typer.Option("--valid-days", help="How long the proof counts.", min=0.1, max=366)
    ] = evidence.VALID_DAYS,
    output_format: Annotated[
        Literal["console", "json"], typer.Option("--format", "-f", help="How the outcome is printed.")
    ] = "console",
    store: Annotated[Path | None, typer.Option("--evidence", metavar="FILE", help="The evidence store.")] = None,
    no_evidence: Annotated[bool, typer.Option("--no-evidence", help="Keep nothing.")] = False,
) -> int:
    """Open as many connections as were promised, all in a transaction at once, and let pgbench work over them, unlimited.

    In a scratch database that is dropped at the end, also when the drill is killed. Exit 1: a target is missed.
    """
    source = support.load_profile(profile)
    targets = source.profile.targets
    wanted = connections or targets.connections
    started_at = dt.datetime.now(dt.UTC)
    platforms = [] if same_server else places.platforms(source)
    try:
        load.pgbench()
        with scratch.named_server(server, platforms=platforms) as ground, ground.database() as database:
            found = load.drill(database, connections=wanted, seconds=seconds, scale=scale)
    except DrillError as error:
        raise ConfigError(str(error)) from None
    except psycopg.Error as error:
        raise ConfigError(f"--server: {' '.join(str(error).split())}") from None
    told = _evidence(found, "the platform's own server" if same_server else "a named server")
    enough = found.throughput is not None and found.throughput.per_second >= targets.transactions_per_second
    passed = found.held >= wanted and enough
    kept = None
    if not no_evidence and not source.profile.unnamed:
        record = evidence.keep(
            store or history.default_path(source.folder, os.environ, has_profile=source.path is not None),
            kind="load",
            target=audit.target_name(source.profile, None),
            system_identifier=None,
            taken_at=started_at,
            passed=passed,
            evidence=support.redactor.value(told),
            valid_days=valid_days,
        )
        kept = record.id
    if output_format == "json":
        print(json.dumps({"passed": passed, "kept": kept, **told}, indent=2, ensure_ascii=False))
    else:
        _print(found, targets.transactions_per_second, passed=passed, kept=kept)
    return 0 if passed else 1


def _evidence(found: Result, where: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "where": where,
        "connections_wanted": found.wanted,
        "connections_held": found.held,
        "refused": found.refused,
        "room": str(found.room),
    }
    t = found.throughput
    if t is None:
        return told
    latency = t.latency
    return told | {
        "transactions_per_second": t.per_second,
        "failed": t.failed,
        "p95_ms": latency.point if latency else None,
        "p95_lower_ms": latency.lower if latency else None,
        "p95_upper_ms": latency.upper if latency and math.isfinite(latency.upper) else None,
        "transactions": latency.samples if latency else 0,
        "series": list(t.series),
        "workload": f"{t.client}, simple-update, scale {t.scale}, {t.seconds} s, from this machine",
    }


def _print(found: Result, target: float, *, passed: bool, kept: str | None) -> None:
    def say(line: str) -> None:
        print(support.redactor.text(line))

    say(f"load drill: {found.held} of {found.wanted} connections in a transaction at once ({found.room})")
    if found.refused:
        say(f"  FAIL {found.refused}")
    if (t := found.throughput) is not None:
        word = "ok" if t.per_second >= target else "FAIL"
        say(
            f"  {word} {t.per_second:,.0f} transactions a second over {t.seconds} s, promised {target:,.0f}; {t.failed} failed"
        )
        if t.latency is not None:
            say(f"  under this load P95 is {t.latency.point:.1f} ms ({t.latency.samples:,} transactions)")
        if t.series:
            say(f"  each second between {min(t.series):,.0f} and {max(t.series):,.0f}")
        say(f"  {t.client}, simple-update, scale {t.scale}, from this machine")
    say(f"{'PASSED' if passed else 'FAILED'}{f'; kept as {kept}' if kept else '; not kept'}")
