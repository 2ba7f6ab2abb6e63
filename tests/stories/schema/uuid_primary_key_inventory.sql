--- near misses
create table by_int (id int primary key, token uuid unique);
create table by_text (id varchar(36) primary key);
create table composite (id uuid, n int, primary key (id, n));
create table by_array (ids uuid[] primary key);
create table no_key (id uuid);
create table django_migrations (id uuid primary key);
create extension hstore;
create table ext_state (id uuid primary key);
alter extension hstore add table ext_state;
--- broken: public.by_uuid, public.by_domain, public.included, public.root, "Odd ""Schema"."T, x"
create domain uid as uuid;
create domain uid_2 as uid;
create table by_uuid (id uuid primary key);
create table by_domain (id uid_2 primary key);
create table included (id uuid, n int, primary key (id) include (n));
create table root (id uuid primary key) partition by hash (id);
create table part partition of root for values with (modulus 1, remainder 0);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("i d" uuid primary key);
--- mend
drop table by_uuid, by_domain, included, root, "Odd ""Schema"."T, x";
