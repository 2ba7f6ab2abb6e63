"""The schemas of a platform's environments, held against each other on real servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import stage
from asking import ask, found
from conftest import Cluster, Database
from readiness.facts import own
from readiness.model import Examined, NotApplicable, Outcome, Reason, Unknown
from readiness.profile import Profile

CHECK = "schema/environment-differs"
SCHEMA = """
create schema app;
create table app.users (id uuid primary key, email text not null, born date default '2000-01-01');
create index users_email on app.users (lower(email));
create view app.emails as select email from app.users;
create function app.one() returns int language sql as 'select 1';
alter table app.users enable row level security;
create policy own on app.users using (id is not null);
create table public.pgmigrations (id serial primary key, name text);
"""


@pytest.fixture
def other(embedded_cluster: Cluster, make_database: Callable[[Cluster], Database]) -> Database:
    return make_database(embedded_cluster)


def declared(**dsns: str) -> Profile:
    return Profile.model_validate({"name": "test", "environments": {n: {"dsn": dsn} for n, dsn in dsns.items()}})


def differences(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Examined)
    (observation,) = outcome.findings
    examples = observation.evidence["examples"]
    assert isinstance(examples, list)
    assert observation.evidence["differences"] == len(examples)
    return [str(e) for e in examples]


def test_what_differs_is_named_and_what_differs_by_design_is_not(embedded_database: Database, other: Database):
    for one in (embedded_database, other):
        one.run(SCHEMA)
    staging = declared(staging=other.bare_dsn())
    other.run(
        f"alter table app.users owner to {other.bare_role}; grant select on app.emails to public;"
        "insert into public.pgmigrations (name) values ('1'); alter table public.pgmigrations add run_on timestamp;"
        "alter table app.users drop born; alter table app.users add born date default '2000-01-01';"
        "insert into app.users values (gen_random_uuid(), 'x')"
    )
    embedded_database.run("alter table app.users add a int; alter table app.users drop a")
    embedded_database.run(own.MAKE)
    for dsn in (embedded_database.dsn(), embedded_database.bare_dsn()):
        assert found(ask(CHECK, dsn, profile=staging)) == set()
    other.run(
        "drop index app.users_email; alter table app.users alter email drop not null, alter born set default '2001-01-01';"
        "create table app.notes (id uuid primary key, text text); drop policy own on app.users;"
        "create or replace function app.one() returns int language sql as 'select 2'"
    )
    told = [
        *("column app.users.born: default", "column app.users.email: not null", "function app.one(): definition"),
        *("index app.users_email: only here", "policy app.users/own: only here", "table app.notes: only there"),
    ]
    for dsn in (embedded_database.dsn(), embedded_database.bare_dsn()):
        assert sorted(differences(ask(CHECK, dsn, profile=staging))) == told
    other.run(
        "create index users_email on app.users (lower(email)); drop table app.notes;"
        "alter table app.users alter email set not null, alter born set default '2000-01-01';"
        "create policy own on app.users using (id is not null);"
        "create or replace function app.one() returns int language sql as 'select 1'"
    )
    assert found(ask(CHECK, embedded_database.dsn(), profile=staging)) == set()


@pytest.mark.parametrize(
    ("dsn", "reason", "said"),
    [
        ("", Reason.NOT_CONFIGURED, "its connection string is empty"),
        (f"host=127.0.0.1 port={stage.free_port()}", Reason.UNREACHABLE, "connection refused"),
        ("nonsense", Reason.NOT_CONFIGURED, "environments.staging.dsn"),
    ],
    ids=["empty", "closed port", "nonsense"],
)
def test_an_environment_that_cannot_be_asked_is_unknown(
    dsn: str, reason: Reason, said: str, embedded_database: Database
):
    outcome = ask(CHECK, embedded_database.dsn(), profile=declared(staging=dsn))
    assert isinstance(outcome, Unknown)
    assert outcome.reason is reason
    assert said in outcome.detail


def test_another_major_version_is_no_difference(embedded_database: Database, debian_database: Database):
    outcome = ask(CHECK, embedded_database.dsn(), profile=declared(staging=debian_database.dsn()))
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.UNSUPPORTED


def test_none_is_declared(embedded_database: Database):
    assert isinstance(ask(CHECK, embedded_database.dsn(), profile=declared()), NotApplicable)
    silent = ask(CHECK, embedded_database.dsn())
    assert isinstance(silent, Unknown)
    assert "environments:" in (silent.unlock or "")
