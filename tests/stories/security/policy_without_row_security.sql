--- near misses
create table fine (id int);
create policy p on fine using (id > 0);
alter table fine enable row level security;
create table neither (id int);
create table locked (id int);
alter table locked enable row level security;
create extension hstore;
create table ext_state (id int);
create policy p on ext_state using (id > 0);
alter extension hstore add table ext_state;
--- broken: public.off, public.forced_only, public.root, "Odd ""Schema"."T, 🔑"
create table off (id int);
create policy p on off using (id > 0);
create policy q on off as restrictive for delete using (id > 1);
create table forced_only (id int);
create policy p on forced_only using (id > 0);
alter table forced_only force row level security;
create table root (id int) partition by range (id);
create policy p on root using (id > 0);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int);
create policy "P, ""q""" on "Odd ""Schema"."T, 🔑" using (id > 0);
