"""Draws the sample of findings on the known public schemas that somebody looks at and judges: tests/judged/SCHEMA.yaml.

    .venv/bin/python tools/judge.py chinook pagila     # prints as YAML what the seed draws there and no verdict stands for

For each schema and check ten findings at most, by the seed. The schemas lie beside the project (READINESS_KNOWN_ANSWERS,
default ../shared/cases); their text is not part of it, the names of their objects are. A schema without a file was not
judged; where there is a file, the tests see that it covers what is drawn.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from asking import asking, checks  # noqa: E402
from conftest import DEBIAN, SETTINGS  # noqa: E402
from readiness import embedded  # noqa: E402
from readiness.embedded import Cluster, Runtime  # noqa: E402
from readiness.model import SUBJECT_KINDS, Examined, Priority  # noqa: E402

SEED = 20261125
DRAWN = 10
KNOWN = Path(os.environ.get("READINESS_KNOWN_ANSWERS") or ROOT.parent / "shared" / "cases")
JUDGED = ROOT / "tests" / "judged"


GUESSES = {"schema/unbounded-amount-column"}  # weighs nothing, and may be wrong of what a column holds


def judging() -> list[str]:
    """Checks that weigh and whose subjects lie in a database, asked by SQL; what weighs nothing is taste or a list."""
    return [
        i
        for i, c in checks().items()
        if SUBJECT_KINDS[c.info.subject_kind]
        and c.source.startswith("/*---")
        and (c.info.priority is not Priority.INFO or i in GUESSES)
    ]


def draw(dsn: str, schema: str) -> list[tuple[str, str]]:
    """(check, subject) of what is looked at, check by check."""
    drawn = []
    with asking(dsn) as asked:
        for check in judging():
            outcome = asked(check)
            if isinstance(outcome, Examined):
                # The least by a hash, not by a generator: a finding more or less moves no other in or out of the sample.
                ranked = sorted((o.subject for o in outcome.findings), key=lambda s: _rank(schema, check, s))
                drawn += [(check, subject) for subject in sorted(ranked[:DRAWN])]
    return drawn


def _rank(*words: str) -> str:
    return hashlib.sha256("\0".join([str(SEED), *words]).encode()).hexdigest()


def judged(schema: str) -> list[dict[str, Any]] | None:
    """The verdicts on a schema's findings: check, subject, verdict (right, wrong), why; None where nobody judged it."""
    path = JUDGED / f"{schema}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def load(cluster: Cluster, schema: str) -> str:
    """Load a schema, and say what its database is called."""
    done = subprocess.run(
        ["bash", KNOWN / "schemas" / schema / "load.sh", f"host=127.0.0.1 port={cluster.port} user=postgres"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGPASSWORD": cluster.password, "PATH": f"{DEBIAN}:{os.environ['PATH']}"},
    )
    if done.returncode:
        raise RuntimeError(f"{schema}: {done.stderr[-500:]}")
    return f"known_{schema}"


def main(schemas: list[str]) -> int:
    with embedded.cluster(Runtime(DEBIAN), settings=SETTINGS, fast=True, purpose="judge") as cluster:
        for schema in schemas:
            known = {(r["check"], r["subject"]) for r in judged(schema) or []}
            print(f"# {schema}")
            for check, subject in draw(cluster.dsn(load(cluster, schema)), schema):
                if (check, subject) not in known:
                    row = {"check": check, "subject": subject}
                    print(yaml.safe_dump([row], width=1000, sort_keys=False, allow_unicode=True), end="", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
