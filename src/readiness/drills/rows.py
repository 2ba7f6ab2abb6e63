"""Rows to lose: a few in every empty table of a scratch database, and what became of them.

A migration that was only ever tried on empty tables is not tried: a column that it forgets comes back empty, a NOT NULL
that it adds fails on the first row. Values differ from row to row and, where the table lets them, from the defaults, so
that a column that is dropped and made again with its default is told from one that was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg import sql

ROWS = 3

_COLUMNS = """
select
    c.oid::regclass::text as table_name, a.attname as name, a.attnum as number,
    pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), coalesce(nullif(t.typtypmod, -1), a.atttypmod)) as type,
    b.typname as base, b.typtype as form, b.typcategory as category,
    case when coalesce(nullif(t.typtypmod, -1), a.atttypmod) > 4 then coalesce(nullif(t.typtypmod, -1), a.atttypmod) - 4 end as length,
    a.attnotnull as not_null, a.atthasdef as has_default,
    coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ '^nextval', false) or a.attidentity <> '' as counted,
    a.attgenerated <> '' or a.attidentity = 'a' as generated,
    array(select e.enumlabel from pg_catalog.pg_enum as e where e.enumtypid = b.oid order by e.enumsortorder)::text[] as labels
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
inner join pg_catalog.pg_type as t on a.atttypid = t.oid
inner join pg_catalog.pg_type as b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
left join pg_catalog.pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by c.oid, a.attnum
"""

_REFERENCES = """
select
    k.conrelid::regclass::text as table_name, k.confrelid::regclass::text as referenced,
    array(select a.attname from pg_catalog.unnest(k.conkey) with ordinality as u (n, o)
          inner join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.n order by u.o)::text[] as columns,
    array(select a.attname from pg_catalog.unnest(k.confkey) with ordinality as u (n, o)
          inner join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.n order by u.o)::text[] as keys
from pg_catalog.pg_constraint as k
where k.contype = 'f' and k.conparentid = 0
order by k.conrelid, k.conname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    table_name: str
    name: str
    number: int
    type: str
    base: str
    form: str
    category: str
    length: int | None
    not_null: bool
    has_default: bool
    counted: bool
    generated: bool
    labels: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What became of filling the empty tables.

    Args:
        without: table -> why no row could be made for it.
    """

    tables: frozenset[str]
    without: Mapping[str, str]


def fill(session: psycopg.Connection[Any], *, but: Callable[[str], bool]) -> Filled:
    """A few rows in every table that has none, referenced tables first.

    Args:
        but: tables that are left alone (the framework's own).
    """
    session.execute("set search_path = pg_catalog")
    columns: dict[str, list[_Column]] = {}
    for row in session.execute(_COLUMNS):
        column = _Column(**dict(zip(_Column.__dataclass_fields__, row, strict=True)))
        if not but(column.table_name):
            columns.setdefault(column.table_name, []).append(column)
    references: dict[str, list[tuple[str, list[str], list[str]]]] = {}
    for table, referenced, own, keys in session.execute(_REFERENCES):
        references.setdefault(table, []).append((referenced, own, keys))
    tables: set[str] = set()
    without: dict[str, str] = {}
    for table in _in_order(list(columns), references):
        with session.transaction():
            if session.execute(f"select from {table} limit 1".encode()).fetchall():
                continue
        refusal = _fill_one(session, table, columns[table], references.get(table, []))
        if refusal is None:
            tables.add(table)
        else:
            without[table] = refusal
    session.execute("reset search_path")
    return Filled(tables=frozenset(tables), without=without)


def _in_order(tables: Sequence[str], references: Mapping[str, list[tuple[str, list[str], list[str]]]]) -> list[str]:
    """Referenced tables first; a ring is begun anywhere."""
    found: list[str] = []
    waiting: set[str] = set()

    def place(table: str) -> None:
        if table in found or table in waiting or table not in tables:
            return
        waiting.add(table)
        for referenced, _, _ in references.get(table, []):
            place(referenced)
        found.append(table)

    for table in tables:
        place(table)
    return found


def _fill_one(
    session: psycopg.Connection[Any],
    table: str,
    columns: Sequence[_Column],
    references: Sequence[tuple[str, list[str], list[str]]],
) -> str | None:
    """Rows for one table, by the first manner that it takes; why it takes none, otherwise."""
    refusal = "it has no column that can be filled"
    for manner in (_explicit, _with_defaults, _least):
        try:
            with session.transaction():
                for n in range(1, ROWS + 1):
                    values = {c.name: v for c in columns if not c.generated and (v := manner(c, n)) is not None}
                    for referenced, own, keys in references:
                        nullable = all(not c.not_null for c in columns if c.name in own)
                        if referenced == table or (manner is _least and nullable):
                            for name in own:
                                values.pop(name, None)
                            continue
                        for name, key in zip(own, keys, strict=True):
                            order = sql.SQL(", ").join(map(sql.Identifier, keys))
                            values[name] = sql.SQL(
                                "(select {} from {} order by {} offset (select ({} - 1) % greatest(count(*), 1) from {}) limit 1)"
                            ).format(
                                sql.Identifier(key), sql.SQL(referenced), order, sql.Literal(n), sql.SQL(referenced)
                            )
                    session.execute(_insert(table, values))
        except psycopg.Error as error:
            refusal = " ".join((error.diag.message_primary or str(error)).split())
        else:
            return None
    return refusal


def _insert(table: str, values: Mapping[str, sql.Composable]) -> sql.Composed:
    into = sql.SQL(table)  # quoted by the server
    if not values:
        return sql.SQL("insert into {} default values").format(into)
    return sql.SQL("insert into {} ({}) values ({})").format(
        into, sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(values.values())
    )


def _explicit(column: _Column, n: int) -> sql.Composable | None:
    return None if column.counted else _value(column, n)


def _with_defaults(column: _Column, n: int) -> sql.Composable | None:
    return None if column.has_default or column.counted else _value(column, n)


def _least(column: _Column, n: int) -> sql.Composable | None:
    return _value(column, n) if column.not_null and not column.has_default and not column.counted else None


_BY_TYPE: Mapping[str, Callable[[int], str]] = {
    "bool": lambda n: "true" if n % 2 else "false",
    "uuid": lambda n: f"00000000-0000-4000-8000-{n:012d}",
    "json": lambda n: f'{{"row": {n}}}',
    "jsonb": lambda n: f'{{"row": {n}}}',
    "bytea": lambda n: f"\\x{n:02x}",
    "inet": lambda n: f"192.0.2.{n}",
    "cidr": lambda n: f"192.0.2.{n}/32",
    "macaddr": lambda n: f"08:00:2b:01:02:{n:02x}",
    "interval": lambda n: f"{n} days",
    "time": lambda n: f"10:00:{n:02d}",
    "timetz": lambda n: f"10:00:{n:02d}+00",
    "xml": lambda n: f"<row n='{n}'/>",
    "tsvector": lambda n: f"row{n}",
    "point": lambda n: f"({n},{n})",
    "money": str,
    "oid": str,
}
# A later column holds a later moment: what ends comes after what begins.
_MOMENTS: Mapping[str, str] = {
    "date": "%Y-%m-%d",
    "timestamp": "%Y-%m-%d 10:00:00.123456",
    "timestamptz": "%Y-%m-%d 10:00:00.123456+00",
}


def _value(column: _Column, n: int) -> sql.Composable | None:
    """The n-th row's value, as a literal of the column's type; None where none is known."""
    text: str | None
    if column.form == "e":
        text = column.labels[(n - 1) % len(column.labels)] if column.labels else None
    elif column.form in ("r", "m"):
        text = "empty" if column.form == "r" else "{}"
    elif column.category == "A":
        text = "{}"
    elif column.base in _MOMENTS:
        moment = date(2025, 1, 1) + timedelta(days=100 * column.number + n)
        text = moment.strftime(_MOMENTS[column.base])
    elif column.base in _BY_TYPE:
        text = _BY_TYPE[column.base](n)
    elif column.category == "N":
        text = str(n)
    elif column.category == "V":
        text = None if column.base not in ("bit", "varbit") else "0"
    elif column.category == "S":
        text = f"row {n}"[: column.length] if (column.length or 9) >= 5 else str(n)[: column.length]
    else:
        text = None
    if text is None:
        return None
    return sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(column.type))


# -- what became of them ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A table's rows, as sums that do not depend on their order.

    Args:
        columns: column -> the sum over its values.
        whole: the sum over whole rows.
    """

    rows: int
    columns: Mapping[str, str]
    whole: str


def contents(session: psycopg.Connection[Any], *, but: Callable[[str], bool]) -> dict[str, Content]:
    """What every table holds."""
    with session.transaction():
        session.execute(
            "select set_config(name, value, true) from (values ('search_path', 'pg_catalog'), ('timezone', 'UTC'), "
            "('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'), ('extra_float_digits', '1'), ('bytea_output', 'hex')) "
            "as s (name, value)"
        )
        tables: dict[str, list[str]] = {}
        for row in session.execute(_COLUMNS):
            if not but(row[0]):
                tables.setdefault(row[0], []).append(row[1])
        found = {}
        for table, names in tables.items():
            sums = sql.SQL(", ").join(
                sql.SQL("sum(hashtextextended(row({})::text, 0))::text").format(sql.Identifier(name)) for name in names
            )
            everything = sql.SQL(", ").join(sql.Identifier(name) for name in sorted(names))
            row = session.execute(
                sql.SQL("select count(*), sum(hashtextextended(row({})::text, 0))::text, {} from {}").format(
                    everything,
                    sums,
                    sql.SQL(table),
                )
            ).fetchone()
            assert row is not None
            found[table] = Content(rows=row[0], whole=row[1], columns=dict(zip(names, row[2:], strict=True)))
        return found


def losses(before: Mapping[str, Content], after: Mapping[str, Content]) -> list[str]:
    """What is not as it was, in words; a table that is gone is the schema's to tell, its rows are told here."""
    told = []
    for table, was in before.items():
        now = after.get(table)
        if now is None:
            told += [f"{table}: the table is gone, with {was.rows} rows"] if was.rows else []
        elif now.rows < was.rows:
            told.append(f"{table}: {was.rows - now.rows} of {was.rows} rows are lost")
        elif now.rows > was.rows:
            told.append(f"{table}: {now.rows - was.rows} rows more than before")
        else:
            changed = [name for name, total in was.columns.items() if now.columns.get(name, total) != total]
            told += [f"{table}.{name}: the values are not what they were" for name in changed]
            if not changed and set(was.columns) == set(now.columns) and was.whole != now.whole:
                told.append(f"{table}: the rows are put together otherwise")
    return told
