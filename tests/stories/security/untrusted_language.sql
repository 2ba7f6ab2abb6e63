--- near misses
create function of_sql() returns int language sql as 'select 1';
create function of_plpgsql() returns int language plpgsql as 'begin return 1; end';
create procedure proc() language plpgsql as 'begin perform 1; end';
create extension hstore;
--- broken: public.of_c(internal), "Odd ""Schema"."F, 🔑"(internal)
create function of_c(internal) returns internal language c as '$libdir/dict_snowball', 'dsnowball_init';
create schema "Odd ""Schema";
create function "Odd ""Schema"."F, 🔑"(internal) returns internal language c as '$libdir/dict_snowball', 'dsnowball_init';
--- mend
drop function of_c(internal);
drop function "Odd ""Schema"."F, 🔑"(internal);
