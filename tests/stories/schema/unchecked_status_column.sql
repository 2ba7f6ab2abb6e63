--- near misses
create type mood as enum ('a', 'b');
create domain word as text check (value in ('a', 'b'));
create table states (name text primary key);
create table fine (id int primary key, status mood, state text references states, kind text check (kind <> ''), type word);
create table other (status int, statuses text, estate text, status_text text);
--- broken: public.loose.status, public.loose.order_type, public.days.status, public.beside.status, "Odd ""S"."T, x".status
create table loose (id int primary key, status text not null default 'new', order_type varchar(10));
create table days (status text, at int) partition by range (at);
create table days_1 partition of days default;
create table beside (other text check (other in ('a', 'b')), status text);
create schema "Odd ""S";
create table "Odd ""S"."T, x" (status varchar);
--- mend
alter table loose add check (status in ('new', 'old')), add check (order_type in ('a'));
alter table days add check (status in ('new', 'old'));
alter table beside add check (status in ('new', 'old'));
alter table "Odd ""S"."T, x" alter column status type mood using status::mood;
