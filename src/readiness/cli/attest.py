"""`readiness attest`: vouch, for a while, for what no probe can see."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from readiness import audit, policy, register
from readiness.cli import support
from readiness.cli.support import BindOption, PolicyOption, ProfileOption
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def attest(
    check: Annotated[str, typer.Argument(metavar="CHECK", help="The check's id; `readiness checks` lists them.")],
    statement: Annotated[str, typer.Option(help="What is vouched for, in a sentence.")],
    by: Annotated[str, typer.Option("--by", help="Who vouches for it.")],
    role: Annotated[str, typer.Option(help="In which role: DBA, security officer...")],
    evidence: Annotated[str, typer.Option(help="A file in the repository, or a link.")],
    sha256: Annotated[str | None, typer.Option(help="Of the evidence; of a file it is computed.")] = None,
    valid_days: Annotated[int, typer.Option(help="How long it holds.", min=1, max=366)] = 90,
    date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Default: today (UTC).")] = None,
    profile: ProfileOption = None,
    policy_name: PolicyOption = "beta",
    bind: BindOption = False,
) -> None:
    """Add an attestation to the file that is reviewed with the repository."""
    source = support.load_profile(profile)
    path = source.folder / (source.profile.attestations or register.ATTESTATIONS_FILE)
    infos = {c.info.id: c.info for c in audit.all_checks(support.load_policy(policy_name))}
    if check not in infos:
        raise ConfigError(policy.unknown_check(check, infos))
    if not infos[check].attestable:
        raise ConfigError(f"{check} is measured; it can't be attested")
    today = dt.datetime.now(dt.UTC).date()
    signed = support.day(date) or today
    if signed > today:
        raise ConfigError(f"--date: {signed} lies in the future")
    if sha256 is None:
        if "://" in evidence:
            raise ConfigError("--sha256: a link's content can't be computed here; give its SHA-256")
        sha256 = _sha256(path.parent / evidence)
    try:
        entry = register.Attestation(
            profile=support.binding(source, bind),
            check=check,
            statement=statement,
            attested_by=by,
            role=role,
            date=signed,
            valid_days=valid_days,
            evidence=evidence,
            sha256=sha256,
        )
    except ValidationError as error:
        raise ConfigError(f"--{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}") from None
    register.append(path, "attestations", entry)
    print(f"{path}: {check} is attested until {entry.expires}{f' ({entry.profile} alone)' if entry.profile else ''}")


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"--evidence {path}: can't be read: {error.strerror or error}") from error
