--- near misses
alter default privileges grant select on tables to pg_monitor;
alter default privileges grant execute on functions to pg_monitor;
create schema s;
alter default privileges in schema s grant usage on sequences to pg_monitor;
--- broken: tables by postgres in public, sequences by postgres, tables by pg_monitor in "Odd ""Schema, 🔑"
alter default privileges in schema public grant select, insert on tables to public;
alter default privileges grant usage on sequences to public;
create schema "Odd ""Schema, 🔑";
alter default privileges for role pg_monitor in schema "Odd ""Schema, 🔑" grant select on tables to public;
