"""What a story can't say of checks that judge by name or take stock: evidence, and who is healthy."""

from __future__ import annotations

from asking import ask
from conftest import Database
from readiness.model import Examined, Unknown


def test_a_status_of_an_enum_or_a_domain_is_one_that_was_looked_at(database: Database):
    database.run(
        "create type mood as enum ('a', 'b'); create domain word as int check (value > 0); "
        "create table t (id int primary key, status mood, type word, state text check (state <> ''), level int)"
    )
    outcome = ask("schema/unchecked-status-column", database.dsn())
    assert isinstance(outcome, Examined)
    assert {o.subject for o in outcome.observations} == {"public.t.status", "public.t.type", "public.t.state"}
    assert outcome.healthy == 3


def test_a_json_document_tells_whether_a_gin_index_has_it(database: Database):
    database.run(
        "create table t (id int primary key, j jsonb, beside jsonb, alone jsonb); "
        "create index on t using gin (j, beside); create index on t (id) include (alone)"
    )
    outcome = ask("schema/jsonb-column-inventory", database.dsn())
    assert isinstance(outcome, Examined)
    told = {o.subject: o.evidence["has_gin_index"] for o in outcome.findings}
    assert told == {"public.t.j": True, "public.t.beside": True, "public.t.alone": False}


def test_a_check_of_another_form_leaves_a_half_null_key_unknown(embedded_database: Database):
    embedded_database.run("""
        create table p (a int, b int, primary key (a, b));
        create table t (
            a int, b int, foreign key (a, b) references p,
            check (case when a is null then b is null else b is not null end)
        );
    """)
    for dsn in (embedded_database.dsn(), embedded_database.bare_dsn()):
        outcome = ask("schema/half-null-foreign-key", dsn)
        assert isinstance(outcome, Unknown)
        assert [u.subject for u in outcome.unseen] == ["public.t:t_a_b_fkey"]
