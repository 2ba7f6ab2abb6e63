--- near misses
create table parent (id int primary key);
create table fine (id int primary key, up int references fine on delete cascade, parent int references parent);
create table refuses (id int primary key, up int references refuses on delete restrict);
--- broken: public.tree:tree_up_fkey, "Odd ""S"."T, x":"k, 🔑"
create table tree (id int primary key, up int references tree);
create schema "Odd ""S";
create table "Odd ""S"."T, x" (id int primary key, up int, constraint "k, 🔑" foreign key (up) references "Odd ""S"."T, x");
--- mend
alter table tree drop constraint tree_up_fkey;
alter table "Odd ""S"."T, x" drop constraint "k, 🔑";
