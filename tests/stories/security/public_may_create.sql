--- near misses
create schema shut;
grant usage on schema shut to public;
create schema for_one;
grant create on schema for_one to pg_monitor;
--- broken: public, open_house, "Odd ""Schema, 🔑"
grant create on schema public to public;
create schema open_house;
grant all on schema open_house to public;
create schema "Odd ""Schema, 🔑";
grant create on schema "Odd ""Schema, 🔑" to public;
