--- parameters: megabytes=1, percent=40
--- near misses
create table full_of_rows (id int primary key, v text) with (autovacuum_enabled = off);
insert into full_of_rows select g, repeat('x', 50) from generate_series(1, 40000) as g;
create table padded (a bool, b int8, c bool, d int8, e bool, f int8) with (autovacuum_enabled = off);
insert into padded select true, g, true, g, true, g from generate_series(1, 40000) as g;
create table with_nulls (a int, b int, c text, d text) with (autovacuum_enabled = off);
insert into with_nulls select g, null, null, repeat('y', 20) from generate_series(1, 50000) as g;
create table loosely (id int, v text) with (fillfactor = 30, autovacuum_enabled = off);
insert into loosely select g, repeat('x', 50) from generate_series(1, 40000) as g;
create table few (id int);
insert into few select generate_series(1, 2000);
delete from few where id > 1;
create table never_analyzed (id int) with (autovacuum_enabled = off);
grant select on all tables in schema public to public;
vacuum (analyze);
--- broken: public.emptied, public.part, "Odd ""Schema"."T, x 🔑"
create table emptied (id int primary key, v text) with (autovacuum_enabled = off);
insert into emptied select g, repeat('x', 50) from generate_series(1, 60000) as g;
delete from emptied where id % 10 <> 0;
create table root (id int, v text) partition by range (id);
create table part partition of root for values from (0) to (100000) with (autovacuum_enabled = off);
insert into root select g, repeat('x', 50) from generate_series(1, 60000) as g;
delete from root where id % 10 <> 0;
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" ("a, ""b" text) with (autovacuum_enabled = off);
insert into "Odd ""Schema"."T, x 🔑" select repeat('x', 50) from generate_series(1, 60000) as g;
delete from "Odd ""Schema"."T, x 🔑" where ctid::text !~ ',[15]\)$';
grant usage on schema "Odd ""Schema" to public;
grant select on all tables in schema public, "Odd ""Schema" to public;
vacuum (analyze);
