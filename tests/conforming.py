"""Write a declaration from a database and compare the two, as `readiness init` and the conformance checks do."""

from __future__ import annotations

from pathlib import Path

from asking import asking, found
from readiness import declaration, profile
from readiness.facts.inventory import Inventory
from readiness.facts.postgres import Postgres
from readiness.profile import Profile

CHECKS = (
    "schema/missing-schema",
    "schema/missing-table",
    "schema/column-differs",
    "schema/constraint-differs",
    "schema/index-differs",
    "schema/enum-differs",
    "schema/extension-differs",
    "schema/owner-differs",
    "schema/row-security-differs",
    "schema/comment-differs",
    "schema/undeclared-object",
    "security/privilege-differs",
)


def declare(dsn: str, folder: Path) -> Profile:
    """A profile as `readiness init` writes it, read back from its file."""
    postgres = Postgres(dsn, statement_seconds=30)
    try:
        inventory = Inventory.take(postgres)
    finally:
        postgres.close()
    file = folder / "readiness.yaml"
    file.write_text("name: test\n" + declaration.written(inventory), encoding="utf-8")
    return profile.load(file, {}).profile


def differences(dsn: str, wanted: Profile) -> dict[str, set[str]]:
    with asking(dsn, profile=wanted) as asked:
        return {check: names for check in CHECKS if (names := found(asked(check)))}
