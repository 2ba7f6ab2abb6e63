--- near misses
create table fine (id int primary key, a int not null, b int);
create table only_key (id int primary key);
create table only_key_left (id int primary key, gone int);
alter table only_key_left drop column gone;
create table link (a int, b int, primary key (a, b));
--- broken: public.vague, public.keyless, public.parted, "Odd ""S"."T, x"
create table vague (id int primary key, a int, b int);
create table keyless (a int);
create table parted (a int) partition by range (a);
create table parted_1 partition of parted default;
create schema "Odd ""S";
create table "Odd ""S"."T, x" (a int);
--- mend
alter table vague alter column a set not null;
alter table keyless alter column a set not null;
alter table parted alter column a set not null;
alter table "Odd ""S"."T, x" alter column a set not null;
