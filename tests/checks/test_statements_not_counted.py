"""pg_stat_statements: not loaded, not here, switched off, too small."""

from __future__ import annotations

import pytest

from asking import ask, checks
from conftest import Database
from readiness.embedded import Cluster
from readiness.facts.statements import StatementCollector
from readiness.model import Examined, Observation, Unknown
from stage import eventually

CHECK = "performance/statements-not-counted"


def told(dsn: str) -> Observation:
    outcome = ask(CHECK, dsn)
    assert isinstance(outcome, Examined), outcome
    (observation,) = outcome.observations
    return observation


def test_it_must_be_in_this_database_and_count(debian_database: Database):
    database = debian_database
    for dsn in (database.dsn(), database.bare_dsn()):
        assert told(dsn).remedy == "create extension pg_stat_statements;"
    database.run("create schema elsewhere; create extension pg_stat_statements schema elsewhere")
    # What others asked this server may be more than it keeps.
    database.run("select elsewhere.pg_stat_statements_reset()")
    assert told(database.dsn()).ok
    as_bare = ask(CHECK, database.bare_dsn())
    assert isinstance(as_bare, Unknown)
    database.run(as_bare.unlock or "")
    assert told(database.bare_dsn()).ok
    assert int(str(told(database.dsn()).evidence["kept"])) > 0
    database.run(f"alter role {database.bare_role} in database {database.name} set pg_stat_statements.track = 'NONE'")
    hidden = told(database.dsn())
    assert hidden.evidence["not_of"] == [f"role {database.bare_role} in database {database.name}"]
    database.run(hidden.remedy or "")
    database.run(f"alter role {database.bare_role} in database {database.name} set pg_stat_statements.track = 'all'")
    assert told(database.dsn()).ok
    database.run(f"alter role {database.bare_role} in database {database.name} reset all")
    database.run("alter system set pg_stat_statements.track = none; select pg_reload_conf()")
    try:
        assert eventually(lambda: not told(database.bare_dsn()).ok)
        database.run(told(database.dsn()).remedy or "")
        assert eventually(lambda: told(database.dsn()).ok)
    finally:
        database.run("alter system reset pg_stat_statements.track; select pg_reload_conf()")


def test_it_answers_on_other_versions(older_cluster: Cluster):
    assert told(older_cluster.dsn()).subject == "pg_stat_statements"


def made(**facts: object) -> StatementCollector:
    usual = {"loaded": True, "installed": True, "track": "top", "most": 5000, "kept": 5000}
    return StatementCollector(**(usual | {"evictions": 0, "window_seconds": 48 * 3600.0} | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "ok"),
    [
        ({"loaded": False, "most": None, "track": None, "kept": None}, False),
        ({}, True),
        ({"evictions": 19}, True),  # 95 % of its places, in two days
        ({"evictions": 20}, False),
        ({"evictions": 20, "window_seconds": 30 * 86400.0}, True),
        ({"evictions": 5, "window_seconds": 60.0}, True),  # too young to tell a pace
        ({"evictions": None, "window_seconds": None}, True),  # before 14 it isn't told
        ({"most": 100, "evictions": 10}, False),  # ten at once are the least
    ],
)
def test_what_is_thrown_out_too_soon(facts: dict[str, object], ok: bool):
    answer = checks()[CHECK].ask(collector=made(**facts))
    assert isinstance(answer, Observation)
    assert answer.ok is ok
