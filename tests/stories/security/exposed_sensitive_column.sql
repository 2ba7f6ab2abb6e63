--- near misses
do $$ begin
    if not exists (select from pg_roles where rolname = 'anon') then create role anon nologin; end if;
    if not exists (select from pg_roles where rolname = 'authenticated') then create role authenticated nologin; end if;
end $$;
create table mine (id int, password text);
create table locked (id int, password text);
grant select on locked to public;
alter table locked enable row level security;
create table others_columns (id int, name text, password text);
grant select (id, name) on others_columns to public;
create table harmless (
    token_count int, password_changed_at timestamptz, has_password bool, passwordless text, secretary text, is_secret bool,
    tokens_used int, description text, password_hint_shown_on date, pin text, compass text, spin_otp_count int
);
grant select on harmless to public;
create schema backstage;
create table backstage.token (api_key text);
grant select on backstage.token to public;
create view shown as select ''::text as password;
grant select on shown to public;
create table written (password text);
grant insert on written to public;
create table dropped (id int, password text);
grant select on dropped to public;
alter table dropped drop column password;
--- broken: public.member.password, public.member.ssn, public.member."userPassword", public.member."API-Key", public.member.password_hash, public.member.refresh_token, public.member.backup_codes, public.charge.credit_card, public.charge.cvv, public.charge.card_number, public.by_column.secret_token, "Odd ""Schema"."T, 🔑"."SECRET"
create table member (
    id int, handle text, password text, ssn text, "userPassword" text, "API-Key" text, password_hash bytea,
    refresh_token uuid, backup_codes text[]
);
grant select on member to public;
create table charge (id int, credit_card text, cvv int, card_number bigint, amount numeric);
grant select on charge to anon;
create table by_column (id int, secret_token text);
grant select (secret_token) on by_column to public;
create schema "Odd ""Schema";
grant usage on schema "Odd ""Schema" to public;
create table "Odd ""Schema"."T, 🔑" ("SECRET" text);
grant select on "Odd ""Schema"."T, 🔑" to public;
