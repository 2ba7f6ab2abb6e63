--- near misses
create table fine (id int primary key, a json, b text);
create table dropped (id int primary key, j jsonb);
alter table dropped drop column j;
create view shown as select '{}'::jsonb as j;
create table databasechangelog (id text, extra jsonb);
--- broken: public.plain.j, public.plain.many, public.plain.d, public.root.j, "Odd ""Schema"."T, x"."j, 🔑"
create domain document as jsonb;
create table plain (id int primary key, j jsonb, many jsonb[], d document);
create index on plain using gin (j);
create table root (id int, j jsonb) partition by range (id);
create table part partition of root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("j, 🔑" jsonb);
--- mend
drop table plain, root, "Odd ""Schema"."T, x";
