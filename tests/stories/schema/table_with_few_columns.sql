--- near misses
create table two (a int, b int);
create view one_view as select 1 as n;
create temporary table scratch (a int);
create table schema_migrations (version text primary key);
create table root (a int, b int) partition by range (a);
create table part partition of root for values from (0) to (10);
create extension hstore;
create table ext_state (a int);
alter extension hstore add table ext_state;
--- broken: public.none_at_all, public.one, public.one_left, public.slim_root, "Odd ""Schema"."T, x 🔑"
create table none_at_all ();
create table one (a int primary key);
create table one_left (a int, b int);
alter table one_left drop column b;
create table slim_root (a int) partition by range (a);
create table slim_part partition of slim_root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" (a int);
--- mend
drop table none_at_all;
alter table one add column b int;
alter table one_left add column c int;
alter table slim_root add column b int;
alter table "Odd ""Schema"."T, x 🔑" add column b int;
