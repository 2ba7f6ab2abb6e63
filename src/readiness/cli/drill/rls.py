"""`readiness drill rls`: row level security, tried."""

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
from readiness.drills import DrillError, evidence, rls
from readiness.facts.catalog import TenantTables, shown, split_name
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.facts.walls import TenantWalls, application_roles
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command("rls")
def rls_drill(
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Try what is seen alone; what may be written stays unproved.")
    ] = False,
    probe_seconds: Annotated[
        float, typer.Option("--probe-seconds", help="The server's limit for one probe.", min=0.1, max=600)
    ] = rls.PROBE_SECONDS,
    valid_days: outcome.ValidDaysOption = evidence.VALID_DAYS,
    output_format: outcome.FormatOption = "console",
    store: EvidenceOption = "",
    no_evidence: outcome.NoEvidenceOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Try row level security: every declared role reads and writes every tenant table, as tenants, as a stranger, as nobody.

    As a superuser, or a role that sees every row and may act as each of them. Each probe is a transaction that is rolled
    back, and writes one row at most; triggers fire. Best on a copy of the platform with rows of two tenants.
    """
    source = support.load_profile(profile)
    started_at = dt.datetime.now(dt.UTC)
    declared = _declared(source.profile)
    chosen = support.load_policy("beta")
    target = Target(profile=source.profile, folder=source.folder, now=started_at)
    postgres = audit.connect(Request(profile=source, policy=chosen, dsn=database, redactor=support.redactor))
    dsn = database or (source.profile.database.dsn.get_secret_value() if source.profile.database.dsn else "")
    try:
        server = Server.take(postgres)
        walls = TenantWalls.take(postgres, target, TenantTables.take(target)).by_table
    except Unobservable as refusal:
        raise ConfigError(refusal.detail) from None
    finally:
        postgres.close()
    try:
        found = rls.drill(dsn, walls, declared, writes=not read_only, seconds=probe_seconds)
    except DrillError as error:
        raise ConfigError(support.redactor.text(str(error))) from None
    gone = [name for name, wall in walls.items() if wall is None]
    passed = not gone and not any(t.findings for t in found.values())
    told: dict[str, Any] = {
        "roles": list(declared.roles),
        "wrote": not read_only,
        "walls": [f"{name} {t.sha256}" for name, t in found.items()],
        "probes": sum(t.probes for t in found.values()),
        "findings": [f"{name}: {line}" for name, t in found.items() for line in t.findings],
        "unproved": [f"{name}: {line}" for name, t in found.items() for line in t.unproved],
        "missing": gone,
    }
    return outcome.end(
        source,
        "rls",
        told,
        passed=passed,
        show=lambda say: _print(say, found, gone, verbose=verbose),
        server=server,
        started_at=started_at,
        store=store,
        no_evidence=no_evidence,
        valid_days=valid_days,
        output_format=output_format,
    )


def _declared(profile: profiles.Profile) -> rls.Declared:
    own = profile.row_security
    roles = application_roles(profile)
    if not own.tables:
        raise ConfigError(
            "the profile declares no tenant tables: row_security: {tables: [...], column: ..., settings: ...}"
        )
    if not roles:
        raise ConfigError("the profile declares no role to try: row_security.roles, or services.*.role")
    if not own.settings:
        raise ConfigError(
            'the profile doesn\'t say how a session names its tenant: row_security.settings: {app.tenant: "{tenant}"}'
        )
    of = {shown(*split_name(table)): column for table, column in own.columns.items()}
    columns = {t: c for t in (shown(*split_name(t)) for t in own.tables) if (c := of.get(t, own.column)) is not None}
    owners = {shown(*split_name(table)): query for table, query in own.owners.items()}
    return rls.Declared(columns=columns, settings=own.settings, owners=owners, roles=roles, tenants=own.tenants)


def _print(say: Callable[[str], None], found: dict[str, rls.Tried], gone: list[str], *, verbose: bool) -> None:
    probes = sum(t.probes for t in found.values())
    say(f"rls drill: {len(found)} table{'' if len(found) == 1 else 's'}, {probes} probes answered")
    for name in gone:
        say(f"  FAIL {name}: there is no such table")
    for name, tried in found.items():
        for finding in tried.findings:
            say(f"  FAIL {name}: {finding}")
        for line in tried.unproved:
            say(f"  not proved: {name}: {line}")
        if verbose and not tried.findings and not tried.unproved:
            say(f"  {name}: {tried.probes} probes, nothing found")
