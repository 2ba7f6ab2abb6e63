--- near misses
create table fine (id int primary key, price numeric, amount int, latitude float8, costume float4, feedback float8, totally float8, total_ratio float8, discount real, duration float8, priceless float8, "totalTime" float8, embedding float8[]);
create table dropped (id int primary key, price float8);
alter table dropped drop column price;
create view shown as select 1::float8 as price;
--- broken: public.plain.price, public.plain.unit_price, public.plain."unitPrice", public.plain."Amount, 💶", public.plain.total_amount_eur, public.plain.order_total, public.plain.subtotal, public.plain.fees, public.plain.salary, public.plain.cost2, public.root.cost
create domain rate as float8;
create table plain (id int primary key, price float8, unit_price real, "unitPrice" float8, "Amount, 💶" float8, total_amount_eur float8, order_total float8, subtotal real, fees rate, salary float8, cost2 float4);
create table root (id int, cost float8) partition by range (id);
create table part partition of root for values from (0) to (10);
--- mend
drop table plain;
alter table root alter column cost type numeric(12, 2);
