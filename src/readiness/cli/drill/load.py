"""`readiness drill load`: connections and throughput, shown."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import psycopg
import typer

from readiness.cli import support
from readiness.cli.drill import outcome, places
from readiness.cli.runs import EvidenceOption
from readiness.cli.support import ProfileOption
from readiness.drills import DrillError, evidence, load, scratch
from readiness.drills.load import Result, Work
from readiness.profile import Targets
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
    seconds: Annotated[
        int, typer.Option("--seconds", help="How long each part of the work lasts.", min=1, max=600)
    ] = 60,
    scale: Annotated[int, typer.Option("--scale", help="pgbench's: 100,000 rows each.", min=1, max=10_000)] = 10,
    same_server: Annotated[
        bool, typer.Option("--same-server", help="Allow the platform's own server. It will feel it.")
    ] = False,
    valid_days: outcome.ValidDaysOption = evidence.VALID_DAYS,
    output_format: outcome.FormatOption = "console",
    store: EvidenceOption = "",
    no_evidence: outcome.NoEvidenceOption = False,
) -> int:
    """Open as many connections as were promised, all in a transaction at once, and let a transaction mix work over them.

    The mix is the profile's (`load:`), else pgbench's. First unlimited, for what the server bears; then, where that is enough,
    at the promised rate, for what a transaction waits. In a scratch database that is dropped at the end, also when the drill is
    killed. Exit 1: a target is missed.
    """
    source = support.load_profile(profile)
    targets = source.profile.targets
    wanted = connections or targets.connections
    started_at = dt.datetime.now(dt.UTC)
    platforms = [] if same_server else places.platforms(source)
    try:
        own = load.Mix.of(source.profile.load, source.folder) if source.profile.load else None
        instead = "say --same-server, and the platform will feel it"
        with (
            scratch.named_server(server, platforms=platforms, instead=instead) as ground,
            ground.database() as database,
        ):
            found = load.drill(
                database,
                connections=wanted,
                seconds=seconds,
                scale=scale,
                own=own,
                promised=targets.transactions_per_second,
                client=load.pgbench(),
            )
    except DrillError as error:
        raise ConfigError(str(error)) from None
    except psycopg.Error as error:
        raise ConfigError(f"--server: {' '.join(str(error).split())}") from None
    told = told_of(found, "the platform's own server" if same_server else "a named server")
    passed = passes(found, targets.transactions_per_second)
    return outcome.end(
        source,
        "load",
        told,
        passed=passed,
        show=lambda say: _print(say, found, targets),
        server=None,
        started_at=started_at,
        store=store,
        no_evidence=no_evidence,
        valid_days=valid_days,
        output_format=output_format,
        kept=flat(told),
    )


def passes(found: Result, per_second: float) -> bool:
    """Whether all connections were held, and the throughput reached, without losing a session."""
    c = found.capacity
    return found.held >= found.wanted and c is not None and not c.lost and c.per_second >= per_second


def told_of(found: Result, where: str) -> dict[str, Any]:
    """The evidence that is kept, as `connections-unproven` and `throughput-unproven` read it."""
    told: dict[str, Any] = {
        "where": where,
        "connections_wanted": found.wanted,
        "connections_held": found.held,
        "refused": found.refused,
        "connect_p95_ms": found.connect.point if found.connect else None,
        "room": str(found.room),
    }
    if found.capacity is None:
        return told
    told |= {"workload": f"{found.mix}, {found.capacity.seconds} s, from this machine", **_worked(found.capacity)}
    return told | ({"at_promised_rate": _worked(found.promised)} if found.promised else {})


def flat(told: dict[str, Any]) -> dict[str, Any]:
    """The evidence as the store takes it: scalars and lists of them."""
    kept = {
        name: value for name, value in told.items() if name not in ("series", "waits", "errors", "at_promised_rate")
    }
    if "series" in told:
        kept["series"] = [second["transactions"] for second in told["series"]]
        kept["waits"] = [f"{what} {share:.0%}" for what, share in told["waits"].items()]
        kept["errors"] = [f"{state} {count}" for state, count in told["errors"].items()]
    at_rate = flat(told["at_promised_rate"]) if told.get("at_promised_rate") else {}
    return kept | {f"at_promised_rate_{name}": value for name, value in at_rate.items()}


def _worked(work: Work) -> dict[str, Any]:
    latency = work.latency
    return {
        "rate": work.rate,
        "transactions_per_second": work.per_second,
        "failed": work.failed,
        "errors": dict(work.errors),
        "sessions_lost": work.lost,
        "p95_ms": latency.point if latency else None,
        "p95_lower_ms": latency.lower if latency else None,
        "p95_upper_ms": latency.upper if latency and math.isfinite(latency.upper) else None,
        "transactions": latency.samples if latency else 0,
        "series": [{"transactions": n, "p95_ms": p95} for n, p95 in work.series],
        "active_sessions": round(work.active, 1),
        "waits": {what: round(share, 3) for what, share in work.waits.items()},
        "client_at_its_limit": work.narrow,
    }


def _print(say: Callable[[str], None], found: Result, targets: Targets) -> None:
    target = targets.transactions_per_second
    say(f"load drill: {found.held} of {found.wanted} connections in a transaction at once ({found.room})")
    if found.wanted < targets.connections:
        promised = targets.connections
        say(f"  that the profile's {promised} can be had is not shown by fewer: performance/connections-unproven")
    if found.refused:
        say(f"  FAIL {found.refused}")
    if (c := found.capacity) is not None:
        word = "ok" if c.per_second >= target and not c.lost else "FAIL"
        say(f"  {word} {c.per_second:,.0f} transactions a second over {c.seconds} s, promised {target:,.0f}")
        _say_work(say, c)
        if c.narrow:
            say("  the client was at its limit, not the server: work from a larger machine, or more of them")
    if (p := found.promised) is not None:
        kept_up = p.per_second >= load.KEPT_UP * target
        say(f"  at the promised rate, {p.per_second:,.0f} a second{'' if kept_up else ': not kept up'}")
        _say_work(say, p)
    if found.mix:
        say(f"  {found.mix}, from this machine")


def _say_work(say: Callable[[str], None], work: Work) -> None:
    if work.latency is not None:
        q = work.latency
        upper = f"{q.upper:.1f}" if math.isfinite(q.upper) else "infinity"
        queued = ", the wait for its turn included" if work.rate else ""
        say(f"    P95 {q.point:.1f} ms ({q.lower:.1f} to {upper}) of {q.samples:,} transactions{queued}")
    if work.series:
        per_second = [n for n, _ in work.series]
        say(f"    each second between {min(per_second):,} and {max(per_second):,}: {spark(per_second)}")
    if work.failed or work.lost:
        by = f" ({', '.join(f'{n} x {state}' for state, n in sorted(work.errors.items()))})" if work.errors else ""
        say(f"    {work.failed:,} failed{by}, {work.lost} sessions lost; the first: {work.said.strip() or 'not told'}")
    if work.waits:
        shares = ", ".join(f"{what} {share:.0%}" for what, share in work.waits.items())
        say(f"    {work.active:.0f} sessions at work on the average; {shares}")


def spark(values: Sequence[float], *, width: int = 60) -> str:
    """A line of blocks, from nothing to the largest; the means of neighbours where there are more than fit."""
    step = max(1, math.ceil(len(values) / width))
    means = [sum(part) / len(part) for at in range(0, len(values), step) if (part := values[at : at + step])]
    top = max(means) or 1.0
    return "".join("\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"[min(7, int(v / top * 8))] for v in means)
