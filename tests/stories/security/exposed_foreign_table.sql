--- near misses
do $$ begin
    if not exists (select from pg_roles where rolname = 'anon') then create role anon nologin; end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then create role authenticated nologin; end if;
end $$;
create foreign data wrapper w;
create server s foreign data wrapper w;
create foreign table mine (id int) server s;
create foreign table for_one (id int) server s;
grant select on for_one to pg_monitor;
create foreign table written (id int) server s;
grant insert on written to public;
create schema backstage;
create foreign table backstage.f (id int) server s;
grant select on backstage.f to public;
--- broken: public.open, public.by_api, public.by_column, "Odd ""Schema"."F, 🔑"
create foreign table open (id int) server s;
grant select on open to public;
create foreign table by_api (id int) server s;
grant select on by_api to anon;
create foreign table by_column (id int, v int) server s;
grant select (v) on by_column to public;
create schema "Odd ""Schema";
grant usage on schema "Odd ""Schema" to public;
create foreign table "Odd ""Schema"."F, 🔑" (id int) server s;
grant select on "Odd ""Schema"."F, 🔑" to public;
