--- parameters: megabytes=1, percent=40
--- near misses
create table t (id int primary key, v text, w text) with (autovacuum_enabled = off);
insert into t select g, md5(g::text), null from generate_series(1, 60000) as g;
create index of_text on t (v);
create index of_both on t (id, v);
create index loosely on t (v) with (fillfactor = 40);
create index not_a_btree on t using gist (int8range(id, id + 10));
create index of_a_few on t (v) where id < 40000;
grant select on t to public;
vacuum (analyze);
--- broken: public.emptied, public.of_both_emptied, "Odd ""Schema"."Index, 🔑"
create table queue (id int, v text) with (autovacuum_enabled = off);
create index emptied on queue (id);
create index of_both_emptied on queue (v, id);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T" ("a, ""b" int) with (autovacuum_enabled = off);
create index "Index, 🔑" on "Odd ""Schema"."T" ("a, ""b");
insert into queue select g, md5(g::text) from generate_series(1, 120000) as g;
insert into "Odd ""Schema"."T" select g from generate_series(1, 120000) as g;
delete from queue where id % 20 <> 0;
delete from "Odd ""Schema"."T" where "a, ""b" % 20 <> 0;
grant usage on schema "Odd ""Schema" to public;
grant select on queue, "Odd ""Schema"."T" to public;
vacuum (analyze);
--- mend
reindex index emptied;
reindex index of_both_emptied;
reindex index "Odd ""Schema"."Index, 🔑";
vacuum (analyze);
