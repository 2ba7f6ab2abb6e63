--- near misses
create table t (id int primary key, tags text[], n int, j jsonb, s text);
create index on t using gin (tags);
create index on t (n) include (tags);
create index on t using hash (tags);
create index on t (cardinality(tags));
create index on t (s);
create index on t (j);
create table root (id int, tags int[]) partition by range (id);
create table root_1 partition of root for values from (0) to (10);
--- broken: public.alone, public.second, public.partial, public.of_domain, public.once, public.of_root, "Odd ""Schema"."Index, 🔑"
create domain labels as text[];
create table u (tags text[], n int, nested int[][], labels labels);
create index alone on u (tags);
create index second on u (n, nested);
create index partial on u (tags) where tags is not null;
create index of_domain on u (labels);
create unique index once on u (n, tags);
create index of_root on root (tags);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" ("Odd, ""column" int[]);
create index "Index, 🔑" on "Odd ""Schema"."T, 🔑" ("Odd, ""column");
--- mend
drop index alone, second, partial, of_domain, once, of_root, "Odd ""Schema"."Index, 🔑";
