"""The audit of a migrations folder alone: replayed on a server of our own, and asked what a schema can answer.

What hangs on a platform that lives (its rows, its load, its settings, its history table) is not asked, and weighs nothing
here: the policy is narrowed to what is asked. So a pull request is judged by the schema that it makes.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from readiness import audit, policy
from readiness.audit import Request
from readiness.drills import replay
from readiness.model import Category, Priority
from readiness.policy import CheckPolicy, Policy
from readiness.profile import Migrations

ASKED: tuple[str, ...] = (
    "schema/*",
    "performance/fk-without-index",
    "performance/duplicate-index",
    "performance/redundant-index",
    "performance/invalid-index",
    "performance/btree-index-on-array",
    "performance/embedding-without-index",
    "migration/irreversible-migration",
    "migration/unversioned-migration",
    "migration/unsafe-statement",
    "security/row-security-*",
    "security/polic*",
    "security/overlapping-policies",
    "security/tenant-column-without-row-security",
    "security/definer-*",
    "security/exposed-*",
    "security/view-bypasses-row-security",
    "security/table-writable-by-public",
    "security/untrusted-language",
)
"""Patterns of checks that a replayed schema and its folder answer."""


@contextmanager
def replayed(request: Request, folder: Path, *, told: replay.Told = replay.untold) -> Iterator[Request]:
    """The request, led to a database that the folder's migrations made.

    Raises:
        DrillError: a migration can't be run, or fails.
        EmbeddedError: there is no server to be had.
        ConfigError: the policy is broken.
    """
    declared = request.profile.profile.migrations or Migrations(directory=str(folder))
    here = declared.model_copy(update={"directory": str(folder.resolve())})
    source = request.profile.model_copy(
        update={"profile": request.profile.profile.model_copy(update={"migrations": here})}
    )
    checks = audit.all_checks(request.policy)
    asked = [c.info.id for c in checks if any(fnmatch.fnmatchcase(c.info.id, p) for p in ASKED)]
    with replay.replayed(
        folder, framework=declared.framework, commands=declared.commands, project=source.folder, told=told
    ) as database:
        yield replace(
            request,
            profile=source,
            policy=_narrowed(request.policy, asked, [c.info.id for c in checks]),
            dsn=database.dsn,
            name=request.name or (folder.resolve().name if source.profile.unnamed else ""),
            only=request.only or asked,
            as_superuser=True,  # of a server of our own, which ends with the audit
            evidence=None,
        )


def _narrowed(source: policy.Source, asked: Sequence[str], every: Sequence[str]) -> policy.Source:
    """The policy without what is not asked: no weight, no must-have, no category of it."""
    own: Policy = source.policy
    kept = {i.partition("/")[0] for i in asked}
    checks = dict(own.checks)
    for name in every:
        if name not in asked:
            checks[name] = checks.get(name, CheckPolicy()).model_copy(update={"priority": Priority.INFO})
    narrowed = own.model_copy(
        update={
            "name": f"{own.name}, of a folder",
            "checks": checks,
            "must_haves": tuple(m for m in own.must_haves if set(m.checks) <= set(asked)),
            "drop": tuple({*own.drop, *(c for c in Category if c.value not in kept)}),
        }
    )
    return source.model_copy(update={"policy": narrowed})
