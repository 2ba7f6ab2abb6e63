--- parameters: rows=10
--- near misses
create table small (id uuid primary key default gen_random_uuid());
insert into small select from generate_series(1, 5);
create table by_hand (id uuid primary key);
insert into by_hand select gen_random_uuid() from generate_series(1, 50);
create function ordered() returns uuid language sql as 'select gen_random_uuid()';
create table in_order (id uuid primary key default ordered());
insert into in_order select from generate_series(1, 50);
analyze small, by_hand, in_order;
--- broken: public.large
create table large (id uuid primary key default gen_random_uuid());
insert into large select from generate_series(1, 50);
analyze large;
--- mend
alter table large alter column id set default ordered();
