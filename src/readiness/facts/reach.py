"""Whose tables a service's role may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness.facts.postgres import Postgres
from readiness.facts.target import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A table that a role may change.

    Args:
        owner: the service that the profile gives it to; None where it gives it to none.
        granted: whether the right was granted to the role itself, so that it can be taken from it.
    """

    quoted: str
    owner: str | None
    granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What one role may change."""

    superuser: bool
    tables: tuple[Reached, ...]


@dataclass(frozen=True, slots=True)
class Reaches:
    """Role -> what it may change among the tables that services own; a role that is not there is left out."""

    by_role: Mapping[str, Reach]

    @classmethod
    def take(cls, postgres: Postgres, services: Services) -> Self:
        roles = sorted({s.role for s in services.by_name.values() if s.role and s.uses_postgres})
        schemas = {schema: name for name, s in services.by_name.items() for schema in s.schemas}
        tables = {table: name for name, s in services.by_name.items() for table in s.tables}
        if not roles:
            return cls({})
        rows = postgres.rows(_REACH, (roles, [*schemas], [*tables]), marker="reach")
        found: dict[str, Reach] = {}
        for row in rows:
            seen = found.get(row["role"], Reach(superuser=row["superuser"], tables=()))
            own: tuple[Reached, ...] = ()
            if row["quoted"] is not None:
                named = next((tables[t] for t in (row["quoted"], row["plain"]) if t in tables), None)
                owner = named or schemas.get(row["schema"])
                own = (Reached(quoted=row["quoted"], owner=owner, granted=row["granted"]),)
            found[row["role"]] = Reach(superuser=seen.superuser, tables=seen.tables + own)
        return cls(found)


_REACH = """
with owned as (
    select
        c.oid,
        c.relacl,
        ns.nspname::text as schema,
        pg_catalog.format('%I.%I', ns.nspname, c.relname) as quoted,
        pg_catalog.format('"%s"."%s"', ns.nspname, c.relname) as plain,
        ns.oid as nsoid
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where
        c.relkind in ('r', 'p', 'f')
        and not c.relispartition
        and (
            ns.nspname::text = any ($2::text[])
            or pg_catalog.format('%I.%I', ns.nspname, c.relname) = any ($3::text[])
            or pg_catalog.format('"%s"."%s"', ns.nspname, c.relname) = any ($3::text[])
        )
)
select
    r.rolname::text as role,
    r.rolsuper as superuser,
    o.schema,
    o.quoted,
    o.plain,
    coalesce(
        (
            select pg_catalog.bool_or(a.grantee = r.oid)
            from pg_catalog.aclexplode(o.relacl) as a
            where a.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
        ),
        false
    ) as granted
from pg_catalog.pg_roles as r
left join owned as o
    on
        pg_catalog.has_schema_privilege(r.oid, o.nsoid, 'usage')
        and pg_catalog.has_table_privilege(r.oid, o.oid, 'insert, update, delete, truncate')
where r.rolname = any ($1::text[])
order by r.rolname, o.quoted
"""
