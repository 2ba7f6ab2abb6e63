"""What subjects hang on in the catalog, and which of it no check looks at: said once, in SQL and, where there is little, as oids.

A check's answer may be told apart and counted by the server, so that a large database sends findings alone; on a small one
the planning of that takes longer than all of its rows, which are then sent, and told apart by what is looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.bookkeeping import BOOKKEEPING_BY_COLUMNS, BOOKKEEPING_TABLES
from readiness.facts.own import is_own
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target

SCHEMA_OF: Mapping[str, str] = {
    "pg_class": "relnamespace",
    "pg_proc": "pronamespace",
    "pg_type": "typnamespace",
    "pg_namespace": "oid",
}
"""Catalog -> the column that tells the schema."""

MOST = 2_000
"""Objects, and columns of tables and indexes, that are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Every object outside the schemas that no check looks at, where they are few; else those schemas alone.

    Args:
        schemas: oid -> always quoted name, of the schemas that checks look at.
        left_out_schemas: the oids of all others; None where that isn't known.
        known: catalog -> oids outside those, members of extensions left out.
        members: catalog -> oids of members of extensions.
        bookkeeping: oids of migration tools' tables.
        owned: oid -> always quoted name, of the tables that a service owns alone.
    """

    few: bool
    schemas: Mapping[int, str] = field(default_factory=dict)
    left_out_schemas: Sequence[int] | None = None
    known: Mapping[str, frozenset[int]] = field(default_factory=dict)
    members: Mapping[str, frozenset[int]] = field(default_factory=dict)
    bookkeeping: frozenset[int] = frozenset()
    owned: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        try:
            rows = postgres.rows(_look(target.ignored_schemas), (MOST + 1,), marker="anchors")
        except Unobservable:
            return cls(few=False)  # the server tells them apart, or says by itself what is wrong
        if len(rows) > MOST or sum(row["width"] for row in rows) > MOST:
            return cls(few=False, left_out_schemas=_left_out_schemas(postgres, target.ignored_schemas))
        spaces = [row for row in rows if row["catalog"] == "pg_namespace"]
        inside = [row for row in rows if not row["left_out"]]
        return cls(
            few=True,
            schemas={row["oid"]: row["schema"] for row in spaces if not row["left_out"]},
            left_out_schemas=[row["oid"] for row in spaces if row["left_out"]],
            known={c: frozenset(r["oid"] for r in inside if r["catalog"] == c and not r["member"]) for c in SCHEMA_OF},
            members={c: frozenset(r["oid"] for r in inside if r["catalog"] == c and r["member"]) for c in SCHEMA_OF},
            bookkeeping=frozenset(row["oid"] for row in inside if row["bookkeeping"]),
            owned={
                row["oid"]: f"{row['schema']}.{row['name']}"
                for row in inside
                if row["catalog"] == "pg_class" and f"{row['schema']}.{row['name']}" in target.owned_tables
            },
        )


def _left_out_schemas(postgres: Postgres, ignored_schemas: Sequence[str]) -> Sequence[int] | None:
    query = (
        f"select ns.oid::pg_catalog.int8 as oid from pg_catalog.pg_namespace as ns where {left_out(ignored_schemas)}"
    )
    try:
        return [row["oid"] for row in postgres.rows(query, marker="anchors")]
    except Unobservable:
        return None


def is_left_out(quoted: str, ignored_schemas: Sequence[str]) -> bool:
    """The same of a schema's name, always quoted, for one that was made since they were looked up (`pg_temp_7`)."""
    named = quoted[1:-1].replace('""', '"')
    return named.startswith("pg_") or named == "information_schema" or named in ignored_schemas


def always_quoted(column: str) -> str:
    """A name as SQL writes it in double quotes, whether it needs them or not: an expression."""
    return f"""('"' || pg_catalog.replace({column}::text, '"', '""') || '"')"""


def text_array(names: Sequence[str]) -> str:
    """A constant array of texts: an expression."""
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"array[{quoted}]::pg_catalog.text[]"


def left_out(ignored_schemas: Sequence[str]) -> str:
    """Whether no check looks into a schema, a row `ns` of pg_namespace: a condition, never null."""
    spared = ["ns.nspname ~ '^pg_'", "ns.nspname = 'information_schema'", is_own()]
    if ignored_schemas:
        spared.append(f"ns.nspname = any ({text_array(ignored_schemas)})")
    return " or ".join(spared)


def members(catalog: str) -> str:
    """The oids of what extensions own: a query. pg_extension is what its members refer to."""
    return (
        "select d.objid from pg_catalog.pg_depend as d where d.deptype = 'e' "
        f"and d.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass "
        "and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
    )


def bookkeeping() -> str:
    """The oids of migration tools' tables: a query. Columns are looked at only where a name asks for it."""
    by_columns = text_array(sorted({table for table, _ in BOOKKEEPING_BY_COLUMNS}))
    known = text_array(sorted(" ".join([table, *sorted(columns)]) for table, columns in BOOKKEEPING_BY_COLUMNS))
    return f"""
                select t.oid
                from pg_catalog.pg_class as t
                where
                    t.relname = any ({text_array(sorted(BOOKKEEPING_TABLES))})
                    or (
                        t.relname = any ({by_columns})
                        and (
                            select
                                t.relname::text || ' '
                                || pg_catalog.string_agg(own.attname::text, ' ' order by own.attname::text collate "C")
                            from pg_catalog.pg_attribute as own
                            where own.attrelid = t.oid and own.attnum > 0 and not own.attisdropped
                        ) = any ({known})
                    )
            """


def _look(ignored_schemas: Sequence[str]) -> str:
    return f"""
with spaces as materialized (
    select ns.oid, {always_quoted("ns.nspname")} as name, ({left_out(ignored_schemas)}) as left_out
    from pg_catalog.pg_namespace as ns
),
objects as (
    select ns.tableoid, ns.oid, ns.oid as schema, ns.nspname as name, 0 as width
    from pg_catalog.pg_namespace as ns
    union all
    select c.tableoid, c.oid, c.relnamespace, c.relname, c.relnatts
    from pg_catalog.pg_class as c
    where c.relnamespace in (select s.oid from spaces as s where not s.left_out)
    union all
    select f.tableoid, f.oid, f.pronamespace, f.proname, 0
    from pg_catalog.pg_proc as f
    where f.pronamespace in (select s.oid from spaces as s where not s.left_out)
    union all
    select t.tableoid, t.oid, t.typnamespace, t.typname, 0
    from pg_catalog.pg_type as t
    where t.typnamespace in (select s.oid from spaces as s where not s.left_out)
)
select
    o.tableoid::pg_catalog.regclass::text as catalog,
    o.oid::pg_catalog.int8 as oid,
    s.name as schema,
    {always_quoted("o.name")} as name,
    o.width::pg_catalog.int8 as width,
    s.left_out,
    m.objid is not null as member,
    (
        o.tableoid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and o.oid in ({bookkeeping()})
    ) as bookkeeping
from objects as o
inner join spaces as s on o.schema = s.oid
left join pg_catalog.pg_depend as m
    on
        o.tableoid = m.classid
        and o.oid = m.objid
        and m.deptype = 'e'
        and m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
limit $1
"""
