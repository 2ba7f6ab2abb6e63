"""What a database holds, for a first profile: application tables with their columns, login roles at work, histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness.facts.bookkeeping import BOOKKEEPING_TABLES, MigrationHistories
from readiness.facts.postgres import Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundColumn:
    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRole:
    """A role that holds sessions in this database now."""

    name: str
    sessions: int
    superuser: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Schema -> table -> columns, of application tables; the roles at work; the migration histories."""

    schemas: Mapping[str, Mapping[str, tuple[FoundColumn, ...]]]
    roles: tuple[FoundRole, ...]
    histories: MigrationHistories

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        schemas: dict[str, dict[str, tuple[FoundColumn, ...]]] = {}
        for row in postgres.rows(_TABLES, (sorted(BOOKKEEPING_TABLES),), marker="inventory"):
            columns = zip(row["columns"], row["types"], row["nullables"], strict=True)
            schemas.setdefault(row["schema"], {})[row["name"]] = tuple(
                FoundColumn(name=name, type=kind, nullable=nullable) for name, kind, nullable in columns
            )
        roles = (
            FoundRole(name=row["name"], sessions=row["sessions"], superuser=row["superuser"])
            for row in postgres.rows(_ROLES, marker="inventory")
        )
        return cls(schemas=schemas, roles=tuple(roles), histories=MigrationHistories.take(postgres))


_TABLES = """
select
    ns.nspname::text as schema,
    c.relname::text as name,
    pg_catalog.array_agg(a.attname::text order by a.attnum) as columns,
    pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) order by a.attnum) as types,
    pg_catalog.array_agg(not a.attnotnull order by a.attnum) as nullables
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relpersistence <> 't'
    and ns.nspname !~ '^pg_'
    and ns.nspname <> 'information_schema'
    and c.relname <> all ($1::text[])
    and not exists (
        select
        from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
    )
group by ns.nspname, c.relname
order by ns.nspname, c.relname
"""

_ROLES = """
select r.rolname::text as name, pg_catalog.count(*) as sessions, r.rolsuper as superuser
from pg_catalog.pg_stat_activity as s
inner join pg_catalog.pg_roles as r on s.usesysid = r.oid
where s.datname = pg_catalog.current_database() and s.pid <> pg_catalog.pg_backend_pid()
group by r.rolname, r.rolsuper
order by r.rolname
"""
