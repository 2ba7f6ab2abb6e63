--- near misses
create materialized view m as select 1 as id;
create table t (id int);
create extension hstore;
create view of_extension as select 1 as id;
alter extension hstore add view of_extension;
--- near misses since 15
create view asks with (security_invoker) as select 1 as id;
create view asks_too with (security_invoker = Yes, security_barrier = true) as select 1 as id;
--- broken: public.plain, public.barrier, "Odd ""Schema"."V, 🔑"
create view plain as select 1 as id;
create view barrier with (security_barrier) as select 1 as id;
create schema "Odd ""Schema";
create view "Odd ""Schema"."V, 🔑" as select 1 as id;
--- broken since 15: public.off
create view off with (security_invoker = false) as select 1 as id;
