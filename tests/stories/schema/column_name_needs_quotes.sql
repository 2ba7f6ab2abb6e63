--- near misses
create table fine (id int primary key, user_id int, a1$ int, name text, type text, value int);
create view v as select 1 as "Odd";
create table shrunk (id int, gone int);
alter table shrunk drop column gone;
--- broken: public.odd."userId", public.odd."with space", public.odd."order", public.odd."üser", public.parted."byDay", "Odd ""S"."T, x"."C, 🔑"
create table odd (id int primary key, "userId" int, "with space" int, "order" int, "üser" int);
create table parted ("byDay" date) partition by range ("byDay");
create table parted_1 partition of parted default;
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("C, 🔑" int);
--- mend
alter table parted rename column "byDay" to by_day;
alter table odd rename column "userId" to user_id;
alter table odd rename column "with space" to with_space;
alter table odd rename column "order" to position;
alter table odd rename column "üser" to uuser;
alter table "Odd ""S"."T, x" rename column "C, 🔑" to c;
