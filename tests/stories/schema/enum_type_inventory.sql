--- near misses
create type pair as (a int, b int);
create domain code as text check (value in ('a', 'b'));
create type span as range (subtype = int);
create table fine (id int primary key);
create extension hstore;
create type of_ext as enum ('a');
alter extension hstore add type of_ext;
--- broken: public.mood, public.none_yet, "Odd ""Schema"."T, x 🔑"
create type mood as enum ('sad', 'ok', 'happy, "very"');
create type none_yet as enum ();
create schema "Odd ""Schema";
create type "Odd ""Schema"."T, x 🔑" as enum ('a');
--- mend
drop type mood, none_yet, "Odd ""Schema"."T, x 🔑";
