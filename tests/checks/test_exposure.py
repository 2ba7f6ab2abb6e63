"""What lies open to whoever is in: superusers' sessions, roles that nobody uses, passwords in statistics and logs, functions."""

from __future__ import annotations

import psycopg
import pytest
from test_security import loaded

from asking import ask, checks, found, remedies
from conftest import Database
from readiness.facts.logins import Login, Logins
from readiness.facts.postgres import APPLICATION_NAME
from readiness.model import Examined, NotApplicable, Outcome, Reason, Unknown
from readiness.profile import Profile
from stage import eventually


@pytest.fixture
def role(embedded_database: Database) -> str:
    name = f"{embedded_database.name}_svc"
    embedded_database.run(f"create role {name} login")
    embedded_database.made_roles.append(name)
    return name


def test_an_application_that_is_superuser(embedded_database: Database):
    check = "security/superuser-session"
    assert isinstance(ask(check, embedded_database.bare_dsn()), Unknown)

    def seen() -> set[str]:
        outcome = ask(check, embedded_database.dsn())
        assert isinstance(outcome, Examined)
        return {a for o in outcome.observations for a in o.evidence["applications"]}  # type: ignore[union-attr]

    with (
        embedded_database.connect(application_name="psql"),
        embedded_database.connect(application_name=APPLICATION_NAME),
    ):
        assert not {"psql", APPLICATION_NAME} & seen()
        with embedded_database.connect(application_name="checkout-service"):
            assert "checkout-service" in seen()
            assert found(ask(check, embedded_database.dsn())) == {"postgres"}
        # A driver, and programs that are only named alike.
        for name in ("psqlODBC", "psql-importer", "pg_dumper"):
            with embedded_database.connect(application_name=name):
                assert name in seen()
        for name in ("PSQL", "pgAdmin 4 - DB:shop", "vacuumdb", "Patroni heartbeat"):
            with embedded_database.connect(application_name=name):
                assert name not in seen()
    assert eventually(lambda: "checkout-service" not in seen())  # its server process ends behind it


def test_a_role_at_work_that_the_profile_does_not_know(embedded_database: Database):
    check, app = "security/undeclared-client", embedded_database.bare_role
    none = Profile.model_validate({"name": "test", "services": {}})
    one = Profile.model_validate({"name": "test", "services": {"shop": {"role": app, "url": None}}})
    dsn, bare = embedded_database.dsn(), embedded_database.bare_dsn()
    assert isinstance(ask(check, dsn), Unknown), "nothing is said of services"
    assert isinstance(ask(check, dsn, profile=none), NotApplicable)
    weak = ask(check, bare, profile=none)
    assert isinstance(weak, Unknown)
    assert weak.reason is Reason.NO_PERMISSION
    with psycopg.connect(bare, application_name="psql"), psycopg.connect(bare, application_name=APPLICATION_NAME):
        assert found(ask(check, dsn, profile=none)) == set(), "a person, and ourselves"
        with psycopg.connect(bare, application_name="psql-importer"):
            assert found(ask(check, dsn, profile=none)) == {app}
        with psycopg.connect(bare, application_name="shop"):
            assert found(ask(check, dsn, profile=none)) == {app}
            assert found(ask(check, dsn, profile=one)) == set()
            embedded_database.run(f"grant pg_monitor to {app}")
            assert found(ask(check, bare, profile=none)) == set(), "who watches is no service"
            embedded_database.run(f"revoke pg_monitor from {app}")
    assert eventually(lambda: isinstance(ask(check, dsn, profile=none), NotApplicable))


def test_a_role_that_nobody_uses(embedded_database: Database, role: str):
    """On a server whose statistics are of today nothing is said; of statistics of a month it is."""
    check = "security/login-role-unseen"
    # What other tests' many statements drove out of the statistics is not this one's.
    embedded_database.run("create extension pg_stat_statements; select pg_stat_statements_reset()")
    young = ask(check, embedded_database.dsn())
    assert isinstance(young, Unknown)
    assert young.reason is Reason.INSUFFICIENT_SAMPLES
    told = ask(check, embedded_database.dsn(), parameters={"days": 0})
    assert role in found(told)
    assert "postgres" not in found(told)
    assert f"alter role {role} nologin;" in remedies(told)

    asked = checks()[check].ask
    used, unused, standby = (
        Login(name=name, superuser=False, applications=(), sessions=sessions, statements=statements)
        for name, sessions, statements in (("used", 0, 7), ("unused", 0, 0), ("standby", 1, 0))
    )
    month = Logins(roles=(used, unused, standby), counted_days=31)
    assert {o.subject for o in asked(month) if not o.ok} == {"unused"}
    assert isinstance(asked(Logins(roles=(unused,), counted_days=31, evicted=True)), Unknown)
    assert isinstance(asked(Logins(roles=(unused,), counted_days=None, why="x")), Unknown)


def test_who_is_not_counted_is_not_unused(embedded_database: Database, role: str):
    """Nothing is counted of a role, or of anybody: then nothing counted proves nothing."""
    check = "security/login-role-unseen"
    embedded_database.run("create extension pg_stat_statements; select pg_stat_statements_reset()")

    def looked() -> Outcome:
        return ask(check, embedded_database.dsn(), parameters={"days": 0})

    assert role in found(looked())
    embedded_database.run(f"alter role {role} set pg_stat_statements.track = 'none'")
    of_its_own = looked()
    assert isinstance(of_its_own, Examined | Unknown)
    assert role not in {o.subject for o in of_its_own.observations}
    (unseen,) = [u for u in of_its_own.unseen if u.subject == role]
    embedded_database.run(str(unseen.unlock))
    assert role in found(looked())
    with loaded(embedded_database.cluster, **{"pg_stat_statements.track": "none"}):
        nobody = looked()
        assert isinstance(nobody, Unknown)
        assert "track is none" in nobody.detail
    embedded_database.run(f"alter database {embedded_database.name} set pg_stat_statements.track = 'none'")
    assert isinstance(looked(), Unknown), "who works in that database alone isn't counted either"


@pytest.mark.parametrize(
    "statement",
    [
        "alter role {} password $$kept-there$$",
        "-- a new one\nalter role {} password 'kept-there'",
        "alter role {} password /* a new one */ 'kept-there'",
        "alter role {} password U&'kept-there'",
        "do $$ begin execute 'alter role {} password ''kept-there'''; end $$",
        "do $do$ begin alter role {} password 'kept-there'; end $do$",
        "alter system set primary_conninfo = 'host=a user=b password=kept-there'",
        "alter system set primary_conninfo = 'postgresql://b:kept-there@a/c'",
        "create subscription {} connection 'host=a password=kept-there' publication p with (connect = false)",
    ],
)
def test_ways_to_write_a_password(database: Database, statement: str):
    check, role = "security/password-in-statistics", f"{database.name}_svc"
    database.run(f"create role {role} login; create extension pg_stat_statements")
    database.made_roles.append(role)
    with database.connect() as admin:
        try:
            admin.execute("select pg_stat_statements_reset()")
            admin.execute(statement.format(role).encode())
            told = ask(check, database.dsn())
            normalized = database.cluster.runtime.major >= 18 and statement.startswith("alter system")
            assert len(found(told)) == (0 if normalized else 1)
            assert "kept-there" not in repr(told)
            for remedy in remedies(told):
                admin.execute(remedy.encode())
            assert found(ask(check, database.dsn())) == set()
        finally:
            admin.execute("alter system reset primary_conninfo")
            if statement.startswith("create subscription"):
                admin.execute(f"alter subscription {role} set (slot_name = none)".encode())
                admin.execute(f"drop subscription {role}".encode())


def test_what_reads_like_a_password_and_is_none(embedded_database: Database, role: str):
    embedded_database.run("create extension pg_stat_statements; select pg_stat_statements_reset()")
    with embedded_database.connect() as admin:
        for statement in (
            "alter role {} password null",
            "alter role {} password $$SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$c3RvcmVk:c2VydmVy$$",
            "do $$ declare p text := md5('x'); begin execute format('alter role {} password %L', p); end $$",
            "do $$ declare p text := md5('x'); begin execute 'alter role {} password ' || quote_literal(p); end $$",
            "do $$ declare p text := md5('x'); begin execute 'alter role {} password ''' || p || ''''; end $$",
            "set password_encryption = 'scram-sha-256'",
            "create table password_resets (password text default 'x')",
            "-- create role x password 'y' one day\nselect 1",
        ):
            admin.execute(statement.format(role).encode())
    assert found(ask("security/password-in-statistics", embedded_database.dsn())) == set()


def test_a_password_in_the_statistics(embedded_database: Database, role: str):
    check = "security/password-in-statistics"
    assert isinstance(ask(check, embedded_database.dsn()), Unknown), "without the extension nobody can look"
    embedded_database.run("create extension pg_stat_statements; select pg_stat_statements_reset()")
    embedded_database.run(f"alter role {role} password 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$c3RvcmVk:c2VydmVy'")
    embedded_database.run(f"alter role {role} password null; comment on role {role} is 'password ''is set'''")
    assert found(ask(check, embedded_database.dsn())) == set()
    embedded_database.run(f"alter role {role} password 'kept-in-the-statistics'")
    told = ask(check, embedded_database.dsn())
    assert len(found(told)) == 1
    assert "kept-in" not in repr(told)
    for remedy in remedies(told):
        embedded_database.run(remedy)
    assert found(ask(check, embedded_database.dsn())) == set()


def test_what_the_log_is_told(embedded_database: Database):
    check = "security/secrets-in-log"

    def looked() -> Outcome:
        outcome = ask(check, embedded_database.dsn())
        assert found(ask(check, embedded_database.bare_dsn())) == found(outcome)
        return outcome

    assert found(looked()) == set()
    with loaded(embedded_database.cluster, log_statement="ddl"):
        assert found(looked()) == {"log_statement"}
    with loaded(embedded_database.cluster, log_min_duration_statement="250"):
        assert found(looked()) == {"log_parameter_max_length"}
    with loaded(
        embedded_database.cluster, log_min_duration_statement="0", log_parameter_max_length="0",
        log_parameter_max_length_on_error="-1",
    ):  # fmt: skip
        assert found(looked()) == {"log_min_duration_statement", "log_parameter_max_length_on_error"}
    with loaded(embedded_database.cluster, log_transaction_sample_rate="0.01"):
        assert found(looked()) == {"log_parameter_max_length"}
    with loaded(embedded_database.cluster, log_statement="all"):
        embedded_database.run(f"alter role {embedded_database.bare_role} set log_statement = none")
        covered = ask(check, embedded_database.bare_dsn())
        assert isinstance(covered, Unknown), "its own setting covers the server's"
        assert {u.subject for u in covered.unseen} == {"log_statement", "log_parameter_max_length"}


def test_functions_that_are_the_superusers(embedded_database: Database, role: str):
    check = "security/dangerous-function-granted"
    assert role not in found(ask(check, embedded_database.dsn()))
    group = f"{role}_group"
    embedded_database.run(
        f"create role {group}; grant {group} to {role}; grant execute on function pg_read_file(text) to {group};"
        f"create extension dblink; grant execute on function dblink_connect_u(text) to {role};"
        f"grant execute on function dblink_connect(text) to {role}"
    )
    embedded_database.made_roles.append(group)
    try:
        told = ask(check, embedded_database.dsn())
        assert found(ask(check, embedded_database.bare_dsn())) == found(told)
        assert found(told) & {role, embedded_database.bare_role} == {role}
        assert isinstance(told, Examined)
        (finding,) = [o for o in told.findings if o.subject == role]
        assert finding.evidence["may_call"] == ["pg_catalog.pg_read_file(text)", "public.dblink_connect_u(text)"]
        embedded_database.run(str(finding.remedy))
        assert role not in found(ask(check, embedded_database.dsn()))
    finally:
        embedded_database.run(f"drop owned by {role}, {group}")
    embedded_database.run("grant execute on function pg_stat_file(text) to public")
    try:
        told = ask(check, embedded_database.dsn())
        assert role in found(told)
        for remedy in set(remedies(told)):
            embedded_database.run(remedy)
        assert role not in found(ask(check, embedded_database.dsn()))
    finally:
        embedded_database.run("revoke execute on function pg_stat_file(text) from public")


def test_functions_that_a_member_takes_on(database: Database):
    """A role that inherits nothing has them by SET ROLE; since 16 a membership may be without that too."""
    check, role, group = "security/dangerous-function-granted", f"{database.name}_svc", f"{database.name}_group"
    database.run(f"create role {group}; create role {role} noinherit login; grant {group} to {role}")
    database.made_roles[:0] = [role, group]
    database.run(f"grant execute on function pg_read_file(text) to {group}")
    try:
        told = ask(check, database.dsn())
        assert role in found(told)
        assert found(ask(check, database.bare_dsn())) == found(told)
        if database.cluster.runtime.major >= 16:
            database.run(f"grant {group} to {role} with inherit false, set false, admin false")
            assert role not in found(ask(check, database.dsn()))
            database.run(f"grant {group} to {role} with inherit false, set true")
        assert isinstance(told, Examined)
        (finding,) = [o for o in told.findings if o.subject == role]
        database.run(str(finding.remedy))
        assert role not in found(ask(check, database.dsn()))
    finally:
        database.run(f"revoke execute on function pg_read_file(text) from {group}")


def test_a_membership_that_gives_nothing(embedded_database: Database, role: str):
    check, boss = "security/login-role-powers", f"{role}_boss"
    embedded_database.run(f"create role {boss} bypassrls; grant {boss} to {role}")
    embedded_database.made_roles.append(boss)
    assert role in found(ask(check, embedded_database.dsn()))
    for without in ("inherit false, set false, admin false", "inherit true, set false, admin false"):
        embedded_database.run(f"grant {boss} to {role} with {without}")
        assert role not in found(ask(check, embedded_database.dsn())), "an attribute is had by SET ROLE alone"
    embedded_database.run(f"grant pg_read_server_files to {role} with inherit true, set false")
    assert role in found(ask(check, embedded_database.dsn()))


def test_large_objects_that_are_created_tomorrow(embedded_database: Database):
    """Of which default privileges know since 18."""
    check = "security/default-privileges-for-public"
    embedded_database.run("alter default privileges grant select on large objects to public")
    told = ask(check, embedded_database.dsn())
    assert found(told) == {"large objects by postgres"}
    for remedy in remedies(told):
        embedded_database.run(remedy)
    assert found(ask(check, embedded_database.bare_dsn())) == set()


def test_nobody_is_no_finding(embedded_database: Database):
    assert isinstance(checks()["security/superuser-session"].ask(Logins(roles=(), counted_days=1)), NotApplicable)
