--- parameters: rows=1000
--- near misses
create table small (id int);
insert into small select generate_series(1, 900);
create table root (id int) partition by range (id);
create table part partition of root for values from (0) to (10000);
insert into root select generate_series(1, 2000);
create materialized view copied as select * from root;
select pg_sleep(1.2);
analyze;
--- broken: public.large, "Odd ""Schema"."T, x 🔑"
create table large (id int);
insert into large select generate_series(1, 2000);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" (id int);
insert into "Odd ""Schema"."T, x 🔑" select generate_series(1, 2000);
select pg_sleep(1.2);
analyze;
--- mend
drop table large, "Odd ""Schema"."T, x 🔑";
