--- near misses
create domain type_of as regtype;
create table fine (id int primary key, a regclass, b regrole, c regtype, d oid, e text, f regclass[], g type_of, regconfig text);
create table dropped (id int primary key, c regconfig);
alter table dropped drop column c;
create view shown as select 'english'::regconfig as c;
--- broken: public.plain.c1, public.plain.c2, public.plain.c3, public.plain.c4, public.plain.c5, public.plain.c6, public.plain.c7, public.plain.c8, public.plain.many, public.plain.d, public.root.c, "Odd ""Schema"."T, x"."C, 🔑"
create domain language as regconfig;
create table plain (id int primary key, c1 regcollation, c2 regconfig, c3 regdictionary, c4 regnamespace, c5 regoper, c6 regoperator, c7 regproc, c8 regprocedure, many regproc[], d language);
create table root (id int, c regconfig) partition by range (id);
create table part partition of root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("C, 🔑" regproc);
--- mend
drop table plain;
alter table root alter column c type text using c::text;
alter table "Odd ""Schema"."T, x" alter column "C, 🔑" type text using "C, 🔑"::text;
