"""`readiness history`: the kept runs over time."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Annotated, Literal

import typer

from readiness import document, recount, teamstore
from readiness.cli import runs, support
from readiness.cli.score import console_for
from readiness.cli.support import ColorOption, PolicyOption, ProfileOption
from readiness.history import RunRecord
from readiness.model import count_of
from readiness.policy import Policy
from readiness.reporting import trend
from readiness.reporting.trend import Point
from readiness.yamldoc import ConfigError

app = support.new_app()


@app.command()
def history(
    target: Annotated[str, typer.Option("--target", metavar="NAME", help="Whose runs. Default: the profile's.")] = "",
    limit: Annotated[int, typer.Option(help="How many runs, the newest first.", min=1)] = 20,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Weigh every run's evidence again, under --policy: then they all compare.")
    ] = False,
    policy: PolicyOption = "beta",
    prune: Annotated[
        str,
        typer.Option(
            "--prune", metavar="KEEP", help="Forget older runs: `90d` keeps those of 90 days, `100` the newest 100."
        ),
    ] = "",
    format_name: Annotated[Literal["console", "json"], typer.Option("--format", "-f")] = "console",
    profile: ProfileOption = None,
    evidence: runs.EvidenceOption = "",
    color: ColorOption = "auto",
) -> int:
    """The kept runs over time, as a table and a plot; n/c stands where two runs don't compare.

    --rescore changes nothing in the store. What the policy would have asked otherwise is unknown under it. --prune forgets runs;
    the newest one always stays, and what drills proved ends by itself.
    """
    source = support.load_profile(profile)
    where = runs.place(source, evidence)
    keep, days = _kept(prune)
    with runs.opened(where) as store:
        name = target or runs.target_in(store, source, where)
        if prune:
            before = datetime.now(UTC) - timedelta(days=days) if days is not None else None
            forgotten = store.prune(name, keep=keep, before=before)
            print(f"{teamstore.shown(where)}: {count_of(forgotten, 'runs')} of {name} forgotten")
            return 0
        records = store.runs(name, limit=limit)
    if not records:
        raise ConfigError(f"{teamstore.shown(where)}: no run of {name} is kept")
    points = [_point(r) for r in records]
    if rescore:
        other = support.load_policy(policy).policy
        points = [_rescored(p, r, other) for p, r in zip(points, records, strict=True)]
    if format_name == "json":
        print(json.dumps(_as_json(name, points), indent=1))
        return 0
    console = console_for(color)
    unicode = (console.encoding or "").lower().startswith("utf")
    for part in trend.render(points, unicode=unicode):
        console.print(part)
    return 0


def _kept(prune: str) -> tuple[int | None, int | None]:
    """How many runs stay, or of how many days."""
    if not prune:
        return None, None
    found = re.fullmatch(r"(\d{1,6})(d?)", prune)
    if found is None or not int(found[1]):
        raise ConfigError(f"--prune {prune}: expected a number of runs (100) or of days (90d)")
    return (None, int(found[1])) if found[2] else (int(found[1]), None)


def _point(r: RunRecord) -> Point:
    policy = r.document.get("policy", {})
    return Point(
        id=r.id,
        at=r.finished_at,
        policy=str(policy.get("name", "")),
        policy_sha256=r.policy_sha256,
        threshold=Fraction(str(policy.get("threshold", 0))),
        decision=r.decision,
        score=Fraction(r.score),
        ceiling=Fraction(r.ceiling),
        coverage=Fraction(r.coverage),
        partial=r.partial,
    )


def _rescored(point: Point, record: RunRecord, policy: Policy) -> Point:
    under = replace(point, policy=policy.name, policy_sha256=policy.sha256)
    try:
        again = recount.rescored(document.RunDocument.model_validate(dict(record.document)), policy)
    except ValueError as error:  # of an older version that said less
        return replace(under, why_not=str(error).splitlines()[0])
    v = again.verdict
    return replace(
        under,
        threshold=Fraction(str(v.threshold)),
        decision=v.decision.value,
        score=Fraction(v.score_exact),
        ceiling=Fraction(v.ceiling_exact),
        coverage=Fraction(v.coverage_exact),
    )


def _as_json(target: str, points: Sequence[Point]) -> dict[str, object]:
    return {
        "schema": "readiness.history/1",
        "target": target,
        "runs": [
            {
                "id": p.id,
                "finished_at": p.at.isoformat(),
                "policy": p.policy,
                "policy_sha256": p.policy_sha256,
                "partial": p.partial,
            }
            | (
                {"unreadable": p.why_not}
                if p.why_not is not None
                else {
                    "decision": p.decision,
                    "score_exact": str(p.score),
                    "ceiling_exact": str(p.ceiling),
                    "coverage_exact": str(p.coverage),
                }
            )
            for p in points
        ],
    }
