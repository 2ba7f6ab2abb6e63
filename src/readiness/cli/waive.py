"""`readiness waive`: accept a risk, for a while."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer
from pydantic import ValidationError

from readiness import audit, policy, register
from readiness.cli import support
from readiness.cli.support import BindOption, PolicyOption, ProfileOption
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def waive(
    check: Annotated[str, typer.Argument(metavar="CHECK", help="The check's id; `readiness checks` lists them.")],
    object_: Annotated[str, typer.Option("--object", help="The finding's subject, or a pattern (`*` is any text).")],
    reason: Annotated[str, typer.Option(help="Why the risk is acceptable.")],
    owner: Annotated[str, typer.Option(help="Who owns the risk.")],
    approver: Annotated[str, typer.Option(help="Who accepts it.")],
    ticket: Annotated[str, typer.Option(help="Where its end is tracked.")],
    days: Annotated[int, typer.Option(help="How long it holds; the policy says how long at most.", min=1)] = 30,
    profile: ProfileOption = None,
    policy_name: PolicyOption = "beta",
    bind: BindOption = False,
) -> None:
    """Add a waiver to the file that is reviewed with the repository: it lifts a veto and adds no point."""
    source = support.load_profile(profile)
    path = source.folder / (source.profile.waivers or register.WAIVERS_FILE)
    in_policy = support.load_policy(policy_name)
    infos = {c.info.id: c.info for c in audit.all_checks(in_policy)}
    if check not in infos:
        raise ConfigError(policy.unknown_check(check, infos))
    if days > in_policy.policy.waiver_days:
        raise ConfigError(f"--days {days}: the policy allows {in_policy.policy.waiver_days} at most")
    today = dt.datetime.now(dt.UTC).date()
    try:
        entry = register.Waiver(
            profile=support.binding(source, bind),
            check=check,
            object=object_,
            reason=reason,
            owner=owner,
            approver=approver,
            ticket=ticket,
            created=today,
            expires=today + dt.timedelta(days=days),
        )
    except ValidationError as error:
        raise ConfigError(f"--{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}") from None
    register.append(path, "waivers", entry)
    print(
        f"{path}: {check} on {object_} is waived until {entry.expires}{f' ({entry.profile} alone)' if entry.profile else ''}"
    )
