"""Where migration frameworks keep their history in the database, and what it says.

Table and column names are each framework's own (their documentation and sources, as of 2026); `schema_migrations` is
used by several and told apart by its columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.model import Reason, quote_ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One framework's history table.

    Args:
        table: its default name; users may rename the table, and its columns still tell.
        columns: what it must have; together with the name they decide.
        query: yields `name` and `state` (applied, failed, reverted) of each migration, oldest first; {} is the table.
        exclusive: columns that another framework of the same table name would have.
    """

    name: str
    table: str
    columns: frozenset[str]
    query: str
    exclusive: frozenset[str] = frozenset()


def _framework(name: str, table: str, columns: str, query: str, exclusive: str = "") -> Framework:
    return Framework(
        name=name, table=table, columns=frozenset(columns.split()), query=query, exclusive=frozenset(exclusive.split())
    )


FRAMEWORKS: tuple[Framework, ...] = (
    _framework(
        "node-pg-migrate",
        "pgmigrations",
        "id name run_on",
        "select name, 'applied' as state from {} order by run_on, id",
    ),
    _framework(
        "knex",
        "knex_migrations",
        "id name batch migration_time",
        "select name, 'applied' as state from {} order by id",
    ),
    _framework("typeorm", "migrations", "id timestamp name", "select name, 'applied' as state from {} order by id"),
    _framework(
        "prisma",
        "_prisma_migrations",
        "id checksum finished_at migration_name rolled_back_at started_at",
        "select migration_name as name, case when rolled_back_at is not null then 'reverted' "
        "when finished_at is null then 'failed' else 'applied' end as state from {} order by started_at",
    ),
    _framework(
        "alembic", "alembic_version", "version_num", "select version_num as name, 'applied' as state from {} order by 1"
    ),
    _framework(
        "django",
        "django_migrations",
        "id app name applied",
        "select app || '.' || name as name, 'applied' as state from {} order by id",
    ),
    _framework(
        "golang-migrate",
        "schema_migrations",
        "version dirty",
        "select version::text as name, case when dirty then 'failed' else 'applied' end as state from {} order by version",
    ),
    _framework(
        "ecto",
        "schema_migrations",
        "version inserted_at",
        "select version::text as name, 'applied' as state from {} order by version",
    ),
    _framework(
        "dbmate or rails",
        "schema_migrations",
        "version",
        "select version::text as name, 'applied' as state from {} order by version",
        exclusive="dirty inserted_at",
    ),
    _framework(
        "goose",
        "goose_db_version",
        "id version_id is_applied",
        "select version_id::text as name, case when is_applied then 'applied' else 'reverted' end as state "
        "from (select distinct on (version_id) * from {} order by version_id, id desc) as latest "
        "where version_id > 0 order by version_id",
    ),
    _framework(
        "flyway",
        "flyway_schema_history",
        "installed_rank version script checksum success",
        "select script as name, case when success then 'applied' else 'failed' end as state from {} "
        "order by installed_rank",
    ),
    _framework(
        "liquibase",
        "databasechangelog",
        "id author filename orderexecuted exectype md5sum",
        "select filename || '::' || id || '::' || author as name, "
        "case when exectype = 'FAILED' then 'failed' else 'applied' end as state from {} order by orderexecuted",
    ),
    _framework("sequelize", "SequelizeMeta", "name", "select name, 'applied' as state from {} order by name"),
    _framework(
        "sqitch",
        "changes",
        "change_id change project committed_at",
        "select change as name, 'applied' as state from {} order by committed_at",
    ),
    _framework(
        "atlas",
        "atlas_schema_revisions",
        "version description applied total executed_at error",
        "select version as name, case when error is not null or applied < total then 'failed' else 'applied' end as state "
        "from {} order by version",
    ),
    _framework(
        "drizzle",
        "__drizzle_migrations",
        "id hash",
        "select hash as name, 'applied' as state from {} order by id",
    ),
    _framework(
        "yoyo",
        "_yoyo_migration",
        "migration_hash migration_id",
        "select migration_id as name, 'applied' as state from {} order by applied_at_utc",
    ),
    _framework(
        "diesel",
        "__diesel_schema_migrations",
        "version run_on",
        "select version as name, 'applied' as state from {} order by version",
    ),
)

# Tables that stand beside a history table.
_COMPANIONS = frozenset(
    [
        "knex_migrations_lock",
        "databasechangeloglock",
        "ar_internal_metadata",
        "_yoyo_log",
        "_yoyo_version",
        "yoyo_lock",
        "schema_info",
        "schemaversion",
        "schema_version",
        "mikro_orm_migrations",
        "sequelizemeta",
        "refinery_schema_history",
    ]
)

BOOKKEEPING_TABLES = frozenset({f.table for f in FRAMEWORKS if f.name not in ("typeorm", "sqitch")} | _COMPANIONS)
"""Names of tables that are a framework's own, not the application's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One framework's history in the database.

    Args:
        table: quoted, with its schema.
        migrations: (name, state) pairs, oldest first.
        unseen: why the rows could not be read, where only the table was seen.
    """

    framework: str
    table: str
    migrations: tuple[tuple[str, str], ...] = ()
    unseen: Unobservable | None = None

    def named(self, state: str) -> list[str]:
        return [name for name, its in self.migrations if its == state]


@dataclass(frozen=True, slots=True)
class MigrationHistories:
    """Every framework's history table that the database has."""

    found: tuple[History, ...]

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        tables = postgres.rows(_LOOK, ([f.table for f in FRAMEWORKS],), marker="migration-histories")
        found = []
        for table in tables:
            if framework := recognise(table["name"], table["columns"]):
                found.append(_read(postgres, framework, table))
        return cls(tuple(found))


def recognise(table: str, columns: Sequence[str]) -> Framework | None:
    """The framework that a table of this name and these columns belongs to."""
    have = frozenset(columns)
    for framework in FRAMEWORKS:
        if table == framework.table and framework.columns <= have and not framework.exclusive & have:
            return framework
    return None


def _read(postgres: Postgres, framework: Framework, table: Mapping[str, Any]) -> History:
    try:
        rows = postgres.rows(framework.query.replace("{}", table["quoted"]), marker="migration-histories")
    except Unobservable as unseen:
        if unseen.reason is Reason.NO_PERMISSION:
            role = quote_ident(table["role"])
            grant = f"grant usage on schema {table['schema']} to {role}; grant select on {table['quoted']} to {role};"
            unseen = Unobservable(unseen.reason, unseen.detail, grant)
        return History(framework=framework.name, table=table["quoted"], unseen=unseen)
    return History(
        framework=framework.name,
        table=table["quoted"],
        migrations=tuple((str(row["name"]), str(row["state"])) for row in rows),
    )


_LOOK = """
select
    c.relname::text as name,
    pg_catalog.quote_ident(ns.nspname) as schema,
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as quoted,
    current_user::text as role,
    array(
        select a.attname
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    )::text[] as columns
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and c.relname = any ($1::text[])
order by quoted
"""
