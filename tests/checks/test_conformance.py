"""A declaration written from a database conforms to it exactly; and each difference is named, and closed by its remedy."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from asking import ask, found
from conforming import CHECKS, declare, differences
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import Examined, NotApplicable, Reason, Unknown
from readiness.profile import Profile

KITCHEN_SINK = r"""
create schema "Odd ""S"" 🐘";
create schema empty;
comment on schema "Odd ""S"" 🐘" is E'two\nlines, ${HOME} and $$ and ''quotes'' \\ \x7f';
create extension pg_trgm;
create type public.mood as enum ('sad', 'ok', 'it''s, ${X}', 'no', '🙂');
create type "Odd ""S"" 🐘"."E n" as enum ('true', '010');
create type public.none as enum ();
create domain positive as int check (value > 0);
create collation public."C lower" (provider = libc, locale = 'C');
create function public.twice(i int) returns int language sql immutable as 'select i * 2';
create table public.parent (
    id bigint generated always as identity primary key,
    code text collate "C" not null unique,
    mood mood not null default 'ok',
    tags text[] default '{}',
    n numeric(10, 2) default 0.5 check (n >= 0),
    doubled int generated always as (char_length(code) * 2) stored,
    p positive default 1,
    made timestamptz default now(),
    low varchar(20) collate public."C lower",
    span int4range,
    exclude using gist (span with &&) where (span is not null),
    constraint "code, ""form"" $1" check (code ~ '^[a-z]{2}\d+$' and code <> 'a  B')
);
create table public.child (
    id serial primary key,
    parent_id bigint references parent on delete cascade on update set null deferrable initially deferred,
    parent_code text,
    constraint by_code foreign key (parent_code) references parent (code) match full not valid,
    unique (parent_id, parent_code) include (id)
);
create index on child (parent_id desc nulls last) include (parent_code) where parent_code is not null;
create unique index " USING ' $x" on child using btree (lower(parent_code) collate "C" text_pattern_ops, twice(id));
create index trgm on parent using gin (code gin_trgm_ops) with (fastupdate = off);
create table public.parted (id int not null, at date not null, parent_id bigint references parent, primary key (id, at))
    partition by range (at);
create table public.parted_1 partition of parted for values from ('2026-01-01') to ('2026-02-01');
create index on parted (at);
create table public.points_to_parted (id int, at date, foreign key (id, at) references parted);
create table public.base (a int check (a > 0));
create table public.derived (b int) inherits (base);
create table public.no_columns ();
create unlogged table public.guarded (id uuid primary key default gen_random_uuid(), "select" text, "from" json);
alter table guarded enable row level security;
alter table guarded force row level security;
create table "Odd ""S"" 🐘"."T; drop table x; --" (
    "A
B" int default 1, "${VAR}" text default '${VAR} $$ $1', "" "" int,
    "0123456789012345678901234567890123456789012345678901234567890ab" "Odd ""S"" 🐘"."E n" default 'true'
);
alter table "Odd ""S"" 🐘"."T; drop table x; --" enable row level security;
comment on table "Odd ""S"" 🐘"."T; drop table x; --" is 'yes';
comment on column "Odd ""S"" 🐘"."T; drop table x; --"."A
B" is E'tab\there';
create table public.flyway_schema_history (installed_rank int primary key);
create view public.seen as select 1 as x;
""".replace('"" "" int', '" " int')


def test_a_kitchen_sink_conforms_to_its_own_declaration(database: Database, tmp_path: Path):
    database.run(KITCHEN_SINK)
    wanted = declare(database.dsn(), tmp_path)
    assert differences(database.dsn(), wanted) == {}
    assert differences(database.bare_dsn(), wanted) == {}
    public = wanted.schemas["public"]
    assert set(public.tables) == {
        *("parent", "child", "parted", "points_to_parted", "base", "derived", "no_columns", "guarded"),
    }
    assert public.enums["mood"] == ("sad", "ok", "it's, ${X}", "no", "🙂")
    outcome = ask("schema/constraint-differs", database.dsn(), profile=wanted)
    assert isinstance(outcome, Examined)
    assert (
        outcome.examined
        == sum(len(t.constraints) for s in wanted.schemas.values() for t in s.tables.values() if t)
        > 12
    )


# What is done to the kitchen sink; the check that must tell; the subjects it must name; whether its remedies mend all.
CHANGES = [
    ("drop schema empty", "missing-schema", {"empty"}, True),
    ("drop table points_to_parted", "missing-table", {"public.points_to_parted"}, False),
    ("alter table points_to_parted drop column at", "column-differs", {"public.points_to_parted.at"}, True),
    ("alter table child drop column parent_code cascade", "column-differs", {"public.child.parent_code"}, True),
    ("alter table parent alter n type numeric(12, 2)", "column-differs", {"public.parent.n"}, True),
    ("alter table parent alter tags drop default", "column-differs", {"public.parent.tags"}, True),
    ("alter table parent alter code set default 'x'", "column-differs", {"public.parent.code"}, True),
    ("alter table parent alter mood drop not null", "column-differs", {"public.parent.mood"}, True),
    ("alter table child alter parent_code set not null", "column-differs", {"public.child.parent_code"}, True),
    ("alter table parent alter id set generated by default", "column-differs", {"public.parent.id"}, True),
    ("alter table parent alter low type varchar(20)", "column-differs", {"public.parent.low"}, True),
    ("alter table parent drop column doubled", "column-differs", {"public.parent.doubled"}, True),
    ("alter table parent alter doubled drop expression", "column-differs", {"public.parent.doubled"}, False),
    ("alter table parent drop constraint parent_n_check", "constraint-differs", {"public.parent:parent_n_check"}, True),
    ("alter table guarded drop constraint guarded_pkey", "constraint-differs", {"public.guarded:guarded_pkey"}, True),
    (
        "alter table child drop constraint child_parent_id_parent_code_id_key",
        "constraint-differs",
        {"public.child:child_parent_id_parent_code_id_key"},
        True,
    ),
    (
        "alter table child drop constraint child_parent_id_fkey",
        "constraint-differs",
        {"public.child:child_parent_id_fkey"},
        True,
    ),
    (
        "alter table child drop constraint child_parent_id_fkey;"
        "alter table child add constraint child_parent_id_fkey foreign key (parent_id) references parent on delete restrict",
        "constraint-differs",
        {"public.child:child_parent_id_fkey"},
        True,
    ),
    (
        "alter table parent drop constraint parent_n_check;"
        "alter table parent add constraint parent_n_check check (n >= 0) not valid",
        "constraint-differs",
        {"public.parent:parent_n_check"},
        True,
    ),
    (
        'alter table parent rename constraint "code, ""form"" $1" to other',
        "constraint-differs",
        {'public.parent:"code, ""form"" $1"'},
        True,
    ),
    (
        "alter table parent drop constraint parent_span_excl",
        "constraint-differs",
        {"public.parent:parent_span_excl"},
        True,
    ),
    (
        "alter table parted drop constraint parted_parent_id_fkey",
        "constraint-differs",
        {"public.parted:parted_parent_id_fkey"},
        True,
    ),
    ("drop index trgm", "index-differs", {"public.trgm"}, True),
    ("drop index parted_at_idx", "index-differs", {"public.parted_at_idx"}, True),
    (
        'drop index " USING \' $x"; create index " USING \' $x" on child (id)',
        "index-differs",
        {'public." USING \' $x"'},
        True,
    ),
    ("alter index trgm rename to trigram", "index-differs", {"public.trgm"}, True),
    ("drop type public.none", "enum-differs", {'public."none"'}, True),
    ("alter type mood add value 'late'", "enum-differs", {"public.mood"}, False),
    ("drop extension pg_trgm cascade", "extension-differs", {"pg_trgm"}, True),
    ("alter extension pg_trgm set schema empty", "extension-differs", {"pg_trgm"}, True),
    ("alter table base owner to {bare}", "owner-differs", {"public.base"}, True),
    ("alter schema empty owner to {bare}", "owner-differs", {"empty"}, True),
    ("alter table guarded no force row level security", "row-security-differs", {"public.guarded"}, True),
    ("alter table base enable row level security", "row-security-differs", {"public.base"}, True),
    (
        'alter table "Odd ""S"" 🐘"."T; drop table x; --" disable row level security',
        "row-security-differs",
        {'"Odd ""S"" 🐘"."T; drop table x; --"'},
        True,
    ),
    ("comment on table base is 'it''s'", "comment-differs", {"public.base"}, True),
    (
        'comment on table "Odd ""S"" 🐘"."T; drop table x; --" is null',
        "comment-differs",
        {'"Odd ""S"" 🐘"."T; drop table x; --"'},
        True,
    ),
    ("create index by_hand on base (a)", "undeclared-object", {"public.by_hand"}, True),
    ("alter table derived add constraint c check (b > 0)", "undeclared-object", {"public.derived:c"}, True),
    ("create table extra (id int)", "undeclared-object", {"public.extra"}, False),
    ("alter table base add column more int", "undeclared-object", {"public.base.more", "public.derived.more"}, False),
    ("create type extra as enum ('a')", "undeclared-object", {"public.extra"}, False),
    ("create schema extra", "undeclared-object", {"extra"}, False),
    ("create extension btree_gist", "undeclared-object", {"btree_gist"}, False),
]


def test_each_change_is_named_and_mended(debian_cluster: Cluster, make_database, tmp_path: Path):
    template = make_database(debian_cluster)
    template.run(KITCHEN_SINK)
    wanted = declare(template.dsn(), tmp_path)
    for number, (change, check, subjects, mends) in enumerate(CHANGES):
        copy = Database(debian_cluster, f"{template.name}_{number}")
        copy.bare_role = template.bare_role
        with debian_cluster.connect() as admin:
            admin.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(copy.name), sql.Identifier(template.name)
                )
            )
        try:
            copy.run(change.replace("{bare}", copy.bare_role))
            outcome = ask(f"schema/{check}", copy.dsn(), profile=wanted)
            assert found(outcome) >= subjects, change
            assert found(outcome) == subjects or change.startswith("drop extension"), (change, found(outcome))
            assert isinstance(outcome, Examined)
            offered = [o.remedy for o in outcome.findings]
            if mends:
                assert all(offered), change
                for remedy in offered:
                    copy.run(remedy or "")
                assert found(ask(f"schema/{check}", copy.dsn(), profile=wanted)) == set(), (change, offered)
        finally:
            with debian_cluster.connect() as admin:
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(copy.name)))


SHORT = Profile.model_validate(
    {
        "name": "test",
        "schemas": {
            "public": {
                "tables": {
                    "t": {"columns": {"id": "integer", "mood": {"type": "text", "default": "'a'::TEXT"}}},
                    "gone": None,
                }
            }
        },
    }
)


def test_what_a_short_declaration_does_not_say_is_not_judged(database: Database):
    database.run(
        "create table t (id int primary key, mood text not null default 'a', extra int default 1);"
        "create index on t (extra); alter table t enable row level security; comment on table t is 'x'"
    )
    assert differences_or_unknown(database, SHORT) == {
        "schema/missing-table": {"public.gone"},
        "schema/constraint-differs": Reason.NOT_CONFIGURED,
        "schema/index-differs": Reason.NOT_CONFIGURED,
        "schema/enum-differs": Reason.NOT_CONFIGURED,
        "schema/extension-differs": Reason.NOT_CONFIGURED,
        "schema/owner-differs": Reason.NOT_CONFIGURED,
        "schema/row-security-differs": Reason.NOT_CONFIGURED,
        "schema/comment-differs": Reason.NOT_CONFIGURED,
        "schema/undeclared-object": Reason.NOT_CONFIGURED,
        "security/privilege-differs": Reason.NOT_CONFIGURED,
    }


def differences_or_unknown(database: Database, wanted: Profile) -> dict[str, object]:
    told: dict[str, object] = {}
    for check in CHECKS:
        match ask(check, database.dsn(), profile=wanted):
            case Unknown() as unknown:
                told[check] = unknown.reason
            case outcome if names := found(outcome):
                told[check] = names
    return told


def test_what_is_declared_to_be_none_is_not_applicable(embedded_database: Database):
    none = Profile.model_validate({"name": "test", "schemas": {}, "extensions": {}})
    for check in set(CHECKS) - {"schema/undeclared-object"}:
        assert isinstance(ask(check, embedded_database.dsn(), profile=none), NotApplicable), check


def test_labels_are_added_where_they_are_declared(database: Database):
    database.run("create type mood as enum ('b', 'd')")
    wanted = Profile.model_validate(
        {"name": "t", "schemas": {"public": {"enums": {"mood": list("abcde"), "New Mood": ["it's"]}}}}
    )
    outcome = ask("schema/enum-differs", database.dsn(), profile=wanted)
    assert found(outcome) == {"public.mood", 'public."New Mood"'}
    assert isinstance(outcome, Examined)
    for finding in outcome.findings:
        database.run(finding.remedy or "")
    assert found(ask("schema/enum-differs", database.dsn(), profile=wanted)) == set()


def test_a_table_that_ddl_stands_before_is_named_and_the_others_are_compared(database: Database, tmp_path: Path):
    database.run("create table held (id int check (id > 0)); create table free (id int default 1)")
    wanted = declare(database.dsn(), tmp_path)
    database.run("alter table free alter id drop default")
    with database.connect() as ddl:
        ddl.execute("begin")
        ddl.execute("alter table held add column more int")
        columns = ask("schema/column-differs", database.dsn(), profile=wanted)
        constraints = ask("schema/constraint-differs", database.dsn(), profile=wanted)
        ddl.execute("rollback")
    assert found(columns) == {"public.free.id"}
    assert isinstance(columns, Examined)
    assert [(u.subject, u.reason) for u in columns.unseen] == [("public.held.id", Reason.LOCKED)]
    assert isinstance(constraints, Unknown)
    assert constraints.reason is Reason.LOCKED
    assert "public.held" in constraints.detail
