--- near misses
create type mood as enum ('a', 'b');
create domain word as text check (value in ('a', 'b'));
create table states (name text primary key);
create table fine (id int primary key, status mood, state text references states, kind text check (kind <> ''), type word);
create domain narrower as word;
create domain of_enum as mood;
create function known(text) returns bool immutable language sql as 'select true';
create table kept (level text check (level is null or level in ('a', 'b')), status narrower, state of_enum, kind text check (known(kind)), type text check ((type in ('a', 'b')) = true));
create table other (status int, statuses text, estate text, status_text text);
--- broken since 18: public.told_only.status
create table told_only (status text check (status in ('a', 'b')) not enforced);
--- broken: public.void.status, public.void.state, public.void.kind, public.void.type, public.void.level, public.void.severity, public.void.priority, public.loose.status, public.loose.order_type, public.days.status, public.beside.status, "Odd ""S"."T, x".status
create table loose (id int primary key, status text not null default 'new', order_type varchar(10));
create domain anything as text;
create domain anyway as text check (true or value = 'a');
create table void (
    status text check (status is not null),
    state text check (state in ('a', 'b') or true),
    kind text check (kind = kind),
    type anything,
    level text check (true or level = 'a'),
    severity anyway,
    priority text,
    n int,
    check (n > 5 or priority is not null)
);
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
drop table void;
drop table if exists told_only;
