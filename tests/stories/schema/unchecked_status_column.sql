--- near misses
create type mood as enum ('a', 'b');
create domain word as text check (value in ('a', 'b'));
create table states (name text primary key);
create table fine (id int primary key, status mood, state text references states, kind text check (kind <> ''), type word);
create table other (status int, statuses text, estate text, status_text text);
--- broken: public.loose.status, public.loose.order_type, "Odd ""S"."T, x".status
create table loose (id int primary key, status text not null default 'new', order_type varchar(10));
create schema "Odd ""S";
create table "Odd ""S"."T, x" (status varchar);
--- mend
alter table loose add check (status in ('new', 'old')), add check (order_type in ('a'));
alter table "Odd ""S"."T, x" alter column status type mood using status::mood;
