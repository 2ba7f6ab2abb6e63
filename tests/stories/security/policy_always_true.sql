--- near misses
do $$ begin
    if not exists (select from pg_roles where rolname = 'anon') then create role anon nologin; end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then create role authenticated nologin; end if;
end $$;
create table fine (id int, flag bool, "x } T" bool);
alter table fine enable row level security;
create policy reads on fine for select using (true);
create policy restricts on fine as restrictive for update using (true);
create policy never on fine for update using (false);
create policy null_is_no_truth on fine using (null);
create policy null_alone on fine for delete using (true and null = null);
create policy never_either on fine for delete using (1 = 2);
create policy of_others on fine for update to pg_monitor using (true);
create policy asks on fine using (flag and true) with check (not true or flag);
create policy flagged on fine using (flag = true);
create policy odd_name on fine using ("x } T");
create policy called on fine for delete using (current_setting('a.b', true) = 'x');
create policy sub on fine using (exists (select true from pg_class where relname = 'x'));
create policy only_check on fine for update with check (id > 0);
create policy falls_back on fine using (id > 0);
create table off (id int);
create policy open on off for update using (true);
--- broken: public.plain:whole, public.plain:taken_away, public.plain:added, public.plain:one_is_one, public.plain:changed, public.plain:moved, public.plain:any_of, public.plain:words, public.plain:unequal, public.plain:not_false, public.plain:nested, public.plain:unsaid, public.plain:silent, public.plain:anon_may, public.plain:less, "Odd ""Schema"."T, 🔑":"P, ""q"""
create table plain (id int, owner text);
alter table plain enable row level security;
create policy whole on plain using (true);
create policy taken_away on plain for delete using (true);
create policy added on plain for insert with check (true);
create policy one_is_one on plain for insert with check (1 = 1);
create policy changed on plain for update using (TRUE) with check (id > 0);
create policy moved on plain for update using (owner = current_user) with check (true);
create policy any_of on plain using (owner = current_user or true);
create policy words on plain for delete using ('a' = 'a');
create policy unequal on plain for delete using ('a' <> 'b');
create policy not_false on plain for delete using (not false);
create policy nested on plain for delete using (id > 1 and id < 3 or (true and (id = 4 or not (1 = 2))));
create policy unsaid on plain for insert;
create policy silent on plain;
create policy anon_may on plain for update to anon, pg_monitor using (true);
create policy less on plain for update using (1 < 2);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int);
alter table "Odd ""Schema"."T, 🔑" enable row level security;
create policy "P, ""q""" on "Odd ""Schema"."T, 🔑" using (true);
--- mend
drop table plain;
alter policy "P, ""q""" on "Odd ""Schema"."T, 🔑" using (id > 0);
