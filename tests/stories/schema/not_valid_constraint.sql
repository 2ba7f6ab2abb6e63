--- near misses
create table parent (id int primary key);
create table fine (id int check (id > 0) references parent);
create table emptied (id int);
alter table emptied add constraint late check (id > 0) not valid;
alter table emptied validate constraint late;
create domain small as int;
alter domain small add constraint small_check check (value < 10) not valid;
--- broken: public.late_check:c, public.late_key:f, public.root:root_check, public.old_parent:inherited, "Odd ""Schema"."T, x":"no 🔑, ""q"""
create table late_check (id int);
alter table late_check add constraint c check (id > 0) not valid;
create table late_key (p int);
alter table late_key add constraint f foreign key (p) references parent not valid;
create table root (id int) partition by range (id);
create table part partition of root for values from (0) to (10);
alter table root add constraint root_check check (id > 0) not valid;
create table old_parent (id int);
create table old_child () inherits (old_parent);
alter table old_parent add constraint inherited check (id > 0) not valid;
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("i d" int);
alter table "Odd ""Schema"."T, x" add constraint "no 🔑, ""q""" check ("i d" > 0) not valid;
