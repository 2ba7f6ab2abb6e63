--- near misses
create table fine (id int primary key, is_active boolean not null default true, other int);
--- broken: public.vague.seen, public.vague.heard, "Odd ""S"."T, x"."C, 🔑"
create table vague (id int primary key, seen boolean, heard boolean);
alter table vague add constraint readiness_not_null_seen check (id > 0) not valid;
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("C, 🔑" boolean);
