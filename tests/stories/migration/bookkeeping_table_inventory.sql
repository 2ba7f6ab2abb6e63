--- near misses
create table bird_migrations (id int primary key, species text);
create table schema_migrations_archive_2019 (note text);
create table migrations (id int primary key, bird text, wintering_ground text);
create table changes (id int primary key, change text);
create table schema_version (curr_version text, min_compatible_version text);
create table version (version text);
create table projects (project text, title text);
create view alembic_version as select 'a' as version_num;
create temporary table schema_migrations (version text);
create table "Schema_Migrations" (version text);
create extension hstore;
create table django_migrations (id int);
alter extension hstore add table django_migrations;
--- broken: public.schema_migrations, app.schema_migrations, public."SequelizeMeta", public."__EFMigrationsHistory", app.flyway_schema_history, app.migrations, laravel.migrations, sqitch.changes, "Odd ""S, 🔑"._prisma_migrations
create table public.schema_migrations (version text primary key);
create schema app;
create table app.schema_migrations (version bigint, dirty boolean);
create table "SequelizeMeta" (name text);
create table "__EFMigrationsHistory" ("MigrationId" text, "ProductVersion" text);
create table app.flyway_schema_history (installed_rank int);
create table app.migrations (id int, "timestamp" bigint, name text);
create schema laravel;
create table laravel.migrations (id int, migration text, batch int);
create schema sqitch;
create table sqitch.changes (change_id text, script_hash text, change text, project text);
create schema "Odd ""S, 🔑";
create table "Odd ""S, 🔑"._prisma_migrations (id text);
--- mend
drop table public.schema_migrations, app.schema_migrations, "SequelizeMeta", "__EFMigrationsHistory", app.flyway_schema_history, app.migrations, laravel.migrations, sqitch.changes, "Odd ""S, 🔑"._prisma_migrations;
