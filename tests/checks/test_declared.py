"""Checks of what the profile declares: the canonical schema, tenant and audited tables, services and their roles."""

from __future__ import annotations

import pytest

from asking import ask, found, remedies
from conftest import Database
from readiness.model import Examined, NotApplicable, Reason, Unknown
from readiness.profile import Profile


def profile(**sections) -> Profile:
    return Profile.model_validate({"name": "test", **sections})


CANONICAL = profile(
    schemas={
        "auth": {"tables": {"users": {"columns": {"id": "uuid", "email": {"type": "text", "nullable": False}}}}},
        "Odd Schema": {"tables": {'T"x': None}},
    }
)


@pytest.mark.parametrize(
    ("check", "section"),
    [
        ("schema/missing-table", "schemas"),
        ("schema/column-differs", "schemas"),
        ("security/row-security-missing", "row_security"),
        ("security/audit-trail-missing", "audit"),
        ("operations/port-conflict", "services"),
        ("operations/unhealthy-service", "services"),
        ("performance/slow-service", "services"),
        ("performance/slow-query", "queries"),
        ("migration/runtime-ddl-rights", "services"),
        ("migration/irreversible-migration", "migrations"),
    ],
)
def test_what_is_not_declared_is_unknown_and_never_not_applicable(
    check: str, section: str, embedded_database: Database
):
    outcome = ask(check, embedded_database.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NOT_CONFIGURED
    assert f"{section}:" in (outcome.unlock or "")


def test_what_is_declared_to_be_none_is_not_applicable(embedded_database: Database):
    none = profile(services={}, queries={}, row_security={"tables": []}, audit={"tables": []}, schemas={})
    for check in ("schema/missing-table", "security/row-security-missing", "operations/port-conflict"):
        assert isinstance(ask(check, embedded_database.dsn(), profile=none), NotApplicable)


def test_missing_table(database: Database):
    database.run("create schema auth; create schema other; create table other.users (id uuid primary key)")
    outcome = ask("schema/missing-table", database.dsn(), profile=CANONICAL)
    assert found(outcome) == {"auth.users", '"Odd Schema"."T""x"'}
    assert found(ask("schema/missing-table", database.bare_dsn(), profile=CANONICAL)) == found(outcome)
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask("schema/missing-table", database.dsn(), profile=CANONICAL)) == {'"Odd Schema"."T""x"'}
    database.run('create schema "Odd Schema"; create table "Odd Schema"."T""x" (id int)')
    assert found(ask("schema/missing-table", database.dsn(), profile=CANONICAL)) == set()


def test_missing_table_is_not_fooled_by_views_partitions_and_temporary_tables(database: Database):
    database.run(
        "create schema auth; create view auth.users as select 1 as id;"
        'create schema "Odd Schema"; create table "Odd Schema".p (id int) partition by range (id);'
        'create table "Odd Schema"."T""x" partition of "Odd Schema".p default'
    )
    outcome = ask("schema/missing-table", database.dsn(), profile=CANONICAL)
    assert found(outcome) == {"auth.users", '"Odd Schema"."T""x"'}


def test_column_differs(database: Database):
    database.run("create schema auth; create table auth.users (id text, email text, extra int)")
    database.run("insert into auth.users values (gen_random_uuid()::text, 'a')")
    outcome = ask("schema/column-differs", database.dsn(), profile=CANONICAL)
    assert found(outcome) == {"auth.users.id", "auth.users.email"}
    assert found(ask("schema/column-differs", database.bare_dsn(), profile=CANONICAL)) == found(outcome)
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask("schema/column-differs", database.dsn(), profile=CANONICAL)) == set()


def test_column_differs_adds_what_is_missing(database: Database):
    database.run("create schema auth; create table auth.users (email text not null)")
    outcome = ask("schema/column-differs", database.dsn(), profile=CANONICAL)
    assert found(outcome) == {"auth.users.id"}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask("schema/column-differs", database.dsn(), profile=CANONICAL)) == set()


TENANTS = profile(row_security={"tables": ["public.t", "public.gone"]})


def test_row_security_missing(database: Database):
    database.run("create table t (id int, tenant text); create policy p on t using (tenant = 'a')")
    outcome = ask("security/row-security-missing", database.dsn(), profile=TENANTS)
    assert found(outcome) == {"public.t", "public.gone"}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask("security/row-security-missing", database.dsn(), profile=TENANTS)) == {"public.gone"}
    assert found(ask("security/row-security-missing", database.bare_dsn(), profile=TENANTS)) == {"public.gone"}


def test_row_security_with_a_policy_for_one_command_only(database: Database):
    database.run(
        "create table t (id int); create policy p on t for select using (true);"
        "alter table t enable row level security; alter table t force row level security; create table gone (id int)"
    )
    outcome = ask("security/row-security-missing", database.dsn(), profile=TENANTS)
    assert isinstance(outcome, Examined)
    lacks = {o.subject: str(o.evidence["lacks"]) for o in outcome.findings}
    assert "no policy for insert, delete, update" in lacks["public.t"]
    assert "no policy" in lacks["public.gone"]


AUDITED = profile(audit={"tables": ["public.t"]})
TRIGGER = """
create table trail (at timestamptz);
create function note() returns trigger language plpgsql as $$ begin insert into trail values (now()); return null; end $$;
"""


def test_audit_trail_missing(database: Database):
    database.run("create table t (id int);" + TRIGGER)
    assert found(ask("security/audit-trail-missing", database.dsn(), profile=AUDITED)) == {"public.t"}
    database.run("create trigger a after insert or update on t for each row execute function note()")
    assert found(ask("security/audit-trail-missing", database.dsn(), profile=AUDITED)) == {"public.t"}
    database.run("create trigger b after delete on t for each row execute function note()")
    outcome = ask("security/audit-trail-missing", database.dsn(), profile=AUDITED)
    assert isinstance(outcome, Examined)
    assert [o.evidence["not_covered"] for o in outcome.findings] == ["truncate"]
    database.run("create trigger c after truncate on t execute function note()")
    assert found(ask("security/audit-trail-missing", database.dsn(), profile=AUDITED)) == set()
    for hole, undone in (
        ("alter table t disable trigger b", "alter table t enable trigger b"),
        ("alter table t enable replica trigger b", "alter table t enable trigger b"),
        (
            f"alter role {database.bare_role} set session_replication_role = replica; grant insert on t to {database.bare_role}",
            f"alter role {database.bare_role} reset session_replication_role",
        ),
        (
            "alter table t add other int; drop trigger a on t; create trigger a after insert or update of id on t "
            "for each row execute function note()",
            "alter table t drop other",
        ),
    ):
        database.run(hole)
        assert found(ask("security/audit-trail-missing", database.dsn(), profile=AUDITED)) == {"public.t"}, hole
        database.run(undone)
        assert found(ask("security/audit-trail-missing", database.dsn(), profile=AUDITED)) == set(), undone
    database.run("alter table t add other int")  # the columns of an `update of` are no matter to inserts
    outcome = ask("security/audit-trail-missing", database.dsn(), profile=AUDITED)
    assert isinstance(outcome, Examined)
    assert [o.evidence["not_covered"] for o in outcome.findings] == ["update"]
    bare = ask("security/audit-trail-missing", database.bare_dsn(), profile=AUDITED)
    assert isinstance(bare, Unknown)
    assert "grant pg_monitor to" in (bare.unlock or "")


# -- roles of services -----------------------------------------------------------------------------------------


def services(database: Database, **roles: str | None) -> Profile:
    return profile(services={name: {"role": role, "url": None} for name, role in roles.items()})


@pytest.fixture
def role(database: Database) -> str:
    """A login role of this test's own."""
    name = f"{database.name}_svc"
    database.run(f"create role {name} login")
    database.made_roles.append(name)
    return name


def test_runtime_ddl_rights(database: Database, role: str):
    declared = services(database, auth=role)
    assert found(ask("migration/runtime-ddl-rights", database.dsn(), profile=declared)) == _public_create(
        database, role
    )
    database.run("revoke create on schema public from public; create schema app")
    assert found(ask("migration/runtime-ddl-rights", database.dsn(), profile=declared)) == set()
    database.run(f"grant create on schema app to {role}; grant create on database {database.name} to {role}")
    outcome = ask("migration/runtime-ddl-rights", database.dsn(), profile=declared)
    assert found(outcome) == {role}
    assert found(ask("migration/runtime-ddl-rights", database.bare_dsn(), profile=declared)) == {role}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask("migration/runtime-ddl-rights", database.dsn(), profile=declared)) == set()
    database.run(f"create table app.t (id int); alter table app.t owner to {role}")
    owner = ask("migration/runtime-ddl-rights", database.dsn(), profile=declared)
    assert isinstance(owner, Examined)
    assert "owns 1 (app.t)" in str(owner.findings[0].evidence["rights"])
    database.run("drop table app.t")


def _public_create(database: Database, role: str) -> set[str]:
    """template0 of 14 and older lets everybody create in public."""
    with database.connect() as connection:
        (may,) = connection.execute("select has_schema_privilege(%s, 'public', 'create')", (role,)).fetchone()
    return {role} if may else set()


def test_service_superpowers(database: Database, role: str):
    declared = services(database, auth=role, other=role)
    assert found(ask("security/service-superpowers", database.dsn(), profile=declared)) == set()
    database.run(
        f"alter role {role} bypassrls createdb; grant pg_write_server_files to {role}; grant pg_read_all_data to {role}"
    )
    outcome = ask("security/service-superpowers", database.dsn(), profile=declared)
    assert found(outcome) == {role}
    assert isinstance(outcome, Examined)
    assert outcome.findings[0].evidence["powers"] == "createdb, bypassrls, pg_write_server_files"
    assert found(ask("security/service-superpowers", database.bare_dsn(), profile=declared)) == {role}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask("security/service-superpowers", database.dsn(), profile=declared)) == set()


def test_service_superpowers_by_membership(database: Database, role: str):
    """What a membership lets it do counts: since 16 one may be without SET ROLE, by which alone an attribute is had."""
    check, boss, maker = "security/service-superpowers", f"{role}_boss", f"{role}_maker"
    declared = services(database, auth=role)
    database.run(f"create role {boss} bypassrls; create role {maker} createrole")
    database.made_roles += [boss, maker]
    for group in (boss, maker):
        database.run(f"grant {group} to {role}")
        outcome = ask(check, database.dsn(), profile=declared)
        assert found(outcome) == {role}, group
        if database.cluster.runtime.major >= 16:
            database.run(f"grant {group} to {role} with inherit true, set false, admin false")
            assert found(ask(check, database.dsn(), profile=declared)) == set()
            database.run(f"grant {group} to {role} with inherit false, set true")
        for remedy in remedies(outcome):
            database.run(remedy)
        assert found(ask(check, database.dsn(), profile=declared)) == set()
    if database.cluster.runtime.major >= 16:
        database.run(f"grant pg_write_server_files to {role} with inherit true, set false")
        assert found(ask(check, database.dsn(), profile=declared)) == {role}


def test_shared_service_role(database: Database, role: str):
    declared = services(database, auth=role, other=role, third=None, fourth=f"{role}_gone")
    outcome = ask("security/shared-service-role", database.dsn(), profile=declared)
    assert found(outcome) == {"auth", "other", "third", "fourth"}
    database.made_roles.append(f"{role}_gone")
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask("security/shared-service-role", database.dsn(), profile=services(database, auth=role))) == set()
    assert found(ask("security/shared-service-role", database.bare_dsn(), profile=declared)) == {
        "auth",
        "other",
        "third",
    }


def test_service_not_on_postgres(database: Database, role: str):
    declared = services(database, auth=role)
    idle = ask("operations/service-not-on-postgres", database.dsn(), profile=declared)
    assert isinstance(idle, Unknown)
    assert idle.reason is Reason.INSUFFICIENT_SAMPLES
    assert "create extension pg_stat_statements" in (idle.unlock or "")
    database.run("create extension pg_stat_statements")
    assert found(ask("operations/service-not-on-postgres", database.dsn(), profile=declared)) == {"auth"}
    database.run(f"alter role {role} password 'x'")
    with database.connect(user=role, password="x"):
        assert found(ask("operations/service-not-on-postgres", database.dsn(), profile=declared)) == set()
        assert found(ask("operations/service-not-on-postgres", database.bare_dsn(), profile=declared)) == set()
    bare = ask("operations/service-not-on-postgres", database.bare_dsn(), profile=declared)
    assert isinstance(bare, Unknown), "nobody is connected, and a bare role can't see the statements"


def test_service_not_on_postgres_with_a_shared_or_missing_role(database: Database, role: str):
    shared = ask("operations/service-not-on-postgres", database.dsn(), profile=services(database, a=role, b=role))
    assert isinstance(shared, Unknown)
    assert shared.reason is Reason.NOT_OBSERVABLE
    gone = ask("operations/service-not-on-postgres", database.dsn(), profile=services(database, a="no_such_role"))
    assert found(gone) == {"a"}


def test_unbounded_pool(database: Database, role: str):
    def declared(most: int) -> Profile:
        return profile(services={"a": {"role": role, "pool": {"max": most}}, "b": {"role": None, "pool": {"max": 5}}})

    assert found(ask("operations/unbounded-pool", database.dsn(), profile=declared(20))) == set()
    assert found(ask("operations/unbounded-pool", database.dsn(), profile=declared(500))) == {"all pools"}
    missing = ask("operations/unbounded-pool", database.dsn(), profile=services(database, a=role))
    assert isinstance(missing, Unknown)
    assert missing.reason is Reason.NOT_CONFIGURED
    database.run(f"alter role {role} password 'x'")
    with database.connect(user=role, password="x"), database.connect(user=role, password="x"):
        assert found(ask("operations/unbounded-pool", database.bare_dsn(), profile=declared(1))) == {"a"}


def test_port_conflict(embedded_database: Database):
    declared = profile(
        services={
            "project": {"url": "http://localhost:3005"},
            "learning": {"url": "http://localhost:3005/x"},
            "other": {"url": "http://elsewhere:3005"},
            "tls": {"url": "https://localhost"},
        }
    )
    outcome = ask("operations/port-conflict", embedded_database.dsn(), profile=declared)
    assert found(outcome) == {"project", "learning"}


def test_encryption_at_rest_is_never_guessed(embedded_database: Database):
    outcome = ask("security/encryption-at-rest-unproven", embedded_database.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NO_ATTESTATION
