--- near misses
create table t (id int primary key, a int, b int);
create index on t (a);
create table root (id int, a int) partition by range (id);
create table root_1 partition of root for values from (0) to (10);
create index on root (a);
--- broken: public.cut_short, public.not_ready, public.copy_ccnew, public.copy_ccold1, public.dropping, "Odd ""Schema"."Index, 🔑"
insert into t values (1, 1, 1), (2, 2, 2);
create index cut_short on t (b);
create unique index not_ready on t (b);
create index copy_ccnew on t (a);
create index copy_ccold1 on t (a);
create index dropping on t (a);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" ("Odd, ""column" int);
create index "Index, 🔑" on "Odd ""Schema"."T, 🔑" ("Odd, ""column");
update pg_catalog.pg_index set indisvalid = false
where indexrelid::regclass::text in ('cut_short', 'copy_ccnew', 'copy_ccold1', '"Odd ""Schema"."Index, 🔑"');
update pg_catalog.pg_index set indisvalid = false, indisready = false where indexrelid = 'not_ready'::regclass;
update pg_catalog.pg_index set indisvalid = false, indislive = false where indexrelid = 'dropping'::regclass;
