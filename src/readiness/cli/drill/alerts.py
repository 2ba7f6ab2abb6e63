"""`readiness drill alerts`: alert rules, tried."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from typing import Annotated, Any

import typer

from readiness import audit
from readiness.audit import Request
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.drill import outcome
from readiness.cli.runs import EvidenceOption
from readiness.cli.support import DatabaseOption, ProfileOption, VerboseOption
from readiness.drills import DrillError, alerts, evidence
from readiness.facts.monitoring import AlertRules
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.yamldoc import ConfigError

app = support.new_app()

_SETTINGS = """
select s.name, s.setting::pg_catalog.float8 as value
from pg_catalog.pg_settings as s
where s.vartype in ('integer', 'real')
order by s.name
"""


@app.command("alerts")
def alerts_drill(
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    promtool: Annotated[str, typer.Option("--promtool", metavar="FILE", help="Prometheus' tool.")] = "promtool",
    hours: Annotated[
        float, typer.Option("--hours", help="How long the trouble lasts in which a rule has to fire.", min=0.1, max=240)
    ] = alerts.HOURS,
    valid_days: outcome.ValidDaysOption = evidence.VALID_DAYS,
    output_format: outcome.FormatOption = "console",
    store: EvidenceOption = "",
    no_evidence: outcome.NoEvidenceOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Try alert rules: on made series promtool shows which fire in trouble, which never do, and which when all is well.

    The rules of `monitoring.prometheus`, or of `monitoring.rule_files`. Nothing is sent to Prometheus but questions, and
    nobody is alerted.
    """
    source = support.load_profile(profile)
    started_at = dt.datetime.now(dt.UTC)
    target = Target(profile=source.profile, folder=source.folder, now=started_at)
    chosen = support.load_policy("beta")
    postgres = audit.connect(Request(profile=source, policy=chosen, dsn=database, redactor=support.redactor))
    try:
        server = Server.take(postgres)
        settings = {row["name"]: row["value"] for row in postgres.rows(_SETTINGS, marker="alerts-drill")}
        rules = AlertRules.take(target)
    except Unobservable as refusal:
        raise ConfigError(f"{refusal.detail}{f'; {refusal.unlock}' if refusal.unlock else ''}") from None
    finally:
        postgres.close()
    try:
        tool = shutil.which(promtool) or promtool
        version = alerts.version_of(tool)
        found = alerts.drill(
            rules, tool, settings=settings, hours=hours, step=max(rules.step or 0, alerts.STEP_SECONDS)
        )
    except DrillError as error:
        raise ConfigError(support.redactor.text(str(error))) from None
    passed = not any(t.findings for t in found.values())
    told: dict[str, Any] = {
        "promtool": version,
        "loaded": rules.loaded,
        "rules": [f"{kind} {t.sha256}" for kind, t in found.items()],
        "proved": [f"{kind}: {name}" for kind, t in found.items() for name in t.proved],
        "findings": [f"{kind}: {line}" for kind, t in found.items() for line in t.findings],
        "unproved": [f"{kind}: {line}" for kind, t in found.items() for line in t.unproved],
    }
    return outcome.end(
        source,
        "alerts",
        told,
        passed=passed,
        show=lambda say: _print(say, found, loaded=rules.loaded, verbose=verbose),
        server=server,
        started_at=started_at,
        store=store,
        no_evidence=no_evidence,
        valid_days=valid_days,
        output_format=output_format,
    )


def _print(say: Callable[[str], None], found: dict[str, alerts.Tried], *, loaded: bool, verbose: bool) -> None:
    proved = sum(len(t.proved) for t in found.values())
    where = "loaded by Prometheus" if loaded else "in files, which a Prometheus may have loaded or not"
    say(f"alerts drill: {proved} rule{'' if proved == 1 else 's'} proved, {where}")
    for kind, tried in found.items():
        for finding in tried.findings:
            say(f"  FAIL {kind}: {finding}")
        for line in tried.unproved:
            say(f"  not proved: {kind}: {line}")
        for name in tried.proved if verbose else ():
            say(f"  {kind}: {name} fires in trouble, and is silent when all is well")
