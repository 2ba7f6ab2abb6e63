--- near misses
create schema auth;
create function auth.jwt() returns jsonb language sql stable as 'select null::jsonb';
create table fine (id int, data jsonb, kind text, "user_metadata" text);
alter table fine enable row level security;
create policy by_server on fine using (auth.jwt() -> 'app_metadata' ->> 'role' = 'admin');
create policy a_word on fine using (auth.jwt() ->> 'role' = 'user_metadata');
create policy a_kind on fine using (kind = 'user_metadata' and (auth.jwt() ->> 'role') = 'x');
create policy a_column on fine using ("user_metadata" = (auth.jwt() ->> 'sub'));
create policy own_document on fine using (data -> 'user_metadata' ->> 'role' = 'admin');
create policy within on fine using (auth.jwt() -> 'app_metadata' ->> 'user_metadata' = 'x');
create policy inside on fine using (auth.jwt() #>> '{app_metadata,user_metadata}' = 'x');
create policy longer on fine using (auth.jwt() ->> 'user_metadata_version' = '1');
create table off (id int);
create policy p on off using (auth.jwt() -> 'user_metadata' ->> 'role' = 'admin');
--- broken: public.broken:a, public.broken:b, public.broken:c, public.broken:d, public.broken:e, public.broken:f, public.broken:g, public.broken:h, "Odd ""Schema"."T, 🔑":"P, ""q"""
create table broken (id int);
alter table broken enable row level security;
create policy a on broken using (auth.jwt() -> 'user_metadata' ->> 'role' = 'admin');
create policy b on broken for insert with check ((auth.jwt() #>> '{user_metadata,role}') = 'admin');
create policy c on broken using ((select auth.jwt() -> 'user_metadata' ->> 'role') = 'admin');
create policy d on broken using ((select auth.jwt()) -> 'user_metadata' ->> 'role' = 'admin');
create policy e on broken using (current_setting('request.jwt.claims', true)::jsonb -> 'user_metadata' ->> 'role' = 'x');
create policy f on broken using (id > 1 and coalesce((auth.jwt() -> 'user_metadata' ->> 'admin')::bool, false));
create policy g on broken using (jsonb_extract_path_text(auth.jwt(), 'user_metadata', 'role') = 'admin');
create policy h on broken using (auth.jwt() @> '{"user_metadata": {"role": "admin"}}');
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int);
alter table "Odd ""Schema"."T, 🔑" enable row level security;
create policy "P, ""q""" on "Odd ""Schema"."T, 🔑" using (auth.jwt() -> 'user_metadata' ->> 'role' = 'admin');
--- mend
drop table broken;
drop policy "P, ""q""" on "Odd ""Schema"."T, 🔑";
