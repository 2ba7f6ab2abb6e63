--- near misses
create table ahead (at date not null) partition by range (at);
create table ahead_1 partition of ahead for values from ('2020-01-01') to ('2999-01-01');
create table ahead_rest partition of ahead default;
create table open_end (at timestamptz not null) partition by range (at);
create table open_end_1 partition of open_end for values from ('2020-01-01') to (maxvalue);
create table by_number (id int) partition by range (id);
create table by_list (at date) partition by list (at);
create table plain (at date);
--- broken: public.ended, public.empty, public.spilled, "Odd ""S"."T, x"
create table ended (at timestamp not null) partition by range (at);
create table ended_1 partition of ended for values from ('2020-01-01') to ('2021-01-01');
create table empty (at date not null) partition by range (at);
create table spilled (at timestamptz not null) partition by range (at);
create table spilled_1 partition of spilled for values from ('2020-01-01') to ('2999-01-01');
create table spilled_rest partition of spilled default;
insert into spilled values ('3001-01-01');
analyze spilled_rest;
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("A, t" date not null) partition by range ("A, t");
create table "Odd ""S"."P, 1" partition of "Odd ""S"."T, x" for values from ('2020-01-01') to ('2020-02-01');
--- mend
create table ended_2 partition of ended for values from ('2021-01-01') to ('2999-01-01');
create table empty_1 partition of empty for values from (minvalue) to (maxvalue);
alter table spilled detach partition spilled_rest;
create table "Odd ""S"."P, 2" partition of "Odd ""S"."T, x" for values from ('2020-02-01') to (maxvalue);
