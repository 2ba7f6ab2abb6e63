--- near misses
create table off (id int);
create table fine (id int);
alter table fine enable row level security;
create policy nobody on fine using (false);
create table restricted (id int);
alter table restricted enable row level security;
create policy narrow on restricted as restrictive using (true);
create table root (id int) partition by range (id);
alter table root enable row level security;
create policy p on root using (id > 0);
create table part partition of root for values from (0) to (10);
alter table part enable row level security;
create extension hstore;
create table ext_state (id int);
alter table ext_state enable row level security;
alter extension hstore add table ext_state;
--- broken: public.bare, public.forced, public.bare_root, "Odd ""Schema"."T, 🔑"
create table bare (id int);
alter table bare enable row level security;
create table forced (id int);
alter table forced enable row level security;
alter table forced force row level security;
create table bare_root (id int) partition by range (id);
alter table bare_root enable row level security;
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int);
alter table "Odd ""Schema"."T, 🔑" enable row level security;
