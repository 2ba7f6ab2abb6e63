"""`readiness profile`: check a profile without connecting, or print its JSON Schema."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from readiness import profile as profiles
from readiness.cli import support
from readiness.cli.support import PolicyOption, ProfileOption

app = support.new_app()


@app.callback()
def _group() -> None:
    """Check a profile without connecting, or print its JSON Schema."""


@app.command()
def schema() -> None:
    """Print the profile's JSON Schema, for editors."""
    print(json.dumps(profiles.json_schema(), indent=1, ensure_ascii=False))


@app.command()
def check(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Each of these.")] = None,
    profile: ProfileOption = None,
    policy: PolicyOption = "beta",
) -> None:
    """Read a profile and say what it declares, without connecting to anything. The policy names the packs of its checks."""
    from readiness import audit

    names: list[str | None] = [*files] if files else [profile]
    checks = audit.all_checks(support.load_policy(policy))
    for name in names:
        source = support.load_profile(name)
        p = source.profile
        audit.check_names(source, checks)
        where = source.path or "no readiness.yaml found; a shipped or an empty profile"
        tables = sum(len(s.tables) for s in p.schemas.values())
        print(
            f"{where}: {p.shown}: {len(p.services)} services, {len(p.stores)} stores, {len(p.schemas)} schemas with "
            f"{tables} tables, {len(p.queries)} critical queries, {len(p.rows())} requirements, {len(p.risks)} risks"
        )
