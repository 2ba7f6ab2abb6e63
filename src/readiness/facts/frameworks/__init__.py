"""The migration frameworks that the tool knows, a file each: how their files are read, and where their history lies.

Sources: each framework's documentation and code, as of 2026, and the real tools in `tests/frameworks`.
"""

from readiness.facts.frameworks import (
    alembic,
    atlas,
    dbmate,
    django,
    flyway,
    golang_migrate,
    goose,
    knex,
    liquibase,
    node_pg_migrate,
    prisma,
    rails,
    sequelize,
    sqitch,
    typeorm,
    yoyo,
)
from readiness.facts.frameworks.form import Framework


def _history_alone(name: str, table: str, columns: str, query: str, exclusive: str = "") -> Framework:
    """A framework whose history is known and whose files are not read."""
    return Framework(
        name=name, table=table, columns=frozenset(columns.split()), query=query, exclusive=frozenset(exclusive.split())
    )


# The more telling files first: what each takes for its own, by names and contents, the next ones don't see.
FRAMEWORKS: tuple[Framework, ...] = (
    sqitch.FRAMEWORK,
    prisma.FRAMEWORK,
    golang_migrate.FRAMEWORK,
    flyway.FRAMEWORK,
    liquibase.FRAMEWORK,
    atlas.FRAMEWORK,
    goose.FRAMEWORK,
    dbmate.FRAMEWORK,
    node_pg_migrate.FRAMEWORK,
    typeorm.FRAMEWORK,
    sequelize.FRAMEWORK,
    knex.FRAMEWORK,
    rails.FRAMEWORK,
    alembic.FRAMEWORK,
    django.FRAMEWORK,
    yoyo.FRAMEWORK,
    _history_alone(
        "ecto",
        "schema_migrations",
        "version inserted_at",
        "select version::text as name, 'applied' as state, extract(epoch from inserted_at at time zone 'UTC')::float8 as at "
        "from {} order by inserted_at, version",
    ),
    _history_alone(
        "drizzle",
        "__drizzle_migrations",
        "id hash",
        "select hash as name, 'applied' as state, hash as checksum from {} order by id",
    ),
    _history_alone(
        "diesel",
        "__diesel_schema_migrations",
        "version run_on",
        "select version as name, 'applied' as state, extract(epoch from run_on::timestamptz)::float8 as at from {} "
        "order by version",
    ),
    _history_alone(
        "sqlx",
        "_sqlx_migrations",
        "version description installed_on success checksum",
        "select version::text as name, case when success then 'applied' else 'failed' end as state, "
        "extract(epoch from installed_on)::float8 as at from {} order by version",
    ),
)

BY_NAME = {f.name: f for f in FRAMEWORKS}

# Tables that stand beside a history table, or are one of a framework that is only known by that.
_COMPANIONS = frozenset(
    {
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
        "gorp_migrations",  # sql-migrate's, and as it is often called
        "migration_info",
    }
)

BOOKKEEPING_TABLES = frozenset({f.table for f in FRAMEWORKS if f.name not in ("typeorm", "sqitch")} | _COMPANIONS)
"""Names of tables that are a framework's own, not the application's."""

BOOKKEEPING_BY_COLUMNS: frozenset[tuple[str, frozenset[str]]] = frozenset(
    {
        (typeorm.FRAMEWORK.table, typeorm.FRAMEWORK.columns),
        # https://github.com/ThomWright/postgres-migrations, of which Supabase's storage has a copy
        ("migrations", frozenset({"id", "name", "hash", "executed_at"})),
    }
)
"""Likewise, where an application may well have a table of that name: with these columns, and no others."""
