--- near misses
create domain document as jsonb;
create table fine (id int primary key, a jsonb, b jsonb[], c document, d text, e xml);
create table dropped (id int primary key, j json);
alter table dropped drop column j;
create table "SequelizeMeta" (name text, extra json);
create view shown as select '{}'::json as j;
create temporary table scratch (j json);
create extension hstore;
create table ext_state (j json);
alter extension hstore add table ext_state;
--- broken: public.plain.j, public.plain.many, public.plain.defaulted, public.plain."J, ""j"" 🔑", public.root.j, "Odd ""Schema"."T, x".j
create table plain (id int primary key, j json not null, many json[], defaulted json default '{}', "J, ""j"" 🔑" json);
insert into plain (id, j, many) values (1, '{"a": 1}', array['[1]'::json]);
create index on plain ((j ->> 'a'));
create table root (id int, j json) partition by range (id);
create table part partition of root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" (j json);
