"""`readiness role-sql`: the script that makes the auditor's role."""

from __future__ import annotations

from typing import Annotated

import typer

from readiness import audit, auditor_role, scoring
from readiness.cli import support
from readiness.cli.support import PolicyOption, ProfileOption
from readiness.model import CheckResult, Reason, Unknown

app = support.new_app()


@app.command("role-sql")
def role_sql(
    tier: Annotated[
        int, typer.Option(help="Up to which tier.", min=1, max=len(auditor_role.TIERS))
    ] = auditor_role.DEFAULT_TIER,
    role: Annotated[str, typer.Option(help="The role's name.")] = auditor_role.DEFAULT_ROLE,
    database_name: Annotated[str | None, typer.Option("--database-name", help="Where it may connect.")] = None,
    profile: ProfileOption = None,
    policy_name: PolicyOption = "beta",
) -> None:
    """Print the script that makes the auditor's role, with what each tier lets it see. Connects to nothing."""
    source = support.load_profile(profile)
    p = source.profile
    schemas = [*p.schemas, *(s for service in p.services.values() for s in service.schemas)]
    print(
        auditor_role.script(
            role=role,
            database=database_name,
            schemas=list(dict.fromkeys(schemas)),
            tier=tier,
            points=points_by_tier(policy_name),
        ),
        end="",
    )


def points_by_tier(policy_name: str) -> dict[int, float]:
    """The points of the checks that need each tier, were every check applicable."""
    source = support.load_policy(policy_name)
    checks = audit.all_checks(source)
    unasked = Unknown(reason=Reason.NOT_SELECTED, detail="not asked")
    card = scoring.score(source.policy, [CheckResult(check=c.info, outcome=unasked) for c in checks])
    points = {s.result.check.id: s.points for s in card.standings}
    return {
        t.number: scoring.tenths(sum((points[c.info.id] for c in checks if t.needs & set(c.info.needs)), scoring.ZERO))
        for t in auditor_role.TIERS
    }
