--- near misses
create table base (id int primary key);
create table copied (like base including all);
create table root (id int) partition by range (id);
create table part partition of root for values from (0) to (10) partition by range (id);
create table part_part partition of part for values from (0) to (5);
create type shape as (a int);
create table of_type of shape;
--- broken: public.child, public."grand-child, 🔑", public.two_parents, public.of_ext
create table child (extra text) inherits (base);
create table "grand-child, 🔑" () inherits (child);
create table other (x int);
create table two_parents () inherits (base, other);
create extension hstore;
create table ext_state (id int);
alter extension hstore add table ext_state;
create table of_ext () inherits (ext_state);
--- mend
alter table "grand-child, 🔑" no inherit child;
alter table child no inherit base;
alter table two_parents no inherit base, no inherit other;
alter table of_ext no inherit ext_state;
