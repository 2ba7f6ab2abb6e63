"""What the tool keeps in the audited database is no part of the platform; a stranger's schema of the same name is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import stage
from asking import ask, asking, checks, found
from conforming import declare
from conftest import Database
from readiness import auditor_role
from readiness.embedded import Cluster
from readiness.facts import content
from readiness.facts.fingerprint import SchemaFingerprint, differing_groups
from readiness.facts.inventory import Inventory
from readiness.facts.postgres import Postgres
from readiness.model import SUBJECT_KINDS, Examined
from readiness.teamstore import TeamStore

APP = "create table public.runs (id text primary key, started_at timestamptz not null); insert into runs values ('a', now())"


@pytest.fixture(scope="module")
def plain(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        made.run(APP)
        yield made


@pytest.fixture(scope="module", params=["store first", "role first"])
def keeping(embedded_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Database]:
    """With a team's evidence store and what role-sql makes in it."""
    with stage.database(embedded_cluster) as made:
        made.run(APP)
        helper = auditor_role.script(role=made.bare_role, database=made.name, tier=2)
        if request.param == "role first":
            made.run(helper)
        TeamStore(made.dsn()).close()
        made.run(helper)
        yield made
        made.run(f"drop owned by {made.bare_role}; alter role {made.bare_role} reset all")


@pytest.fixture(scope="module")
def strange(embedded_cluster: Cluster) -> Iterator[Database]:
    """A schema of the name that was there before, and says of itself what it is."""
    with stage.database(embedded_cluster) as made:
        made.run(APP + "; create schema readiness; comment on schema readiness is 'Who is ready for what.'")
        made.run("create table readiness.person (id int)")
        made.run(auditor_role.script(role=made.bare_role, database=made.name, tier=2))
        TeamStore(made.dsn()).close()
        yield made
        made.run(f"drop owned by {made.bare_role}; alter role {made.bare_role} reset all")


def subjects(database: Database) -> set[str]:
    """Whatever a check of what lies in schemas says of the schema `readiness`."""
    named: set[str] = set()
    with asking(database.dsn()) as asked:
        for check, known in checks().items():
            if SUBJECT_KINDS[known.info.subject_kind] and known.source.startswith("/*---"):
                outcome = asked(check)
                if isinstance(outcome, Examined):
                    named |= {o.subject for o in outcome.findings} | set(outcome.tally)
    return {s for s in named if s.replace('"', "").startswith("readiness")}


def read(database: Database) -> tuple[SchemaFingerprint, Inventory]:
    postgres = Postgres(database.dsn())
    try:
        return SchemaFingerprint.of(postgres), Inventory.take(postgres)
    finally:
        postgres.close()


def test_its_own_bookkeeping_is_left_out_everywhere(plain: Database, keeping: Database, tmp_path: Path):
    assert subjects(keeping) == set()
    assert found(ask("schema/dual-definition", keeping.dsn())) == set(), "public.runs beside our own"
    one, other = Postgres(plain.dsn()), Postgres(keeping.dsn())
    try:
        assert differing_groups(one, other) == []
    finally:
        one.close()
        other.close()
    assert read(keeping)[0] == read(plain)[0]
    assert set(read(keeping)[1].schemas) == {"public"}
    assert set(declare(keeping.dsn(), tmp_path).schemas) == {"public"}
    with psycopg.connect(keeping.dsn()) as connection:
        tables, _ = content.tables(connection)
    assert [t.name for t in tables] == ["runs"]


def test_a_strangers_schema_of_the_name_is_audited(strange: Database):
    assert {'"readiness"', "readiness.person"} <= subjects(strange)
    assert "public.runs" in found(ask("schema/dual-definition", strange.dsn()))
    fingerprint, inventory = read(strange)
    assert {"readiness.person", "readiness.runs"} <= {o.name for o in fingerprint.objects}
    assert set(inventory.schemas["readiness"].tables) >= {"person", "runs"}
