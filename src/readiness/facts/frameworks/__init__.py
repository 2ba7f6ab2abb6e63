"""The migration frameworks that the tool knows, a file each: how their files are read, and where their history lies.

Sources: each framework's documentation and code, as of 2026, and the real tools in `tests/frameworks`.
"""

from dataclasses import dataclass

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

# Tables that stand beside a history table, or are one of a tool that is only known by that.
_OTHERS = frozenset(
    {
        "__EFMigrationsHistory",  # Entity Framework's, and as naming conventions make it
        "__efmigrationshistory",
        "__ef_migrations_history",
        "_yoyo_log",
        "_yoyo_version",
        "adonis_schema",
        "adonis_schema_versions",
        "ar_internal_metadata",
        "bun_migration_locks",
        "bun_migrations",
        "databasechangeloghistory",
        "databasechangeloglock",
        "dbix_class_deploymenthandler_versions",
        "directus_migrations",
        "doctrine_migration_versions",
        "gopg_migrations",
        "gorp_migrations",  # sql-migrate's, and as it is often called
        "knex_migrations_lock",
        "kysely_migration",
        "kysely_migration_lock",
        "micrate_db_version",
        "migration_info",
        "mikro_orm_migrations",
        "payload_migrations",
        "phinxlog",
        "play_evolutions",
        "play_evolutions_lock",
        "ragtime_migrations",
        "refinery_schema_history",
        "river_migration",
        "schema_info",
        "schema_migration",  # pop's
        "schema_version",
        "schemaversion",
        "seaql_migrations",
        "sequelize_meta",
        "sequelizemeta",
        "south_migrationhistory",
        "strapi_migrations",
        "strapi_migrations_internal",
        "typeorm_metadata",
        "yoyo_lock",
    }
)

# An application may well have tables of these names.
_COMMON = frozenset({sqitch.FRAMEWORK.table, typeorm.FRAMEWORK.table})

HISTORY_TABLES = frozenset(t for f in FRAMEWORKS for t in (f.table, f.lock_table) if t) - _COMMON
"""Names of the tables that are read."""

BOOKKEEPING_TABLES = HISTORY_TABLES | _OTHERS
"""Names of tables that are a migration tool's own, or a queue's for its migrations, not the application's."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A tool's own table whose name an application may well use, too.

    Args:
        columns: all that it has.
        more: whether it may have others besides, as the tool's versions differ: these tell it by themselves.
    """

    table: str
    columns: frozenset[str]
    more: bool = False


def _shape(table: str, columns: str, *, more: bool = False) -> Shape:
    return Shape(table, frozenset(columns.split()), more)


_WHO_AND_WHEN = "note committed_at committer_name committer_email planned_at planner_name planner_email"

BOOKKEEPING_SHAPES: tuple[Shape, ...] = (
    Shape(typeorm.FRAMEWORK.table, typeorm.FRAMEWORK.columns),
    # https://github.com/ThomWright/postgres-migrations, of which Supabase's storage has a copy
    _shape("migrations", "id name hash executed_at"),
    _shape("migrations", "version inserted_at"),  # Supabase's functions
    _shape("migrations", "id migration batch"),  # Laravel
    _shape("migrations", "id name run_on"),  # db-migrate
    _shape("migrations", "id ts"),  # graphile-worker, which has told breaking ones since 0.16
    _shape("migrations", "id ts breaking"),
    _shape("migrations", "hash previous_hash filename date"),  # graphile-migrate
    _shape("current", "filename content date"),
    _shape("version", "version cron_on", more=True),  # pg-boss
    _shape("aerich", "id version app content"),
    _shape("changelog", "id applied_at description"),  # MyBatis
    _shape("migration_versions", "version"),  # Doctrine before 3
    _shape("migration_versions", "version executed_at"),
    _shape("schemaversions", "schemaversionsid scriptname applied"),  # DbUp
    _shape("seed_files", "path hash"),  # Supabase
    _shape("VersionInfo", "Version AppliedOn Description"),  # FluentMigrator
    _shape("data_migrations", "version"),  # Rails' data_migrate
    # Sqitch, whose registry may lie in any schema
    _shape("changes", f"change_id script_hash change project {_WHO_AND_WHEN}"),
    _shape("dependencies", "change_id type dependency dependency_id"),
    _shape("events", f"event change_id change project requires conflicts tags {_WHO_AND_WHEN}"),
    _shape("projects", "project uri created_at creator_name creator_email"),
    _shape("releases", "version installed_at installer_name installer_email"),
    _shape("tags", f"tag_id tag project change_id {_WHO_AND_WHEN}"),
)
"""Likewise, told by their columns."""
