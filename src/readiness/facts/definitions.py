"""Schemas as they are defined, in the words of a profile: what `readiness init` writes and the conformance checks compare.

Expressions are as the server deparses them with only pg_catalog on the search path, so that every name is qualified.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from readiness.facts.bookkeeping import BOOKKEEPING_TABLES
from readiness.facts.locks import around_locks
from readiness.facts.own import is_own
from readiness.facts.postgres import Postgres, Row
from readiness.facts.target import Target

RowSecurity = Literal["off", "on", "forced"]
Identity = Literal["always", "by default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedColumn:
    """A column. Every text as the profile's `Column` has it."""

    type: str
    nullable: bool
    default: str | None
    generated: str | None
    identity: Identity | None
    collation: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedTable:
    """A table.

    Args:
        constraints: name -> pg_get_constraintdef(); NOT NULL belongs to the columns.
        indexes: name -> what pg_get_indexdef() writes behind the table, after UNIQUE; those of constraints left out.
        primary_key: its columns.
        locked: a DDL statement stood before it: columns, constraints and indexes were not read.
    """

    schema: str
    name: str
    quoted: str
    owner: str
    comment: str | None
    partitioned: bool
    row_security: RowSecurity
    columns: Mapping[str, DefinedColumn] = field(default_factory=dict)
    constraints: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedSchema:
    name: str
    owner: str
    comment: str | None
    enums: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, DefinedTable]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedExtension:
    schema: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What is defined in the schemas that the profile declares, and what else there is by name.

    Args:
        schemas: the declared ones that are there.
        other_schemas: quoted names of the others, without the system's, the ignored and the extensions' own.
        roles: of the declared owners those that exist.
    """

    schemas: Mapping[str, DefinedSchema]
    other_schemas: tuple[str, ...]
    extensions: Mapping[str, DefinedExtension]
    roles: frozenset[str]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        declared = target.profile.schemas
        owners = {s.owner for s in declared.values()} | {
            t.owner for s in declared.values() for t in s.tables.values() if t
        }
        there = postgres.rows(_SCHEMAS, marker="definitions")
        named = sorted({row["name"] for row in there} & set(declared))
        left_out = {*declared, *target.ignored_schemas}
        others = (r["quoted"] for r in there if r["name"] not in left_out and not r["own"])
        return cls(
            schemas=read_schemas(postgres, [row for row in there if row["name"] in named]),
            other_schemas=tuple(others),
            extensions=read_extensions(postgres),
            roles=frozenset(
                row["name"] for row in postgres.rows(_ROLES, (sorted(o for o in owners if o),), marker="definitions")
            ),
        )


_WORDS = re.compile(
    r"""(?P<kept>"(?:[^"]|"")*"|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')|(?P<space>\s+)|(?P<other>[^\s"']+)"""
)


def same_text(declared: str | None, live: str | None) -> bool:
    """Whether two deparsed texts are one, but for capitals and spaces outside quotes."""
    return _plain(declared) == _plain(live)


def _plain(text: str | None) -> str | None:
    if text is None:
        return None
    words = _WORDS.finditer(text.strip())
    return "".join(w.group() if w["kept"] else " " if w["space"] else w.group().lower() for w in words)


def all_schemas(postgres: Postgres) -> dict[str, DefinedSchema]:
    """Every schema of the application, in the order of their names; what is our own there is left out.

    Raises:
        Unobservable: as `Postgres.rows`.
    """
    there = postgres.rows(_SCHEMAS, marker="definitions")
    return read_schemas(postgres, [row for row in there if not row["own"]])


def read_extensions(postgres: Postgres) -> dict[str, DefinedExtension]:
    rows = postgres.rows(_EXTENSIONS, marker="definitions")
    return {row["name"]: DefinedExtension(schema=row["schema"], version=row["version"]) for row in rows}


def read_schemas(postgres: Postgres, there: Sequence[Row]) -> dict[str, DefinedSchema]:
    """The definitions of the schemas in rows of `_SCHEMAS`."""
    names = [row["name"] for row in there]
    tables = postgres.rows(_TABLES, (names, sorted(BOOKKEEPING_TABLES)), marker="definitions") if names else []
    enums: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in postgres.rows(_ENUMS, (names,), marker="definitions") if names else []:
        enums.setdefault(row["schema"], {})[row["name"]] = tuple(row["labels"])
    oids = [row["oid"] for row in tables]
    locked: set[int] = set()

    def of_tables(statement: str) -> dict[int, list[Row]]:
        rows, held = around_locks(
            postgres,
            lambda asked: postgres.rows(statement, (asked,), marker="definitions"),
            oids,
            marker="definitions",
        )
        locked.update(held)
        return _by_table(rows)

    columns, constraints, indexes = of_tables(_COLUMNS), of_tables(_CONSTRAINTS), of_tables(_INDEXES)
    found: dict[str, dict[str, DefinedTable]] = {}
    for row in tables:
        oid = row["oid"]
        own = constraints.get(oid, [])
        found.setdefault(row["schema"], {})[row["name"]] = DefinedTable(
            schema=row["schema"],
            name=row["name"],
            quoted=row["quoted"],
            owner=row["owner"],
            comment=row["comment"],
            partitioned=row["partitioned"],
            row_security=row["row_security"],
            columns={c["name"]: _column(c) for c in columns.get(oid, [])},
            constraints={c["name"]: c["definition"] for c in own},
            indexes={i["name"]: i["definition"] for i in indexes.get(oid, [])},
            primary_key=next((tuple(c["columns"]) for c in own if c["is_primary"]), ()),
            locked=oid in locked,
        )
    return {
        row["name"]: DefinedSchema(
            name=row["name"],
            owner=row["owner"],
            comment=row["comment"],
            enums=enums.get(row["name"], {}),
            tables=found.get(row["name"], {}),
        )
        for row in there
    }


def _by_table(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row["relid"], []).append(row)
    return found


def _column(row: Mapping[str, Any]) -> DefinedColumn:
    return DefinedColumn(
        type=row["type"],
        nullable=row["nullable"],
        default=row["expression"] if not row["generated"] else None,
        generated=row["expression"] if row["generated"] else None,
        identity=row["identity"],
        collation=row["collation"],
        comment=row["comment"],
    )


NOT_OF_AN_EXTENSION = """not exists (
        select
        from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass and d.objid = {oid} and d.deptype = 'e'
    )"""

_SCHEMAS = f"""
select
    ns.nspname::text as name,
    pg_catalog.quote_ident(ns.nspname) as quoted,
    pg_catalog.pg_get_userbyid(ns.nspowner)::text as owner,
    pg_catalog.obj_description(ns.oid, 'pg_namespace') as comment,
    {is_own()} as own
from pg_catalog.pg_namespace as ns
where
    ns.nspname !~ '^pg_'
    and ns.nspname <> 'information_schema'
    and {NOT_OF_AN_EXTENSION.format(catalog="pg_namespace", oid="ns.oid")}
order by ns.nspname
"""

_TABLES = f"""
select
    c.oid::int8 as oid,
    ns.nspname::text as schema,
    c.relname::text as name,
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as quoted,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
    pg_catalog.obj_description(c.oid, 'pg_class') as comment,
    c.relkind = 'p' as partitioned,
    case when not c.relrowsecurity then 'off' when c.relforcerowsecurity then 'forced' else 'on' end as row_security
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    ns.nspname = any ($1::text[])
    and c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relname <> all ($2::text[])
    and {NOT_OF_AN_EXTENSION.format(catalog="pg_class", oid="c.oid")}
order by ns.nspname, c.relname
"""

_COLUMNS = """
select
    a.attrelid::int8 as relid,
    a.attname::text as name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
    not a.attnotnull as nullable,
    pg_catalog.pg_get_expr(def.adbin, def.adrelid) as expression,
    a.attgenerated <> '' as generated,
    case a.attidentity when 'a' then 'always' when 'd' then 'by default' end as identity,
    case
        when a.attcollation <> t.typcollation then pg_catalog.format('%I.%I', coll_ns.nspname, coll.collname)
    end as collation,
    d.description as comment
from pg_catalog.pg_attribute as a
inner join pg_catalog.pg_type as t on a.atttypid = t.oid
left join pg_catalog.pg_attrdef as def on a.attrelid = def.adrelid and a.attnum = def.adnum
left join pg_catalog.pg_collation as coll on a.attcollation = coll.oid
left join pg_catalog.pg_namespace as coll_ns on coll.collnamespace = coll_ns.oid
left join pg_catalog.pg_description as d
    on a.attrelid = d.objoid and a.attnum = d.objsubid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""

# A key to a partitioned table has a copy for each of its partitions, with conparentid.
_CONSTRAINTS = """
select
    con.conrelid::int8 as relid,
    con.conname::text as name,
    pg_catalog.pg_get_constraintdef(con.oid) as definition,
    con.contype = 'p' as is_primary,
    array(
        select att.attname::text
        from pg_catalog.pg_attribute as att
        where con.contype = 'p' and att.attrelid = con.conrelid and att.attnum = any (con.conkey)
        order by att.attnum
    ) as columns
from pg_catalog.pg_constraint as con
where con.conrelid = any ($1::oid[]) and con.contype in ('p', 'u', 'f', 'c', 'x') and con.conparentid = 0
order by con.conrelid, con.conname
"""

# What stands before USING is known, so that it can be cut off: pg_get_indexdef() quotes names as format() does.
_INDEXES = """
select
    ix.indrelid::int8 as relid,
    ic.relname::text as name,
    case when ix.indisunique then 'UNIQUE ' else '' end || pg_catalog.substr(
        pg_catalog.pg_get_indexdef(ix.indexrelid),
        1 + pg_catalog.length(
            pg_catalog.format(
                'CREATE %sINDEX %I ON %s%I.%I ',
                case when ix.indisunique then 'UNIQUE ' else '' end,
                ic.relname,
                case when ic.relkind = 'I' then 'ONLY ' else '' end,
                ns.nspname,
                c.relname
            )
        )
    ) as definition
from pg_catalog.pg_index as ix
inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
inner join pg_catalog.pg_class as c on ix.indrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    ix.indrelid = any ($1::oid[])
    and not exists (
        select
        from pg_catalog.pg_constraint as con
        where con.conindid = ix.indexrelid and con.contype in ('p', 'u', 'x')
    )
order by ix.indrelid, ic.relname
"""

_ENUMS = f"""
select
    ns.nspname::text as schema,
    t.typname::text as name,
    array(
        select e.enumlabel::text
        from pg_catalog.pg_enum as e
        where e.enumtypid = t.oid
        order by e.enumsortorder
    ) as labels
from pg_catalog.pg_type as t
inner join pg_catalog.pg_namespace as ns on t.typnamespace = ns.oid
where
    t.typtype = 'e'
    and ns.nspname = any ($1::text[])
    and {NOT_OF_AN_EXTENSION.format(catalog="pg_type", oid="t.oid")}
order by ns.nspname, t.typname
"""

_EXTENSIONS = """
select ext.extname::text as name, ns.nspname::text as schema, ext.extversion as version
from pg_catalog.pg_extension as ext
inner join pg_catalog.pg_namespace as ns on ext.extnamespace = ns.oid
order by ext.extname
"""

_ROLES = "select r.rolname::text as name from pg_catalog.pg_roles as r where r.rolname = any ($1::text[])"
