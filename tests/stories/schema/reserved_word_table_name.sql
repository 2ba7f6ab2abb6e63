--- near misses
create table users (id int primary key, "order" int, "select" int);
create table comment (id int);
create table "values" (id int);
create table "between" (id int);
create table "order " (id int);
create view "order" as select 1 as n;
create schema "table";
create table "table".orders (id int);
create temporary table "limit" (id int);
--- broken: public."user", public."ORDER", public."Group", public."left", "Odd ""Schema, 🔑"."select", public."end"
create table "user" (id int);
create table "ORDER" (id int);
create table "Group" (id int);
create table "left" (id int);
create schema "Odd ""Schema, 🔑";
create table "Odd ""Schema, 🔑"."select" (id int);
create table "end" (id int) partition by range (id);
--- mend
alter table "user" rename to users_2;
alter table "ORDER" rename to orders;
alter table "Group" rename to groups;
alter table "left" rename to lefts;
alter table "Odd ""Schema, 🔑"."select" rename to selected;
drop table "end";
