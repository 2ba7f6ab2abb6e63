--- near misses
create table fine (id int primary key, is_active boolean not null default true, checked boolean check (checked is not null), other int);
--- broken: public.vague.seen, public.vague.heard, "Odd ""S"."T, x"."C, 🔑"
create table vague (id int primary key, seen boolean, heard boolean);
alter table vague add constraint readiness_not_null_seen check (id > 0) not valid;
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("C, 🔑" boolean);
--- broken: public.almost.later, public.almost.either
create table almost (later boolean, either boolean check (either is not null or id > 0), id int, other boolean not null);
alter table almost add constraint later_told check (later is not null) not valid;
--- broken since 18: public.old_rows.b
create table old_rows (b boolean);
alter table old_rows add constraint "Told, later" not null b not valid;
