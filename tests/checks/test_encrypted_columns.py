"""Columns that are declared encrypted: seen in clear, enciphered by the remedy, and what can't be told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asking import ask, found
from conftest import Database
from readiness.facts import ciphertexts, storage
from readiness.facts.postgres import Postgres
from readiness.model import Examined, Outcome, Reason, Unknown
from readiness.profile import Profile

CHECK = "security/encryption-at-rest-unproven"
MADE = """
create extension pgcrypto;
create domain secret as bytea;
create table people (
    id int primary key, "Plain" text, short varchar(20), born date, doc jsonb, raw bytea, sealed bytea, of_domain secret, armored text,
    coded text, hex text, fernet text, vault text, rails jsonb, unmarked bytea, token text, empty text, mixed bytea
);
insert into people
select
    g, 'person ' || g, '123-45-67' || g, date '1990-01-01' + g, jsonb_build_object('a', g), convert_to('person ' || g, 'UTF8'),
    pgp_sym_encrypt('person ' || g, 'key'), pgp_sym_encrypt('person ' || g, 'key', 's2k-mode=1'),
    armor(pgp_sym_encrypt('person ' || g, 'key')), encode(pgp_sym_encrypt('person ' || g, 'key'), 'base64'),
    encode(pgp_sym_encrypt('person ' || g, 'key'), 'hex'), 'gAAAAA' || repeat('Bx-_9', 18) || '==', 'vault:v1:' || repeat('aB+/', 12),
    '{"p": "n7J0/ol+a7DRMeaE", "h": {"iv": "DXZMDWUKfp3bg/Yu", "at": "X1/YjMHbHD4talgF9dt61A=="}}',
    encrypt(convert_to('person ' || g, 'UTF8'), 'key', 'aes'), encode(encrypt(convert_to('p' || g, 'UTF8'), 'key', 'aes'), 'base64'),
    null, case when g = 77 then convert_to('person', 'UTF8') else pgp_sym_encrypt('person ' || g, 'key') end
from generate_series(1, 100) as g;
create table elsewhere (id int, body text);
alter table elsewhere enable row level security;
"""
SEALED = ("sealed", "of_domain", "armored", "coded", "hex", "fernet", "vault", "rails")
CLEAR = {'"Plain"', "short", "born", "doc", "raw", "mixed"}


def profile(*columns: str, table: str = "public.people") -> Profile:
    return Profile.model_validate({"name": "sealed", "encrypted_columns": {table: columns}})


@pytest.fixture
def people(debian_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """On a disk that is encrypted, as far as the check is told."""
    monkeypatch.setattr(storage, "_own_encryption", lambda _postgres: 1)
    debian_database.run(MADE)
    return debian_database


def asked(database: Database, *columns: str) -> Outcome:
    return ask(CHECK, database.dsn(), profile=profile(*columns))


def test_what_is_in_clear_is_told_and_enciphered_by_the_remedy(people: Database):
    told = asked(people, *(c.strip('"') for c in CLEAR))
    assert isinstance(told, Examined)
    assert found(told) == {f"public.people.{c}" for c in CLEAR}
    mixed = next(o for o in told.findings if o.subject.endswith("mixed"))
    assert (mixed.evidence["values"], mixed.evidence["in_clear"]) == (100, 1)
    assert "person" not in str(told.observations).replace("in_clear", ""), "no value is told"
    people.run(
        'create view seen as select "Plain" from people'
    )  # which keeps nobody from enciphering what lies behind it
    for one in told.findings:
        people.run(f"set app.key = 'of-a-test'; {one.remedy}")
    assert found(asked(people, *(c.strip('"') for c in CLEAR))) == set()
    with people.cluster.connect(people.name) as admin:
        back = admin.execute(
            "select pgp_sym_decrypt(dearmor(short), 'of-a-test'), pgp_sym_decrypt(born, 'of-a-test'), "
            "pgp_sym_decrypt_bytea(raw, 'of-a-test') from people where id = 1"
        ).fetchone()
    assert back == ("123-45-671", "1990-01-02", b"person 1")


def test_what_is_enciphered_passes_and_what_bears_no_mark_is_unknown(people: Database):
    told = asked(people, *SEALED)
    assert isinstance(told, Examined)
    assert (found(told), told.unseen) == (set(), ())
    assert len(told.observations) == len(SEALED) + 2
    for column in ("unmarked", "token", "empty", "nowhere"):
        unsure = asked(people, "sealed", column)
        assert isinstance(unsure, Unknown), column
        assert [u.subject for u in unsure.unseen] == [f"public.people.{column}"]
    people.run("update people set sealed = unmarked where id = 5")
    one = asked(people, "sealed")
    assert isinstance(one, Unknown), "one that bears no mark among others that do"
    assert one.unseen[0].detail.startswith("1 of 100 values")
    with people.cluster.connect(people.name) as admin:
        admin.execute(f"grant usage on schema public to {people.bare_role}".encode())
    hidden = ask(CHECK, people.bare_dsn(), profile=profile("sealed"))
    (unseen,) = hidden.unseen  # type: ignore[union-attr]
    assert (unseen.reason, "grant select (sealed)" in (unseen.unlock or "")) == (Reason.NO_PERMISSION, True)
    people.run(f"insert into elsewhere values (1, 'x'); grant select on elsewhere to {people.bare_role}")
    filtered = ask(CHECK, people.bare_dsn(), profile=profile("body", table="public.elsewhere"))
    assert "row level security" in filtered.unseen[0].detail  # type: ignore[union-attr]


def test_a_large_table_is_looked_at_by_a_part_of_its_pages_and_a_foreign_part_never(
    people: Database, monkeypatch: pytest.MonkeyPatch
):
    people.run("analyze people")
    monkeypatch.setattr(ciphertexts, "LARGE_PAGES", 1)
    with people.cluster.connect(people.name) as admin:
        admin.execute("update pg_class set relpages = 400 where oid = 'people'::regclass")  # of which 200 are drawn
    told = asked(people, "raw")
    assert isinstance(told, Examined)
    (one,) = told.findings
    assert 0 < int(str(one.evidence["values"])) < 100
    assert one.evidence["in_clear"] == one.evidence["values"]
    people.run(
        "create extension file_fdw; create server files foreign data wrapper file_fdw;"
        "create table parted (id int, body text) partition by range (id);"
        "create foreign table parted_1 partition of parted for values from (0) to (10) server files options (filename '/nowhere')"
    )
    unsure = ask(CHECK, people.dsn(), profile=profile("body", table="public.parted"))
    assert "is never asked" in unsure.unseen[0].detail  # type: ignore[union-attr]


def test_a_column_in_clear_is_a_finding_whatever_is_known_of_the_disk(debian_database: Database):
    debian_database.run(MADE)
    assert found(asked(debian_database, "Plain")) == {'public.people."Plain"'}
    assert isinstance(asked(debian_database, "sealed"), Unknown)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"DBInstances": [{"StorageEncrypted": True, "Endpoint": {"Address": "HOST"}}]}, set()),
        (
            {"DBInstances": [{"StorageEncrypted": False, "Endpoint": {"Address": "HOST"}}]},
            {"data directory", "write-ahead log"},
        ),
        (
            {"DBInstances": [{"StorageEncrypted": True, "Endpoint": {"Address": "another.example.org"}}]},
            "another.example.org",
        ),
        ({"DBSnapshots": []}, "says nothing of the instance's storage"),
        ("no JSON", "it answers no JSON"),
    ],
)
def test_what_rds_says_of_the_instance(
    embedded_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: object,
    expected: set[str] | str,
):
    """By its documented JSON alone."""
    monkeypatch.setattr(storage, "PROC", tmp_path)  # the server is on another host, as far as can be seen
    told = tmp_path / "told.json"
    host = Postgres(embedded_database.dsn()).address.host
    told.write_text(answer if isinstance(answer, str) else json.dumps(answer).replace("HOST", host.upper()))
    backups = {"rds": {"tool": "provider", "command": ["cat", str(told)]}}
    outcome = ask(
        CHECK, embedded_database.dsn(), profile=Profile.model_validate({"name": "managed", "backups": backups})
    )
    if isinstance(expected, str):
        backups["rds"]["command"] = [str(tmp_path)]  # which nobody can run
        unrun = ask(
            CHECK, embedded_database.dsn(), profile=Profile.model_validate({"name": "managed", "backups": backups})
        )
        assert isinstance(unrun, Unknown)
        assert (unrun.reason, "Permission denied" in unrun.detail) == (Reason.NO_ATTESTATION, True)
        assert isinstance(outcome, Unknown)
        assert outcome.reason is Reason.NO_ATTESTATION
        assert expected in outcome.detail
    else:
        assert found(outcome) == expected


def test_a_service_that_stores_nothing_unencrypted(embedded_database: Database, monkeypatch: pytest.MonkeyPatch):
    """By a setting that is really there, of a library that is; the services themselves cannot be had here."""
    loaded = embedded_database.dsn(options="-c session_preload_libraries=plpgsql -c cloudsql.iam_authentication=on")
    assert isinstance(ask(CHECK, loaded, profile=Profile(name="managed")), Unknown), "anybody may set a name"
    monkeypatch.setattr(storage, "_SERVICES", {"cloudsql.": "Google Cloud SQL", "plpgsql.": "A service"})
    outcome = ask(CHECK, loaded, profile=Profile(name="managed"))
    assert isinstance(outcome, Examined)
    assert found(outcome) == set()
    assert outcome.observations[0].evidence["encrypted_by"] == "A service, which stores nothing unencrypted"
