--- near misses
create schema auth;
create function auth.uid() returns uuid language sql stable as 'select null::uuid';
create function auth.jwt() returns jsonb language sql stable as 'select null::jsonb';
create function uid() returns uuid language sql stable as 'select null::uuid';
create table members (id uuid, org int);
create table fine (id uuid, org int, "~B~ current_setting" text);
alter table fine enable row level security;
create policy wrapped on fine using (id = (select auth.uid()));
create policy wrapped_setting on fine using (org::text = (select current_setting('app.org', true)));
create policy claim on fine using (org::text = (select auth.jwt() ->> 'org'));
create policy inner_wrapped on fine using (exists (select from members as m where m.id = (select auth.uid()) and m.org = fine.org));
create policy of_another on fine using (id = uid());
create policy plain on fine using ("~B~ current_setting" = current_user);
create policy literal on fine using ("~B~ current_setting" = 'current_setting(auth.uid())');
create table off (id uuid);
create policy bare on off using (id = auth.uid());
--- broken: public.broken:bare, public.broken:bare_setting, public.broken:checked, public.broken:deep, public.broken:in_exists, public.broken:cast_setting, public.broken:half, "Odd ""Schema"."T, 🔑":"P, ""q"""
create table broken (id uuid, org int);
alter table broken enable row level security;
create policy bare on broken using (id = auth.uid());
create policy bare_setting on broken using (org::text = current_setting('app.org'));
create policy checked on broken for insert with check (id = auth.uid());
create policy deep on broken using (case when org > 1 then coalesce(auth.jwt() ->> 'org', '') = 'x' else true end);
create policy in_exists on broken using (exists (select from members as m where m.id = auth.uid() and m.org = broken.org));
create policy cast_setting on broken using (id = nullif(current_setting('app.user', true), '')::uuid);
create policy half on broken using (id = (select auth.uid()) or org::text = current_setting('app.org', true));
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id uuid);
alter table "Odd ""Schema"."T, 🔑" enable row level security;
create policy "P, ""q""" on "Odd ""Schema"."T, 🔑" using (id = auth.uid());
--- mend
drop table broken;
alter policy "P, ""q""" on "Odd ""Schema"."T, 🔑" using (id = (select auth.uid()));
