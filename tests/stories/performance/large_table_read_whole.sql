--- parameters: rows=1000, times_a_day=5
--- near misses
create table by_index (id int primary key);
insert into by_index select generate_series(1, 2000);
create table small (id int);
insert into small select generate_series(1, 900);
create table the_first (id int);
insert into the_first select generate_series(1, 2000);
select pg_sleep(1.2);
analyze;
select (select count(*) from small where id = g) from generate_series(1, 20) as g;
set enable_seqscan = off;
select (select count(*) from by_index where id = g) from generate_series(1, 20) as g;
select (select id from the_first where id > g limit 1) from generate_series(1, 20) as g;
reset enable_seqscan;
select pg_sleep(1.2);
--- broken: public.whole, "Odd ""Schema"."T, x 🔑"
create table whole (id int);
insert into whole select generate_series(1, 2000);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" (id int);
insert into "Odd ""Schema"."T, x 🔑" select generate_series(1, 2000);
select pg_sleep(1.2);
analyze;
select (select count(*) from whole where id = g) from generate_series(1, 20) as g;
select (select count(*) from "Odd ""Schema"."T, x 🔑" where id = g) from generate_series(1, 20) as g;
select pg_sleep(1.2);
--- mend
select pg_stat_reset();
