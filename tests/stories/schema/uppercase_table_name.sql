--- near misses
create table plain (id int primary key, "EMAIL" text);
create table "with space, ""q"" 🔑" (id int);
create table "straße" (id int);
create table "Ärger" (id int);
create view "ACTIVE" as select 1 as n;
create sequence "Counter";
create index "Plain Index" on plain (id);
create temporary table "Scratch" (id int);
create schema "Upper";
create table "Upper".lower_name (id int);
create extension hstore;
create table "ExtState" (id int);
alter extension hstore add table "ExtState";
--- broken: public."Orders", public."camelCase", public."Root", public."Part_1", "Odd ""Schema"."T, x 🔑"
create table "Orders" (id int);
create table "camelCase" (id int);
create table "Root" (id int) partition by range (id);
create table "Part_1" partition of "Root" for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x 🔑" (id int);
--- mend
alter table "Orders" rename to orders;
alter table "camelCase" rename to camel_case;
alter table "Root" rename to root;
alter table "Part_1" rename to part_1;
alter table "Odd ""Schema"."T, x 🔑" rename to t_x;
