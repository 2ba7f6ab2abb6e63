--- near misses
create table parent (id int primary key);
create table child (p int references parent);
--- broken: public.alone, "Odd ""S"."T, x"
create table alone (id int primary key);
create schema "Odd ""S";
create table "Odd ""S"."T, x" (id int primary key);
--- mend
alter table alone add foreign key (id) references parent;
alter table "Odd ""S"."T, x" add foreign key (id) references parent;
