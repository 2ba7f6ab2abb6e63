--- near misses
create table fine (id int primary key, price numeric(12, 2), money int);
create table dropped (id int primary key, m money);
alter table dropped drop column m;
create view shown as select 1::money as m;
--- broken: public.plain.price, public.plain.many, public.plain.d, public.root.m, "Odd ""Schema"."T, x"."M, 🔑"
create domain cash as money;
create table plain (id int primary key, price money default 0, many money[], d cash);
create table root (id int, m money) partition by range (id);
create table part partition of root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("M, 🔑" money);
--- mend
alter table plain alter column price drop default, alter column price type numeric using price::numeric, drop column many, drop column d;
alter table root alter column m type numeric using m::numeric;
alter table "Odd ""Schema"."T, x" alter column "M, 🔑" type numeric using "M, 🔑"::numeric;
