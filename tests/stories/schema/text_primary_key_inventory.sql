--- near misses
create type mood as enum ('sad', 'ok');
create table by_int (id int primary key, code text unique);
create table by_uuid (id uuid primary key);
create table by_enum (m mood primary key);
create table by_bytes (b bytea primary key);
create table by_array (ids text[] primary key);
create table composite (a text, b text, primary key (a, b));
create table alembic_version (version_num varchar(32) primary key);
--- broken: public.by_text, public.by_varchar, public.by_char, public.by_citext, public.by_domain, public.root, "Odd ""Schema"."T, x"
create extension citext;
create domain code as varchar(9);
create table by_text (id text primary key);
create table by_varchar (id varchar(36) primary key);
create table by_char (id char(2) primary key);
create table by_citext (id citext primary key);
create table by_domain (id code primary key);
create table root (id text primary key) partition by hash (id);
create table part partition of root for values with (modulus 1, remainder 0);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("i d" text primary key);
--- mend
drop table by_text, by_varchar, by_char, by_citext, by_domain, root, "Odd ""Schema"."T, x";
