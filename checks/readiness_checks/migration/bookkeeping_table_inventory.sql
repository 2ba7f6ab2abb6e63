/*---
title: Tables in which migration tools keep their history, for information
subject: table
universe: tables of migration tools
priority: info
effort: S
credit: ratio
why: |
  An inventory, not a defect: where a migration tool has written down what it applied. No such table means that nobody
  can say which state the schema is in; those of two tools mean that two of them change it.
mend: |
  Nothing to mend.
links:
  - https://www.postgresql.org/docs/current/ddl-alter.html
---*/
-- A name that only migration tools use is enough. One that others may use too (migrations, version) is taken only with
-- the columns of the tool. Partitions aren't looked at: no tool partitions its history.
with known (tool, name, needs) as (
    values
    ('aerich', 'aerich', '{version,app,content}'),
    ('alembic', 'alembic_version', '{}'),
    ('atlas', 'atlas_schema_revisions', '{}'),
    ('bun', 'bun_migrations', '{}'),
    ('bun', 'bun_migration_locks', '{}'),
    ('dbix-class-deploymenthandler', 'dbix_class_deploymenthandler_versions', '{}'),
    ('dbup', 'schemaversions', '{scriptname,applied}'),
    ('diesel', '__diesel_schema_migrations', '{}'),
    ('directus', 'directus_migrations', '{}'),
    ('django', 'django_migrations', '{}'),
    ('django-south', 'south_migrationhistory', '{}'),
    ('doctrine', 'doctrine_migration_versions', '{}'),
    ('doctrine', 'migration_versions', '{version}'),
    ('drizzle', '__drizzle_migrations', '{}'),
    ('entity framework', '__EFMigrationsHistory', '{}'),
    ('entity framework', '__efmigrationshistory', '{}'),
    ('entity framework', '__ef_migrations_history', '{}'),
    ('fluentmigrator', 'VersionInfo', '{Version,AppliedOn}'),
    ('flyway', 'flyway_schema_history', '{}'),
    ('flyway', 'schema_version', '{installed_rank}'),
    ('go-pg', 'gopg_migrations', '{}'),
    ('goose', 'goose_db_version', '{}'),
    ('knex', 'knex_migrations', '{}'),
    ('knex', 'knex_migrations_lock', '{}'),
    ('kysely', 'kysely_migration', '{}'),
    ('kysely', 'kysely_migration_lock', '{}'),
    ('laravel', 'migrations', '{migration,batch}'),
    ('liquibase', 'databasechangelog', '{}'),
    ('liquibase', 'databasechangeloglock', '{}'),
    ('micrate', 'micrate_db_version', '{}'),
    ('mikro-orm', 'mikro_orm_migrations', '{}'),
    ('mybatis', 'changelog', '{id,applied_at,description}'),
    ('node-pg-migrate', 'pgmigrations', '{}'),
    ('payload', 'payload_migrations', '{}'),
    ('phinx', 'phinxlog', '{}'),
    ('play', 'play_evolutions', '{}'),
    ('play', 'play_evolutions_lock', '{}'),
    ('pop', 'schema_migration', '{}'),
    ('postgrator', 'schemaversion', '{version,md5}'),
    ('postgres-migrations', 'migrations', '{id,name,hash,executed_at}'),
    ('prisma', '_prisma_migrations', '{}'),
    ('ragtime', 'ragtime_migrations', '{}'),
    ('rails', 'ar_internal_metadata', '{}'),
    ('rails, ecto, dbmate or golang-migrate', 'schema_migrations', '{}'),
    ('refinery', 'refinery_schema_history', '{}'),
    ('sea-orm', 'seaql_migrations', '{}'),
    ('sequel', 'schema_info', '{version}'),
    ('sequelize', 'SequelizeMeta', '{}'),
    ('sequelize', 'sequelizemeta', '{}'),
    ('sequelize', 'sequelize_meta', '{}'),
    ('sqitch', 'changes', '{change_id,change,project,script_hash}'),
    ('sqitch', 'dependencies', '{change_id,type,dependency}'),
    ('sqitch', 'events', '{event,change_id,project,committed_at}'),
    ('sqitch', 'projects', '{project,uri,creator_name}'),
    ('sqitch', 'releases', '{version,installed_at,installer_name}'),
    ('sqitch', 'tags', '{tag_id,tag,project,change_id}'),
    ('sql-migrate', 'gorp_migrations', '{}'),
    ('sql-migrate', 'migration_info', '{id,applied_at}'),
    ('sqlx', '_sqlx_migrations', '{}'),
    ('strapi', 'strapi_migrations', '{}'),
    ('supabase', 'seed_files', '{path,hash}'),
    ('typeorm', 'migrations', '{id,timestamp,name}'),
    ('typeorm', 'typeorm_metadata', '{}'),
    ('yoyo', '_yoyo_log', '{}'),
    ('yoyo', '_yoyo_migration', '{}'),
    ('yoyo', '_yoyo_version', '{}'),
    ('yoyo', 'yoyo_lock', '{}')
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    false as ok,
    pg_catalog.string_agg(distinct known.tool, ', ' order by known.tool) as tool
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join known on c.relname = known.name
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and (
        -- sqitch has a schema of its own
        (known.tool = 'sqitch' and ns.nspname = 'sqitch')
        or not exists (
            select
            from pg_catalog.unnest(known.needs::pg_catalog.text[]) as needed (name)
            where
                not exists (
                    select
                    from pg_catalog.pg_attribute as att
                    where
                        att.attrelid = c.oid
                        and att.attname = needed.name
                        and att.attnum > 0
                        and not att.attisdropped
                )
        )
    )
group by ns.oid, ns.nspname, c.relname, c.oid
order by subject
