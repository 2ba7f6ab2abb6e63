--- near misses
create schema other authorization pg_monitor;
create table other.one (id int);
alter table other.one owner to pg_monitor;
create table other.two (id int) partition by range (id);
alter table other.two owner to pg_monitor;
create table mine (id int);
create view theirs as select 1 as n;
alter view theirs owner to pg_monitor;
create sequence their_sequence;
alter sequence their_sequence owner to pg_monitor;
create extension hstore;
create table ext_state (id int);
alter table ext_state owner to pg_monitor;
alter extension hstore add table ext_state;
create schema empty;
--- broken: mixed, parts, "Odd ""Schema, 🔑"
create schema mixed;
create table mixed.one (id int);
create table mixed.two (id int);
alter table mixed.two owner to pg_monitor;
create schema parts;
create table parts.root (id int) partition by range (id);
create table parts.part partition of parts.root for values from (0) to (10);
alter table parts.part owner to pg_monitor;
create schema "Odd ""Schema, 🔑";
create table "Odd ""Schema, 🔑".one (id int);
create table "Odd ""Schema, 🔑".two (id int);
alter table "Odd ""Schema, 🔑".one owner to pg_monitor;
--- mend
alter table mixed.two owner to current_user;
alter table parts.part owner to current_user;
alter table "Odd ""Schema, 🔑".one owner to current_user;
