--- near misses
create domain positive as numeric check (value > 0);
create domain narrower as positive;
create function sound(numeric) returns bool immutable language sql as 'select true';
create table fine (
    id int primary key,
    price numeric check (price >= 0),
    fee_cents int check (fee_cents between 0 and 100000),
    amount positive,
    cost narrower,
    salary numeric check (sound(salary)),
    wage numeric check (wage is null or wage > 0),
    list_price numeric check (list_price >= 0),
    net_amount numeric,
    "Unit Price" numeric,
    check (net_amount < list_price),
    check ("Unit Price" > 0 and "Unit Price" < 1e9)
);
create table other (
    id int primary key, total int, payments int, payment_id int, price_id bigint, fee_count int, costume numeric, price text,
    total_ratio numeric, cents_rounded bool, amount_of_rain_mm int, feet int, percent numeric, totals int, prices int[]
);
create view shown as select 1::numeric as price;
--- broken since 18: public.told_only.price
create table told_only (price numeric check (price > 0) not enforced);
--- broken: public.plain.price, public.plain."unitPrice", public.plain."Amount, 💶", public.plain.order_total, public.plain.price_cents, public.plain.fee, public.plain.salary, public.plain.cost, public.void.price, public.void.amount, public.void.cost, public.void.fee, public.void.total, public.void.wage, public.root.cost
create domain anything as numeric;
create domain anyway as numeric check (value > 0 or true);
create table plain (
    id int primary key, price numeric(12, 2), "unitPrice" float8, "Amount, 💶" money, order_total numeric, price_cents int, fee anything,
    salary bigint, cost numeric, other int check (other > 0)
);
create table void (
    price numeric check (price is not null),
    amount numeric check (amount > 0 or true),
    cost numeric check (true or cost > 0),
    fee numeric check (fee = fee),
    total numeric,
    kind text,
    check (kind <> 'paid' or total is not null),
    wage anyway
);
create table root (id int, cost numeric) partition by range (id);
create table part partition of root for values from (0) to (10);
--- mend
alter table plain add check (price >= 0), add check ("unitPrice" >= 0), add check ("Amount, 💶" >= 0::money), add check (order_total >= 0);
alter table plain add check (price_cents >= 0), add check (fee >= 0), add check (salary > 0), add check (cost between -1000 and 1000);
alter table root add check (cost >= 0) not valid;
drop table void;
drop table if exists told_only;
