--- parameters: megabytes=0, writes_a_read=100
--- near misses
create table t (id int primary key, a int, b int) with (autovacuum_enabled = off);
create index often on t (a);
create index never on t (b, a);
insert into t select g, g, g from generate_series(1, 3000) as g;
set enable_seqscan = off;
set enable_bitmapscan = off;
select (select count(*) from t where a = g) from generate_series(1, 100) as g;
select id from t where id = 5;
select pg_sleep(1.2);
--- broken: public.once, "Odd ""Schema"."Index, 🔑"
create index once on t (b);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T" (id int) with (autovacuum_enabled = off);
create index "Index, 🔑" on "Odd ""Schema"."T" (id);
insert into "Odd ""Schema"."T" select generate_series(1, 3000);
select id from t where b = 5;
select id from "Odd ""Schema"."T" where id = 5;
select pg_sleep(1.2);
--- mend
drop index once;
drop index "Odd ""Schema"."Index, 🔑";
