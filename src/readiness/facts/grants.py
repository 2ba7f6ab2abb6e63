"""Privileges as they were granted, read from the access lists: what `readiness init` writes and security/privilege-differs compares.

Names, owners and access lists stand in the catalog, which every role may read; nothing waits behind a lock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from readiness.authoring import Unobservable
from readiness.facts.bookkeeping import BOOKKEEPING_TABLES
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.definitions import NOT_OF_AN_EXTENSION
from readiness.facts.postgres import Postgres
from readiness.model import Reason, quote_ident
from readiness.profile import PRIVILEGES, Privilege, Schema

Key: TypeAlias = tuple[str, str, str]
"""Kind, schema and name of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One privilege that was granted to somebody.

    Args:
        role: None is PUBLIC.
        column: None where it holds for the whole object.
        grantor: who gave it; a superuser gives as the owner.
    """

    role: str | None
    privilege: str
    column: str | None = None
    grantable: bool = False
    grantor: str | None = None

    def implies(self, other: Grant) -> bool:
        """Whether who has this one has the other, too."""
        return (
            (self.role, self.privilege) == (other.role, other.privilege)
            and self.column in (None, other.column)
            and (self.grantable or not other.grantable)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedObject:
    """An object with what is granted on it.

    Args:
        kind: as a profile has it: schema, table, partition, view (also a materialized one, or a foreign table), sequence,
            function.
        name: as a profile has it.
        quoted: with its schema; functions with the types of their arguments.
        grants: what others than the owner hold.
        default: what PUBLIC holds on a new object of the kind.
        part_of: schema and name of the partitioned table at the top, of a partition.
    """

    kind: str
    schema: str
    name: str
    quoted: str
    owner: str
    grants: tuple[Grant, ...]
    default: tuple[Grant, ...]
    part_of: tuple[str, str] | None = None

    @property
    def granted_as(self) -> str:
        """The kind of object that GRANT takes it for; its privileges are this one's."""
        return "table" if self.kind in ("partition", "view") else self.kind

    @property
    def key(self) -> Key:
        return self.kind, self.schema, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What is granted in the schemas that the profile declares, and what is declared to be.

    Args:
        declared: kind, schema and name of an object -> role -> what it is declared to hold.
        objects: schemas, tables with their partitions, views, sequences and functions, without the extensions' own and
            migration bookkeeping.
        known: kind -> the privileges that this server knows of it.
        roles: of the roles that are declared to hold something those that exist.
        columns: (schema, relation, column), of the columns that are declared to be granted those that exist.

    Raises, when taken:
        Unobservable: the profile doesn't say of any object what is granted on it.
    """

    declared: Mapping[Key, Mapping[str, tuple[Privilege, ...]]]
    objects: tuple[GrantedObject, ...]
    known: Mapping[str, frozenset[str]]
    roles: frozenset[str]
    columns: frozenset[tuple[str, str, str]]

    @classmethod
    def take(cls, postgres: Postgres, canonical: CanonicalSchema) -> Self:
        declared = {key: given for name, schema in canonical.schemas.items() for key, given in _declared(name, schema)}
        if canonical.schemas and not declared:
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                "the profile doesn't say what is granted to whom",
                "declare `grants:` of the schemas, tables, views, sequences and functions in the profile (`readiness init` "
                "writes what is there)",
            )
        roles = sorted({role for given in declared.values() for role in given})
        columns = sorted({c for given in declared.values() for held in given.values() for p in held for c in p.columns})
        names = sorted(canonical.schemas)
        found = postgres.rows(_ROLES, (roles,), marker="grants")
        there = postgres.rows(_COLUMNS, (names, columns), marker="grants") if columns else []
        return cls(
            declared=declared,
            objects=read_grants(postgres, names),
            known=privileges(postgres),
            roles=frozenset(row["name"] for row in found),
            columns=frozenset((row["schema"], row["relation"], row["name"]) for row in there),
        )


def _declared(name: str, schema: Schema) -> Iterator[tuple[Key, Mapping[str, tuple[Privilege, ...]]]]:
    if "grants" in schema.model_fields_set:
        yield ("schema", name, name), schema.grants
    for table, said in schema.tables.items():
        if said is not None and "grants" in said.model_fields_set:
            yield ("table", name, table), said.grants
    yield from ((("partition", name, partition), said.grants) for partition, said in schema.partitions.items())
    yield from ((("view", name, view), said.grants) for view, said in schema.views.items())
    yield from ((("sequence", name, sequence), said.grants) for sequence, said in schema.sequences.items())
    yield from ((("function", name, function), said.grants) for function, said in schema.functions.items())


def phrased(given: Iterable[Grant], known: Collection[str]) -> list[str]:
    """What one role holds of an object, or may pass on, as GRANT says it: `all`, or `select`, `update (id, email)`.

    Args:
        known: all privileges of its kind.
    """
    of_all = {g.privilege for g in given if g.column is None}
    by_columns: dict[str, list[str]] = {}
    for g in given:
        if g.column is not None:
            by_columns.setdefault(g.privilege, []).append(quote_ident(g.column))
    words = ["all"] if len(known) > 1 and of_all >= set(known) else sorted(of_all, key=_place)
    return words + [f"{word} ({', '.join(by_columns[word])})" for word in sorted(by_columns, key=_place)]


_ORDER = tuple(dict.fromkeys(word for kind in ("table", "schema", "function") for word in PRIVILEGES[kind]))


def _place(privilege: str) -> tuple[int, str]:
    return _ORDER.index(privilege) if privilege in _ORDER else len(_ORDER), privilege


def privileges(postgres: Postgres) -> dict[str, frozenset[str]]:
    """Kind -> all privileges that this server knows of it: what an owner has from the beginning."""
    found: dict[str, set[str]] = {}
    for row in postgres.rows(_KNOWN, marker="grants"):
        found.setdefault(row["kind"], set()).add(row["privilege"])
    return {kind: frozenset(words) for kind, words in found.items()}


def read_grants(postgres: Postgres, schemas: Collection[str]) -> tuple[GrantedObject, ...]:
    """The objects in these schemas, kind by kind, in the order of their names.

    Raises:
        Unobservable: as `Postgres.rows`.
    """
    if not schemas:
        return ()
    rows = postgres.rows(_GRANTS, (sorted(schemas), sorted(BOOKKEEPING_TABLES)), marker="grants")
    return tuple(_object(row) for row in rows)


def _object(row: Mapping[str, Any]) -> GrantedObject:
    return GrantedObject(
        kind=row["kind"],
        schema=row["schema"],
        name=row["name"],
        quoted=row["quoted"],
        owner=row["owner"],
        grants=tuple(
            Grant(role=role, privilege=privilege, column=column, grantable=grantable, grantor=grantor)
            for role, privilege, column, grantable, grantor in json.loads(row["grants"] or "[]")
        ),
        default=(Grant(role=None, privilege="execute"),) if row["kind"] == "function" else (),
        part_of=(row["top_schema"], row["top"]) if row["top"] is not None else None,
    )


# An access list that is null stands for the default, which acldefault() writes out. A partition is counted to the schema of
# its topmost table, since that one's declaration is what it is held against.
_GRANTS = f"""
with space as (
    select ns.oid, ns.nspname, ns.nspowner, ns.nspacl
    from pg_catalog.pg_namespace as ns
    where ns.nspname = any ($1::text[])
),
object as (
    select
        1 as place,
        'schema' as kind,
        s.oid,
        s.nspname::text as schema,
        s.nspname::text as name,
        pg_catalog.quote_ident(s.nspname) as quoted,
        null::text as top_schema,
        null::text as top,
        s.nspowner as owner,
        coalesce(s.nspacl, pg_catalog.acldefault('n', s.nspowner)) as acl
    from space as s
    union all
    select
        case when c.relkind in ('r', 'p') then 2 when c.relkind = 'S' then 4 else 3 end,
        case
            when c.relispartition then 'partition'
            when c.relkind in ('r', 'p') then 'table'
            when c.relkind = 'S' then 'sequence'
            else 'view'
        end,
        c.oid,
        ns.nspname::text,
        c.relname::text,
        pg_catalog.format('%I.%I', ns.nspname, c.relname),
        case when top.oid is not null then s.nspname::text end,
        top.relname::text,
        c.relowner,
        coalesce(c.relacl, pg_catalog.acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    left join pg_catalog.pg_class as top
        on case when c.relispartition then pg_catalog.pg_partition_root(c.oid)::oid end = top.oid
    inner join space as s on coalesce(top.relnamespace, c.relnamespace) = s.oid
    where
        c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        and c.relpersistence <> 't'
        and c.relname <> all ($2::text[])
        and {NOT_OF_AN_EXTENSION.format(catalog="pg_class", oid="c.oid")}
        and not exists (
            select
            from pg_catalog.pg_depend as d
            inner join pg_catalog.pg_class as t on d.refobjid = t.oid
            where
                c.relkind = 'S'
                and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and d.objid = c.oid
                and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and d.deptype in ('a', 'i')
                and t.relname = any ($2::text[])
        )
    union all
    select
        5,
        'function',
        f.oid,
        s.nspname::text,
        pg_catalog.format('%I(%s)', f.proname, f.arguments),
        pg_catalog.format('%I.%I(%s)', s.nspname, f.proname, f.arguments),
        null,
        null,
        f.proowner,
        coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))
    from (
        select
            p.*,
            (
                select pg_catalog.string_agg(pg_catalog.format_type(a.type, null), ', ' order by a.place)
                from pg_catalog.unnest(p.proargtypes) with ordinality as a (type, place)
            ) as arguments
        from pg_catalog.pg_proc as p
    ) as f
    inner join space as s on f.pronamespace = s.oid
    where
        {NOT_OF_AN_EXTENSION.format(catalog="pg_proc", oid="f.oid")}
        and not exists ( -- what a range type made for itself comes and goes with it
            select
            from pg_catalog.pg_depend as d
            where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = f.oid and d.deptype = 'i'
        )
),
given as (
    select o.place, o.oid, null::text as column_name, x.*
    from object as o
    cross join lateral pg_catalog.aclexplode(o.acl) as x
    where x.grantee <> o.owner
    union all
    select o.place, o.oid, a.attname::text, x.*
    from pg_catalog.pg_attribute as a
    inner join object as o on a.attrelid = o.oid and o.place between 2 and 4
    cross join lateral pg_catalog.aclexplode(a.attacl) as x
    where a.attacl is not null and a.attnum > 0 and not a.attisdropped and x.grantee <> o.owner
),
listed as (
    select
        g.place,
        g.oid,
        pg_catalog.json_agg(
            pg_catalog.json_build_array(
                case when g.grantee <> 0 then pg_catalog.pg_get_userbyid(g.grantee) end,
                pg_catalog.lower(g.privilege_type),
                g.column_name,
                g.is_grantable,
                pg_catalog.pg_get_userbyid(g.grantor)
            ) order by pg_catalog.pg_get_userbyid(g.grantee) collate "C", g.privilege_type, g.column_name collate "C", g.grantor
        ) as grants
    from given as g
    group by g.place, g.oid
)
select
    o.kind,
    o.schema,
    o.name,
    o.quoted,
    o.top_schema,
    o.top,
    pg_catalog.pg_get_userbyid(o.owner)::text as owner,
    l.grants
from object as o
left join listed as l on o.place = l.place and o.oid = l.oid
order by o.place, o.quoted collate "C"
"""

_KNOWN = """
select distinct k.kind, pg_catalog.lower(x.privilege_type) as privilege
from (values ('schema', 'n'), ('table', 'r'), ('sequence', 's'), ('function', 'f')) as k (kind, letter)
cross join lateral pg_catalog.aclexplode(pg_catalog.acldefault(k.letter::"char", 10)) as x
"""

_ROLES = "select r.rolname::text as name from pg_catalog.pg_roles as r where r.rolname = any ($1::text[])"

_COLUMNS = """
select ns.nspname::text as schema, c.relname::text as relation, a.attname::text as name
from pg_catalog.pg_attribute as a
inner join pg_catalog.pg_class as c on a.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    ns.nspname = any ($1::text[])
    and a.attname = any ($2::text[])
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and a.attnum > 0
    and not a.attisdropped
"""
