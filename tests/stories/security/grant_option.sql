--- near misses
create table fine (id int);
grant select on fine to pg_monitor;
create table owned (id int);
alter table owned owner to pg_monitor;
--- broken: public.handed, public.shown, "Odd ""Schema"."T, 🔑"
create table handed (id int);
grant select, insert on handed to pg_monitor with grant option;
grant select on handed to pg_read_all_stats with grant option;
create view shown as select 1 as id;
grant select on shown to pg_monitor with grant option;
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int);
grant delete on "Odd ""Schema"."T, 🔑" to pg_monitor with grant option;
