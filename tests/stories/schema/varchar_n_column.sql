--- near misses
create table fine (id int primary key, a text, b varchar);
create view v as select 'a'::varchar(3) as x;
create table root (id int, a text) partition by range (id);
create table databasechangelog (id varchar(255));
--- broken: public.limited.name, public.heir.name, public.years.name, public.referred.code, public.referring.code, "Odd ""S"."T, x"."C, 🔑"
create table limited (id int primary key, name varchar(50));
create table years (id int, name varchar(9)) partition by range (id);
create table years_1 partition of years default;
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("C, 🔑" varchar(3));
create table heir () inherits (limited);
create table referred (code varchar(5) primary key);
create table referring (code varchar(5) references referred);
