--- near misses
do $$ begin
    if not exists (select from pg_roles where rolname = 'anon') then create role anon nologin; end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then create role authenticated nologin; end if;
end $$;
create function invoker() returns int language sql as 'select 1';
create function closed() returns int language sql security definer as 'select 1';
revoke execute on function closed() from public;
create function for_one() returns int language sql security definer as 'select 1';
revoke execute on function for_one() from public;
grant execute on function for_one() to authenticated, pg_monitor;
create function trg() returns trigger language plpgsql security definer as 'begin return new; end';
create function two(int) returns int language sql security definer as 'select 1';
revoke all on function two(int) from public;
create extension hstore;
create function of_extension() returns int language sql security definer as 'select 1';
alter extension hstore add function of_extension();
--- broken: public.plain(), public.two(text), public.granted(), public.anon_may(), public.proc(), "Odd ""Schema"."F, 🔑"("A b" integer)
create function plain() returns int language sql security definer as 'select 1';
create function two(text) returns int language sql security definer as 'select 1';
create function granted() returns int language sql security definer as 'select 1';
grant execute on function granted() to public, pg_monitor;
create function anon_may() returns int language sql security definer as 'select 1';
revoke execute on function anon_may() from public;
grant execute on function anon_may() to anon;
create procedure proc() language plpgsql security definer as 'begin perform 1; end';
create schema "Odd ""Schema";
create function "Odd ""Schema"."F, 🔑"("A b" int) returns int language sql security definer as 'select 1';
