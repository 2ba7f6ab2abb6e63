"""Keys of which the catalog doesn't tell whether the world made them: unknown, until the policy says so."""

from __future__ import annotations

from asking import ask
from conftest import Database
from readiness.model import Examined, Reason, Unknown

CHECK = "schema/non-uuid-primary-key"
SCHEMA = """
create table devices (id text primary key);
create table payments (transaction_id varchar(512) primary key);
create table "camelText" ("accountId" text primary key);
create table lockers (pid int primary key);
create table oauth_github (account_id bigint primary key);
create table prices (country char(2), year int, primary key (country, year));
create table settings (pid int primary key references lockers, value text);
create table users (id uuid primary key);
create table readings (device_id text references devices, id uuid, line int, primary key (device_id, id, line));
create table countries (code char(2) primary key);
"""
OPEN = ["camelText", "devices", "lockers", "oauth_github", "payments", "prices", "settings"]


def test_what_the_catalog_does_not_tell_is_unknown_and_can_be_declared(database: Database):
    database.run(SCHEMA)
    for dsn in (database.dsn(), database.bare_dsn()):
        outcome = ask(CHECK, dsn)
        assert isinstance(outcome, Unknown)
        assert outcome.reason is Reason.NOT_CONFIGURED
        assert [u.subject.split(".")[1].strip('"') for u in outcome.unseen] == OPEN
        assert "natural_keys" in (outcome.unlock or "")

    # The table that takes its key from a declared one need not be declared.
    natural = "; ".join(f'public."{n}"' if n == "camelText" else f"public.{n}" for n in OPEN if n != "settings")
    outcome = ask(CHECK, database.dsn(), parameters={"natural_keys": natural})
    assert isinstance(outcome, Examined)
    assert not outcome.findings
    assert not outcome.unseen

    # A declaration takes back nothing that a sequence, a default or a foreign key shows.
    database.run(
        "alter table lockers alter column pid add generated always as identity;"
        "alter table devices alter column id set default gen_random_uuid()::text"
    )
    outcome = ask(CHECK, database.dsn(), parameters={"natural_keys": natural})
    assert isinstance(outcome, Examined)
    assert [o.subject for o in outcome.findings] == [
        "public.devices",
        "public.lockers",
        "public.readings",
        "public.settings",
    ]
