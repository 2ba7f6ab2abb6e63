--- near misses
create domain instant as timestamptz;
create table fine (id int primary key, a timestamptz, b timestamptz(3), c date, d time, e timetz, f interval, g tstzrange, h timestamptz[], i instant, j bigint, k text);
create table dropped (id int primary key, at timestamp);
alter table dropped drop column at;
create table django_migrations (id int primary key, applied timestamp);
create view shown as select now()::timestamp as at;
create materialized view kept as select now()::timestamp as at;
create temporary table scratch (at timestamp);
create extension hstore;
create table ext_state (at timestamp);
alter extension hstore add table ext_state;
create type pair as (a timestamp, b timestamp);
--- broken: public.plain.at, public.plain.exact, public.plain.defaulted, public.plain."At, ""when"" 🕐", public.root.at, public.parent.at, public.child.at, "Odd ""Schema"."T, x".at
create table plain (id int primary key, at timestamp not null check (at > '2000-01-01'), exact timestamp(3), defaulted timestamp default now(), "At, ""when"" 🕐" timestamp default current_timestamp);
create index on plain (at);
insert into plain (id, at) values (1, '2024-07-01 12:00');
create table root (id int, at timestamp) partition by range (id);
create table part partition of root for values from (0) to (10);
create table parent (at timestamp);
create table child () inherits (parent);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" (at timestamp);
