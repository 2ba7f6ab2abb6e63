--- near misses
create table fine (id int primary key, data bytea, n bigint, c regclass, list oid[], v oidvector);
create table dropped (id int primary key, data oid);
alter table dropped drop column data;
create view shown as select 1::oid as o;
create extension lo;
create table ext_state (o oid);
alter extension lo add table ext_state;
--- broken: public.plain.o, public.plain.l, public.plain.d, public.root.o, "Odd ""Schema"."T, x"."O, 🔑"
create domain handle as oid;
create table plain (id int primary key, o oid not null, l lo, d handle);
create table root (id int, o oid) partition by range (id);
create table part partition of root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("O, 🔑" oid);
--- mend
alter table plain alter column o type bigint, drop column l, alter column d type bigint;
alter table root alter column o type bigint;
drop table "Odd ""Schema"."T, x";
