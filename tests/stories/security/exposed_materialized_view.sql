--- near misses
do $$ begin
    if not exists (select from pg_roles where rolname = 'anon') then create role anon nologin; end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then create role authenticated nologin; end if;
end $$;
create materialized view mine as select 1 as id;
create materialized view revoked as select 1 as id;
grant select on revoked to public, anon;
revoke select on revoked from public, anon;
create schema backstage;
create materialized view backstage.m as select 1 as id;
grant select on backstage.m to public;
create materialized view for_one as select 1 as id;
grant select on for_one to pg_monitor;
create view v as select 1 as id;
grant select on v to public;
create extension hstore;
create materialized view of_extension as select 1 as id;
grant select on of_extension to public;
alter extension hstore add materialized view of_extension;
--- broken: public.open, public.by_api, public.by_column, "Odd ""Schema"."M, 🔑"
create materialized view open as select 1 as id;
grant select on open to public;
create materialized view by_api as select 1 as id;
grant select on by_api to anon, authenticated, pg_monitor;
create materialized view by_column as select 1 as id, 2 as v;
grant select (v) on by_column to anon;
create schema "Odd ""Schema";
grant usage on schema "Odd ""Schema" to public;
create materialized view "Odd ""Schema"."M, 🔑" as select 1 as id;
grant select on "Odd ""Schema"."M, 🔑" to public;
