--- near misses
create table kept (id int primary key);
create temporary table scratch (id int);
create table root (id int) partition by range (id);
create table part partition of root for values from (0) to (10);
create extension hstore;
create unlogged table ext_state (id int);
alter extension hstore add table ext_state;
create unlogged table schema_migrations (version text);
create view shown as select 1 as n;
--- broken: public.cache, public.unlogged_part, "Odd ""Schema"."T, x 🔑", public.self
create unlogged table cache (id serial primary key);
create unlogged table unlogged_part partition of root for values from (10) to (20);
create unlogged table self (id int primary key, up int references self);
create schema "Odd ""Schema";
create unlogged table "Odd ""Schema"."T, x 🔑" (id int);
