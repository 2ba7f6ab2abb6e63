--- near misses
create table fine (id int);
alter table fine enable row level security;
create policy reads on fine for select using (true);
create policy adds on fine for insert with check (true);
create policy restricts on fine as restrictive using (true);
create policy also_restricts on fine as restrictive using (true);
create table by_role (id int);
create policy a on by_role to pg_monitor using (true);
create policy b on by_role to pg_read_all_stats using (true);
--- broken: public.twice, public.all_and_one, public.shared_role, public.public_and_role, "Odd ""Schema"."T, 🔑"
create table twice (id int);
alter table twice enable row level security;
create policy a on twice for select using (true);
create policy b on twice for select using (id > 0);
create table all_and_one (id int);
create policy a on all_and_one using (true);
create policy b on all_and_one for delete using (id > 0);
create table shared_role (id int);
create policy a on shared_role to pg_monitor, pg_read_all_stats using (true);
create policy b on shared_role to pg_read_all_stats, pg_read_all_settings using (true);
create table public_and_role (id int);
create policy a on public_and_role using (true);
create policy b on public_and_role to pg_monitor using (true);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int);
create policy "P, ""q""" on "Odd ""Schema"."T, 🔑" using (true);
create policy q on "Odd ""Schema"."T, 🔑" using (true);
--- mend
drop policy b on twice;
drop policy b on all_and_one;
drop policy b on shared_role;
drop policy b on public_and_role;
drop policy q on "Odd ""Schema"."T, 🔑";
