--- near misses
create table steady (id int primary key, v text) with (autovacuum_enabled = off);
insert into steady select g, 'x' from generate_series(1, 10000) as g;
update steady set v = 'y' where id <= 2000;
create table small (id int primary key, v text) with (autovacuum_enabled = off);
insert into small select g, 'x' from generate_series(1, 900) as g;
update small set v = 'y';
create table fresh (id int primary key);
insert into fresh select generate_series(1, 5000);
create table root (id int, v text) partition by range (id);
create table quiet_part partition of root for values from (0) to (100000) with (autovacuum_enabled = off);
insert into root select g, 'x' from generate_series(1, 2000) as g;
select pg_sleep(1.2);
--- broken: public.updated, public.emptied, public.part, "Odd ""Schema"."T, x 🔑"
create table updated (id int primary key, v text) with (autovacuum_enabled = off);
insert into updated select g, 'x' from generate_series(1, 10000) as g;
update updated set v = 'y';
create table emptied (id int primary key) with (autovacuum_enabled = off);
insert into emptied select generate_series(1, 2000);
delete from emptied;
create table part partition of root for values from (100000) to (200000) with (autovacuum_enabled = off);
insert into root select g, 'x' from generate_series(100000, 110000) as g;
update root set v = 'y' where id >= 100000;
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" (id int) with (autovacuum_enabled = off);
insert into "Odd ""Schema"."T, x 🔑" select generate_series(1, 3000);
update "Odd ""Schema"."T, x 🔑" set id = id + 1;
select pg_sleep(1.2);
