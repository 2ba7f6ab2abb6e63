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


def test_nobody_is_no_finding(embedded_database: Database):
    assert isinstance(checks()["security/superuser-session"].ask(Logins(roles=(), counted_days=1)), NotApplicable)
