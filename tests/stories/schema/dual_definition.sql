--- near misses
create schema auth;
create schema parts;
create schema "select";
create table accounts (id int);
create table auth.sessions (id int);
create table auth.logins (id int);
create view logins as select * from auth.logins;
create materialized view parts.logins as select * from auth.logins;
create table events (id int) partition by range (id);
create table auth.events_1 (id int);
create table parts.events_1 partition of events for values from (0) to (10);
create temporary table accounts (id int);
create table schema_migrations (version text);
create table auth.schema_migrations (version text);
create extension hstore;
create table parts.accounts (id int);
alter extension hstore add table parts.accounts;
create extension postgres_fdw;
create server far foreign data wrapper postgres_fdw options (host 'x.invalid');
create foreign table parts.sessions (id int) server far;
create table parts.pg_class (id int);
create sequence parts.events;
create type "select".accounts as (a int);
create table auth.things (id int);
create table parts.thing (id int);
--- broken: public.users, auth.users, public."Users", public."Odd, ""T""", "select"."Odd, ""T""", parts.tasks, auth.tasks, public."🔑", auth."🔑"
create table users (id serial primary key);
create table auth.users (id uuid primary key);
create table "Users" (id int);
create table "Odd, ""T""" (id int);
create table "select"."Odd, ""T""" (id int);
create table parts.tasks (id int) partition by range (id);
create table auth.tasks (id int);
create table "🔑" (id int);
create table auth."🔑" (id int);
--- mend
drop table users, "Users", "Odd, ""T""", parts.tasks, auth."🔑";
