--- near misses
create table fine (id int primary key, a text, b varchar(9), c varchar, d bpchar, e "char", f name, g bpchar[]);
create domain free as bpchar;
create table fine_domain (a free);
create table dropped (id int primary key, c char(2));
alter table dropped drop column c;
create view shown as select 'a'::char(2) as c;
create table flyway_schema_history (installed_rank int primary key, version char(5));
--- broken: public.plain.one, public.plain.two, public.plain.three, public.plain.many, public.plain.d, public.root.c, "Odd ""Schema"."T, x"."C, 🔑"
create domain code as char(3);
create domain code_2 as code;
create table plain (id int primary key, one char, two character(2), three bpchar(3), many char(2)[], d code_2);
create table root (id int, c char(2)) partition by range (id);
create table part partition of root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("C, 🔑" char(2));
--- mend
alter table plain alter column one type text, alter column two type text, alter column three type text, alter column many type text[], alter column d type text;
alter table root alter column c type varchar(2);
alter table "Odd ""Schema"."T, x" alter column "C, 🔑" type text;
