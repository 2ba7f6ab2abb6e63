--- parameters: dead_rows=1000, times=3
--- near misses
create table soon_due (id int) with (autovacuum_enabled = off);
create table patient (id int) with (autovacuum_vacuum_scale_factor = 5);
create table many_rows (id int);
create table few_dead (id int) with (autovacuum_vacuum_threshold = 5, autovacuum_vacuum_scale_factor = 0);
insert into soon_due select generate_series(1, 3000);
insert into patient select generate_series(1, 3000);
insert into many_rows select generate_series(1, 30000);
insert into few_dead select generate_series(1, 900);
analyze soon_due, patient, many_rows, few_dead;
update soon_due set id = id;
update patient set id = id;
update many_rows set id = id where id < 3000;
update few_dead set id = id;
select pg_sleep(1.2);
--- broken: public.late, public.part, "Odd ""Schema"."T, x 🔑"
create table late (id int);
insert into late select generate_series(1, 4000);
create table root (id int) partition by range (id);
create table part partition of root for values from (0) to (10000) with (autovacuum_vacuum_scale_factor = 0.01);
insert into root select generate_series(1, 9000);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" (id int) with (autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);
insert into "Odd ""Schema"."T, x 🔑" select generate_series(1, 4000);
analyze late, part, "Odd ""Schema"."T, x 🔑";
update late set id = id;
update root set id = id where id < 2000;
update "Odd ""Schema"."T, x 🔑" set id = id where id < 2000;
select pg_sleep(1.2);
