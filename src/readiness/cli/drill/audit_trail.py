"""`readiness drill audit-trail`: the audit trail, tried."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any

import typer

from readiness import audit
from readiness import profile as profiles
from readiness.audit import Request
from readiness.authoring import Unobservable
from readiness.cli import support
from readiness.cli.drill import outcome
from readiness.cli.runs import EvidenceOption
from readiness.cli.support import DatabaseOption, ProfileOption, VerboseOption
from readiness.drills import DrillError, audit_trail, evidence
from readiness.facts.audit import AuditEvents, AuditLogging, AuditTrails, audit_roles
from readiness.facts.catalog import AuditedTables, shown, split_name
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command("audit-trail")
def audit_trail_drill(
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    truncate: Annotated[
        bool, typer.Option("--truncate/--no-truncate", help="Try truncate too, which locks a table for a moment.")
    ] = True,
    trial_seconds: Annotated[
        float, typer.Option("--trial-seconds", help="The server's limit for one statement.", min=0.1, max=600)
    ] = audit_trail.TRIAL_SECONDS,
    valid_days: outcome.ValidDaysOption = evidence.VALID_DAYS,
    output_format: outcome.FormatOption = "console",
    store: EvidenceOption = "",
    no_evidence: outcome.NoEvidenceOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Try the audit trail: every declared role adds, changes, deletes and truncates, and what that leaves is looked at.

    As a superuser, with what each role's sessions are set to. Each trial is a transaction that is rolled back; triggers
    fire. Best on a copy of the platform that has a row in each audited table.
    """
    source = support.load_profile(profile)
    started_at = dt.datetime.now(dt.UTC)
    declared = _declared(source.profile)
    target = Target(profile=source.profile, folder=source.folder, now=started_at)
    chosen = support.load_policy("beta")
    postgres = audit.connect(Request(profile=source, policy=chosen, dsn=database, redactor=support.redactor))
    dsn = database or (source.profile.database.dsn.get_secret_value() if source.profile.database.dsn else "")
    try:
        server = Server.take(postgres)
        server.require("pg_monitor")
        logging = AuditLogging.take(postgres, target)
        tables = AuditTrails.take(postgres, AuditedTables.take(target), logging).by_table
        events = AuditEvents.take(target).by_name
    except Unobservable as refusal:
        raise ConfigError(refusal.detail) from None
    finally:
        postgres.close()
    try:
        found = audit_trail.drill(dsn, tables, logging, declared, truncates=truncate, seconds=trial_seconds)
    except DrillError as error:
        raise ConfigError(support.redactor.text(str(error))) from None
    gone = [name for name, table in tables.items() if table is None]
    passed = not gone and not any(t.findings for t in found.values())
    stands = {name: table.sha256 for name, table in tables.items() if table} | dict(events)
    told: dict[str, Any] = {
        "roles": list(declared.roles),
        "trails": [f"{name} {stands[name]}" for name in found if name in stands],
        "trials": sum(t.trials for t in found.values()),
        "recorded_by": [f"{name}: {', '.join(sorted(t.by))}" for name, t in found.items() if t.by],
        "findings": [f"{name}: {line}" for name, t in found.items() for line in t.findings],
        "unproved": [f"{name}: {line}" for name, t in found.items() for line in t.unproved],
        "missing": gone,
    }
    return outcome.end(
        source,
        "audit-trail",
        told,
        passed=passed,
        show=lambda say: _print(say, told, found, verbose=verbose),
        server=server,
        started_at=started_at,
        store=store,
        no_evidence=no_evidence,
        valid_days=valid_days,
        output_format=output_format,
    )


def _declared(profile: profiles.Profile) -> audit_trail.Declared:
    own = profile.audit
    if not (own.tables or own.events or own.classes):
        raise ConfigError("the profile declares nothing whose changes must leave a trail: audit: {tables: [...]}")
    of = profile.row_security
    columns = {shown(*split_name(table)): column for table, column in of.columns.items()}
    tenants = {
        t: c for t in (shown(*split_name(t)) for t in own.tables) if (c := columns.get(t, of.column)) is not None
    }
    return audit_trail.Declared(
        roles=audit_roles(profile),
        trails=own.trails,
        events=own.events,
        classes=own.classes,
        tenants={t: c for t, c in tenants.items() if t in {shown(*split_name(n)) for n in of.tables}},
        owners={shown(*split_name(table)): query for table, query in of.owners.items()},
        settings=of.settings,
    )


def _print(
    say: Callable[[str], None], told: dict[str, Any], found: dict[str, audit_trail.Tried], *, verbose: bool
) -> None:
    say(f"audit-trail drill: {len(found)} {'subject' if len(found) == 1 else 'subjects'}, {told['trials']} trials")
    for name in told["missing"]:
        say(f"  FAIL {name}: there is no such table")
    for name, tried in found.items():
        for finding in tried.findings:
            say(f"  FAIL {name}: {finding}")
        for line in tried.unproved:
            say(f"  not proved: {name}: {line}")
        if verbose and not tried.findings and not tried.unproved:
            say(f"  {name}: {tried.trials} trials, recorded by {', '.join(sorted(tried.by))}")
