--- near misses
create function noop() returns trigger language plpgsql as 'begin return new; end';
create table parent (id int primary key, u int unique deferrable);
create table fine (id int primary key, p int references parent);
create trigger off before insert on fine for each row execute function noop();
alter table fine disable trigger user;
create table not_valid (p int);
alter table not_valid add foreign key (p) references parent not valid;
create table root (id int, p int references parent) partition by range (id);
create table part partition of root for values from (0) to (10);
--- broken: public.child_side:child_side_p_fkey, public.parent_side:parent_side_p_fkey, public.self:self_up_fkey, "Odd ""Schema"."T, x":"fk 🔑, ""q"""
create table child_side (id int primary key, p int references parent);
alter table child_side disable trigger all;
create table other_parent (id int primary key);
create table parent_side (p int references other_parent);
alter table other_parent disable trigger all;
create table self (id int primary key, up int references self);
alter table self disable trigger all;
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" (p int, constraint "fk 🔑, ""q""" foreign key (p) references parent);
alter table "Odd ""Schema"."T, x" disable trigger all;
