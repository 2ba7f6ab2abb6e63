--- near misses
create table never (id int) with (autovacuum_enabled = off);
insert into never select generate_series(1, 5000);
create table few (id int) with (autovacuum_enabled = off);
insert into few values (1);
create table a_third (id int) with (autovacuum_enabled = off);
insert into a_third select generate_series(1, 10000);
create table root (id int) partition by range (id);
select pg_sleep(1.2);
analyze few, a_third;
insert into few select generate_series(1, 900);
insert into a_third select generate_series(1, 4000);
select pg_sleep(1.2);
--- broken: public.doubled, public.part, "Odd ""Schema"."T, 🔑"
create table doubled (id int) with (autovacuum_enabled = off);
create table part partition of root for values from (0) to (100000) with (autovacuum_enabled = off);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int) with (autovacuum_enabled = off);
insert into doubled select generate_series(1, 5000);
select pg_sleep(1.2);
analyze doubled, part, "Odd ""Schema"."T, 🔑";
insert into doubled select generate_series(1, 6000);
insert into root select generate_series(1, 6000);
insert into "Odd ""Schema"."T, 🔑" select generate_series(1, 6000);
select pg_sleep(1.2);
