--- near misses
create table small (id int) with (autovacuum_enabled = off);
insert into small select generate_series(1, 900);
create table analyzed (id int) with (autovacuum_enabled = off);
insert into analyzed select generate_series(1, 5000);
analyze analyzed;
insert into analyzed select generate_series(1, 50000);
create table empty (id int);
create table root (id int) partition by range (id);
create temporary table scratch (id int);
insert into scratch select generate_series(1, 5000);
select pg_sleep(1.2);
--- broken: public.loaded, public.part, public.vacuumed, "Odd ""Schema"."T, x 🔑"
create table loaded (id int) with (autovacuum_enabled = off);
insert into loaded select generate_series(1, 5000);
create table part partition of root for values from (0) to (100000) with (autovacuum_enabled = off);
insert into root select generate_series(1, 5000);
create table vacuumed (id int) with (autovacuum_enabled = off);
insert into vacuumed select generate_series(1, 5000);
vacuum vacuumed;
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" (id int) with (autovacuum_enabled = off);
insert into "Odd ""Schema"."T, x 🔑" select generate_series(1, 5000);
select pg_sleep(1.2);
