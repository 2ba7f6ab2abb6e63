--- near misses
create function invoker() returns int language sql as 'select 1';
create function fixed() returns int language sql security definer set search_path = '' as 'select 1';
create function later() returns int language sql security definer as 'select 1';
alter function later() set search_path = pg_catalog, pg_temp;
create function two(int) returns int language sql security definer set work_mem = '8MB' set search_path = pg_catalog as 'select 1';
create extension hstore;
create function of_extension() returns int language sql security definer as 'select 1';
alter extension hstore add function of_extension();
--- broken: public.plain(), public.two(text), public.other_setting(), public.trg(), public.proc(), "Odd ""Schema"."F, 🔑"("A b" integer)
create function plain() returns int language sql security definer as 'select 1';
create function two(text) returns int language sql security definer as 'select 1';
create function other_setting() returns int language sql security definer set work_mem = '8MB' as 'select 1';
create function trg() returns trigger language plpgsql security definer as 'begin return new; end';
create procedure proc() language plpgsql security definer as 'begin perform 1; end';
create schema "Odd ""Schema";
create function "Odd ""Schema"."F, 🔑"("A b" int) returns int language sql security definer as 'select 1';
