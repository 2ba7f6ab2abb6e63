"""Privileges as declared: a declaration conforms to the database that it was written from, each change is named and mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asking import ask, found
from conforming import declare
from conftest import Database
from readiness import profile
from readiness.model import Examined, NotApplicable, Reason, Unknown, quote_ident
from readiness.profile import Profile
from readiness.yamldoc import ConfigError

CHECK = "security/privilege-differs"

# {odd}: a role whose name needs quotes; {mid}, {leaf}: plain ones.
GRANTED = r"""
create schema "Odd ""S"" 🐘";
create schema empty;
create table parent (id bigint generated always as identity primary key, code text, "N, ""o"" x" int);
create table child (id serial primary key);
create table parted (id int) partition by range (id);
create table parted_1 partition of parted for values from (1) to (2);
create table parted_2 partition of parted for values from (2) to (3) partition by range (id);
create table parted_22 partition of parted_2 for values from (2) to (3);
create table "Odd ""S"" 🐘"."T; drop table x; --" (a int);
create table flyway_schema_history (installed_rank serial primary key);
create view seen as select 1 as x;
create function twice(i int) returns int language sql immutable as 'select i * 2';
create procedure done(inout a text, variadic b int[]) language sql as 'select a';
create type mood as enum ('ok');
create function "Of, moods"(mood[], timestamptz) returns int language sql as 'select 1';
create extension pg_trgm;
grant usage on schema public to pg_monitor with grant option;
grant all on parent to pg_monitor with grant option;
grant select (id, "N, ""o"" x"), update (code) on parent to {odd};
grant insert on parent to {odd} with grant option;
grant select on parted to pg_monitor, public;
grant select on parted_1, parted_22 to pg_monitor;
grant delete on parted_2 to {odd};
grant all on all tables in schema "Odd ""S"" 🐘" to {odd};
grant usage on child_id_seq to pg_monitor;
grant select on seen to public;
grant select on flyway_schema_history to public;
grant usage on flyway_schema_history_installed_rank_seq to {odd};
revoke execute on function twice from public;
grant execute on procedure done to {odd};
"""


class Roles:
    """Roles of one test's own, and scripts that name them."""

    def __init__(self, database: Database) -> None:
        self.names = {"odd": f'{database.name} "R" $1', "mid": f"{database.name}_mid", "leaf": f"{database.name}_leaf"}
        database.made_roles[:0] = self.names.values()
        database.run("".join(f"create role {quote_ident(name)};" for name in self.names.values()))

    def put(self, script: str) -> str:
        for key, name in self.names.items():
            script = script.replace("{" + key + "}", quote_ident(name))
        return script


# What is done, and the subjects that must be named; each remedy leaves all as it is declared, for the next.
CHANGES = [
    ("revoke usage on schema public from pg_monitor", {"public"}),
    ("grant create on schema public to {odd}; grant usage on schema empty to public", {"public", "empty"}),
    ("revoke update on parent from pg_monitor", {"public.parent"}),
    ("revoke grant option for all on parent from pg_monitor", {"public.parent"}),
    ("grant select on parent to {odd}", {"public.parent"}),
    ("revoke select (id) on parent from {odd}", {"public.parent"}),
    ("grant select (id) on parent to {odd} with grant option", {"public.parent"}),
    ("grant delete on child to public", {"public.child"}),
    ("grant delete on parted_1 to {odd}", {"public.parted_1"}),
    ("revoke delete on parted_2 from {odd}", {"public.parted_2"}),
    ("grant usage on sequence parent_id_seq to {odd}", {"public.parent_id_seq"}),
    ("revoke usage on child_id_seq from pg_monitor", {"public.child_id_seq"}),
    ("drop view seen; create view seen as select 2 as x", {"public.seen"}),
    ("create materialized view kept as select 1 as x; grant select on kept to {odd}", {"public.kept"}),
    ("create table more (id int); grant select on more to {leaf}", {"public.more"}),
    ("grant execute on function twice to public", {"public.twice(integer)"}),
    ("revoke execute on procedure done from {odd}", {"public.done(text, integer[])"}),
    (
        'revoke execute on function "Of, moods" from public; grant execute on function "Of, moods" to {leaf}',
        {'public."Of, moods"(public.mood[], timestamp with time zone)'},
    ),
    ("create function f(out a int) language sql as 'select 1'; grant execute on function f to {odd}", {"public.f()"}),
    (
        "create aggregate most(int) (sfunc = int4larger, stype = int); grant execute on function most to {odd}",
        {"public.most(integer)"},
    ),
    # Near misses: of what is not declared the default is as good as less, and a partition may hold what its table holds.
    ("revoke execute on function f from public; revoke select on parted_1 from pg_monitor", set()),
    ("grant select on parted_1 to pg_monitor, public; grant select (id) on parted_22 to {leaf}", {"public.parted_22"}),
    ("create temporary table short (id int); grant all on short to public", set()),
    # Passed on: only its source can be revoked, by the owner; what is declared of the rest is granted again.
    (
        "set role pg_monitor; grant select, insert on parent to {mid} with grant option; set role {mid}; "
        "grant select on parent to {leaf}; grant insert (code) on parent to {leaf}; reset role",
        {"public.parent"},
    ),
    (
        "grant select, delete on child to {mid} with grant option; set role {mid}; "
        "grant select, delete on child to {leaf}; reset role; grant select on child to {leaf}",
        {"public.child"},
    ),
]


def test_each_change_is_named_and_mended(embedded_database: Database, tmp_path: Path):
    database, roles = embedded_database, Roles(embedded_database)
    database.run(roles.put(GRANTED))
    wanted = declare(database.dsn(), tmp_path)
    assert found(ask(CHECK, database.dsn(), profile=wanted)) == set()
    assert set(wanted.schemas["public"].partitions) == {"parted_2"}
    assert set(wanted.schemas["public"].functions) == {"twice(integer)", "done(text, integer[])"}
    for change, subjects in CHANGES:
        database.run(roles.put(change))
        outcome = ask(CHECK, database.bare_dsn(), profile=wanted)
        assert found(outcome) == subjects, change
        assert isinstance(outcome, Examined)
        for finding in outcome.findings:
            database.run(finding.remedy or "")
        assert found(ask(CHECK, database.dsn(), profile=wanted)) == set(), (change, outcome.findings)


def declared(**public: Any) -> Profile:
    return Profile.model_validate({"name": "test", "schemas": {"public": public}})


def test_only_what_is_declared_is_judged(debian_database: Database):
    database, roles = debian_database, Roles(debian_database)
    database.run(
        roles.put(
            "create table t (id int, code text); create table other (id int); create view v as select 1 as x;"
            "grant all on other to public; grant select, delete on t to {odd}; grant usage on schema public to {odd};"
            "create function f() returns int language sql as 'select 1'"
        )
    )
    odd = roles.names["odd"]
    for nothing in ({"tables": {"t": {"columns": {"id": "integer"}}}, "complete": True}, {"tables": {"t": None}}):
        outcome = ask(CHECK, database.dsn(), profile=declared(**nothing))
        assert isinstance(outcome, Unknown)
        assert outcome.reason is Reason.NOT_CONFIGURED
    gone = Profile.model_validate({"name": "t", "schemas": {"gone": {"grants": {}, "views": {"v": {"grants": {}}}}}})
    assert isinstance(ask(CHECK, database.dsn(), profile=gone), NotApplicable)
    wanted = declared(
        tables={"t": {"grants": {odd: ["SELECT", "insert (code)"], "postgres": ["all"]}}},
        views={"gone": {"grants": {}}},
        functions={"f( )": {"grants": {"public": ["execute"]}}},
    )
    outcome = ask(CHECK, database.dsn(), profile=wanted)
    assert isinstance(outcome, Examined)
    assert {o.subject: dict(o.evidence) for o in outcome.observations} == {
        "public.t": {"missing": f"insert (code) to {quote_ident(odd)}", "undeclared": f"delete to {quote_ident(odd)}"},
        "public.gone": {"live": "missing"},
        "public.f()": {},
    }
    everything = declared(complete=True, grants={odd: ["usage"], "PUBLIC": ["usage"]}, tables={"t": None})
    assert found(ask(CHECK, database.dsn(), profile=everything)) == {"public.t", "public.other"}


def test_what_can_not_be_granted_has_no_remedy(debian_database: Database):
    """A role that is missing, a column that is missing, a privilege that the server doesn't know."""
    debian_database.run("create table t (id int)")
    for grants in ({"no such role": ["select"]}, {"pg_monitor": ["select (gone)"]}, {"pg_monitor": ["maintain"]}):
        outcome = ask(CHECK, debian_database.dsn(), profile=declared(tables={"t": {"grants": grants}}))
        assert isinstance(outcome, Examined)
        assert [(o.subject, o.remedy) for o in outcome.findings] == [("public.t", None)]


@pytest.mark.parametrize(
    ("kind", "name", "privilege", "told"),
    [
        ("tables", "t", "usage", "'usage' is no privilege of a table; write select, insert,"),
        ("tables", "t", "select (id", "what holds a comma stands in quotes"),
        ("tables", "t", "delete (id)", "'delete (id)' is no privilege of a table"),
        ("sequences", "s", "delete", "write usage, select, update or all"),
        ("functions", "f()", "execute (a)", "write execute or all"),
        ("functions", "f", "execute", "'f' names no function; write name(type, type)"),
        ("views", "v", 3, "3 is no privilege of a table"),
    ],
)
def test_a_privilege_that_there_is_not_is_an_error_with_its_place(
    tmp_path: Path, kind: str, name: str, privilege: object, told: str
):
    file = tmp_path / "readiness.yaml"
    body = f"{kind}:\n      {name}:\n        grants:\n          app: [{privilege}]\n"
    file.write_text(f"name: t\nschemas:\n  public:\n    {body}")
    with pytest.raises(ConfigError) as error:
        profile.load(file, {})
    assert told in str(error.value)
    assert str(error.value).startswith(f"{file}:{5 if name == 'f' else 7}:")
