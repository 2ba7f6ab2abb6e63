--- near misses
create schema core;
create table core.users (id int primary key, up int references core.users);
create table core.posts (u int references core.users);
create table here (id int primary key);
create table here_too (p int references here);
create table root (id int, p int references here) partition by range (id);
create schema parts;
create table parts.part partition of root for values from (0) to (10);
--- broken: public.posts:posts_u_fkey, core.back:back_h_fkey, public.across:across_u_fkey, "Odd ""Schema"."T, x":"fk 🔑, ""q"""
create table posts (u int references core.users);
create table core.back (h int references here);
create table across (id int, u int references core.users) partition by range (id);
create table across_part partition of across for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" (h int, constraint "fk 🔑, ""q""" foreign key (h) references here);
--- mend
alter table posts drop constraint posts_u_fkey;
alter table core.back drop constraint back_h_fkey;
alter table across drop constraint across_u_fkey;
alter table "Odd ""Schema"."T, x" drop constraint "fk 🔑, ""q""";
