--- near misses
create table t (id int primary key, a int, b int unique, c int, d int, e int references t);
insert into t (id, a, b, c, d) select g, g, g, g, g from generate_series(1, 2000) as g;
create index t_read on t (a);
create unique index on t (c);
create index of_foreign_key on t (e, a);
create table few (a int);
insert into few select generate_series(1, 900);
create index on few (a);
create table root (id int, a int) partition by range (id);
create index on root (a);
create table root_1 partition of root for values from (0) to (1500);
create table root_2 partition of root for values from (1500) to (3000);
insert into root select g, g from generate_series(1, 2500) as g;
create table slots (r int4range, exclude using gist (r with &&));
insert into slots select int4range(g, g + 1) from generate_series(1, 1500) as g;
select pg_sleep(1.2);
analyze;
set enable_seqscan = off;
set enable_bitmapscan = off;
select count(*) from t where a = 5;
select count(*) from root_1 where a = 5;
select pg_sleep(1.2);
--- broken: public.t_unread, public.root_unread, public.t_partial, "Odd ""Schema"."Index, 🔑"
create index t_unread on t (d);
create index t_partial on t (d) where a > 5;
create index root_unread on root (a, id);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" ("Odd, ""column" int);
insert into "Odd ""Schema"."T, 🔑" select generate_series(1, 2000);
create index "Index, 🔑" on "Odd ""Schema"."T, 🔑" ("Odd, ""column");
select pg_sleep(1.2);
--- mend
drop index t_unread, t_partial, root_unread, "Odd ""Schema"."Index, 🔑";
