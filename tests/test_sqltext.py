"""Statements end where the server ends them."""

from __future__ import annotations

import pytest

from readiness.sqltext import qualified, statements, tokens, without_semicolons

SPLIT = {
    "select 1; select 2": ["select 1", "select 2"],
    "-- a; b\nselect 1 /* c; /* nested; */ d; */ ;": ["select 1 /* c; /* nested; */ d; */ "],
    "select ';', E'\\';', U&'d;', \"odd;name\"; select 2": ["select ';', E'\\';', U&'d;', \"odd;name\"", "select 2"],
    "do $$ begin perform 1; end $$; do $a$ $$; $a$": ["do $$ begin perform 1; end $$", "do $a$ $$; $a$"],
    "create rule r as on insert to t do (select 1; select 2); select 3": [
        "create rule r as on insert to t do (select 1; select 2)",
        "select 3",
    ],
    "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3": [
        "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
        "select 3",
    ],
    "begin; select 1; end; select 2": ["begin", "select 1", "end", "select 2"],
    "select $1, a$b$c; select 2": ["select $1, a$b$c", "select 2"],
    " ;; -- nothing\n /* at all */ ;": [],
    "select 'unended; select 2": ["select 'unended", "select 2"],
}


@pytest.mark.parametrize(("script", "expected"), SPLIT.items())
def test_statements(script: str, expected: list[str]):
    assert [s.text for s in statements(script)] == expected


def test_where_a_statement_begins():
    script = "-- one\n\nselect 1;\n/* two\n*/ select\n2;select 3"
    assert [s.line for s in statements(script)] == [3, 5, 6]


@pytest.mark.parametrize(
    ("script", "created"),
    [
        ('create table if not exists "Odd".t (id int)', ("table", "Odd.t")),
        ("CREATE UNLOGGED TABLE a.b()", ("table", "a.b")),
        ("create unique index concurrently if not exists i on t (a)", ("index", "i")),
        ("create or replace function s.f() returns int language sql as ''", ("function", "s.f")),
        ("create materialized view v as select 1", ("materialized view", "v")),
        ("create temporary table t (id int)", None),
        ("alter table t add a int", None),
    ],
)
def test_what_is_created(script: str, created: tuple[str, str] | None):
    its = statements(script)[0].created
    assert (its and (its.kind, its.name)) == created


def test_a_name_in_parts():
    assert qualified(list(tokens('"A b" . c (d)'))) == "A b.c"
    assert qualified(list(tokens("(a)"))) == ""


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("select 1", "select 1"),
        ("select 'a;b'", r"select E'a\073b'"),
        (r"select 'a\b;'", r"select E'a\\b\073'"),
        (r"select E'\\;', e'\;'", r"select E'\\\073', e'\073'"),
        ("select 'it''s; so' -- a; b\n, 2 /* c; d */", "select E'it''s\\073 so' -- a, b\n, 2 /* c, d */"),
        ("select 'a;'\n'\\b;'", "select E'a\\073'\n'\\\\b\\073'"),
        ("select E'a;' -- it goes on\n 'b;'", "select E'a\\073' -- it goes on\n 'b\\073'"),
        ("select '-- a', 'b;'", r"select '-- a', E'b\073'"),
        ("select 1;", None),
        ("select 1; drop table t", None),
        ("select 'a'; drop table t --'", None),
        ("select $$a;b$$", None),
        ("select $a$';$a$, ';'", None),
        (r"select U&'\0061;'", None),
        ("select N'a;'", None),
        ('select ";" from t', None),
        ("select 1 /* a /* b; */ c; */", None),
        ("select 'unended; ", None),
        (r"select '\'; drop table t --'", None),
    ],
)
def test_a_statement_that_holds_no_semicolon_is_one(sql: str, written: str | None):
    assert without_semicolons(sql) == written
