"""Where a drill must not write."""

from __future__ import annotations

import os

from readiness import profile as profiles
from readiness.cli import support
from readiness.drills import scratch


def platforms(source: profiles.Source) -> list[str]:
    """The ways to the platform's own databases: declared, in the environment, or libpq's default where that answers."""
    named = [*profiles.dsns_of(source.profile), os.environ.get(support.DATABASE_VARIABLE, "")]
    found = [dsn for dsn in named if dsn]
    told = any(os.environ.get(name) for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"))
    return [*found, ""] if told or scratch.identity("") is not None else found
