"""`readiness drill services`: what services must be able to do, tried."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from readiness import audit
from readiness import profile as profiles
from readiness.audit import Request
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.drill import outcome
from readiness.cli.runs import EvidenceOption
from readiness.cli.support import DatabaseOption, ProfileOption
from readiness.drills import evidence, services
from readiness.facts.http import side_by_side
from readiness.facts.probes import KIND, digest, urls_of
from readiness.facts.server import Server
from readiness.facts.target import bare_url
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command("services")
def services_drill(
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Send them. Without, they are listed and nothing is sent.")
    ] = False,
    valid_days: outcome.ValidDaysOption = evidence.VALID_DAYS,
    output_format: outcome.FormatOption = "console",
    store: EvidenceOption = "",
    no_evidence: outcome.NoEvidenceOption = False,
) -> int:
    """Send the profile's probes to the services, and hold each answer against what is declared.

    They write on the platform that the profile names, as any client does: in a tenant of their own, which `{run}` names, and
    what they made is cleaned up as the probes say.
    """
    source = support.load_profile(profile)
    declared = source.profile.probes
    if not declared:
        raise ConfigError(
            "the profile declares no probes: probes: {NAME: {service: ..., steps: [{request: GET /...}]}}"
        )
    if not yes:
        for name, probe in declared.items():
            print(f"{name}:")
            urls = {service: bare_url(url) for service, url in urls_of(probe, source.profile).items()}
            for step in (*probe.steps, *probe.cleanup):
                print(f"  {step.request.replace(' ', f' {urls[step.service or probe.service]}', 1)}")
        raise ConfigError("these requests write on the platform: --yes sends them (nothing was sent)")
    support.redactor.learn(profiles.secrets_of(source.profile))
    started_at = dt.datetime.now(dt.UTC)
    server: Server | None = None
    postgres = audit.connect(
        Request(profile=source, policy=support.load_policy("beta"), dsn=database, redactor=support.redactor)
    )
    try:
        server = Server.take(postgres)
    except Unobservable as refusal:
        if source.profile.unnamed:
            raise ConfigError(refusal.detail) from None
    finally:
        postgres.close()
    run, seconds = services.new_run(), source.profile.probing.http_timeout_seconds
    at = {name: number for number, name in enumerate(declared)}  # each probe has a tenant of its own

    def send(names: list[str]) -> dict[str, services.Tried]:
        return {
            n: services.send(declared[n], urls_of(declared[n], source.profile), run=f"{run}{at[n]}", seconds=seconds)
            for n in names
        }

    # Of one service's one after the other, services side by side.
    by_service: dict[str, list[str]] = {}
    for name, probe in declared.items():
        by_service.setdefault(probe.service, []).append(name)
    batches = side_by_side({service: partial(send, names) for service, names in by_service.items()})
    found = {name: tried for batch in batches.values() for name, tried in batch.items()}
    passed = all(tried.failure is None for tried in found.values())
    told: dict[str, Any] = {
        "run": run,
        "sent": [f"{name} {digest(declared[name], source.profile)} {tried.steps}" for name, tried in found.items()],
        "failures": [f"{name}: {tried.failure}" for name, tried in found.items() if tried.failure is not None],
        "slowest_ms": round(max(tried.milliseconds for tried in found.values()), 1),
    }
    return outcome.end(
        source,
        KIND,
        told,
        passed=passed,
        show=lambda say: _print(say, run, found),
        server=server,
        started_at=started_at,
        store=store,
        no_evidence=no_evidence,
        valid_days=valid_days,
        output_format=output_format,
    )


def _print(say: Callable[[str], None], run: str, found: dict[str, services.Tried]) -> None:
    say(f"services drill {run}: {len(found)} probe{'' if len(found) == 1 else 's'}")
    for name, tried in found.items():
        said = f"FAIL {tried.failure}" if tried.failure else f"{tried.steps} steps as declared"
        say(f"  {name}: {said}")
