--- near misses
create table fine (id int primary key, is_active boolean not null default true, other int);
--- broken: public.vague.seen, "Odd ""S"."T, x"."C, 🔑"
create table vague (id int primary key, seen boolean);
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("C, 🔑" boolean);
