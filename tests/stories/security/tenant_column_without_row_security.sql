--- parameters: tenant_columns=tenant_id
--- near misses
create table fine (id int, tenant_id int);
alter table fine enable row level security;
create table other (id int, tenant_ident int, tenants text);
create table dropped (id int, tenant_id int);
alter table dropped drop column tenant_id;
create view shown as select 1 as tenant_id;
create table root (id int, tenant_id int) partition by range (id);
alter table root enable row level security;
create table part partition of root for values from (0) to (10);
--- broken: public.open, public.open_root, "Odd ""Schema"."T, 🔑"
create table open (id int, tenant_id int);
create table open_root (id int, tenant_id int) partition by range (id);
create table open_part partition of open_root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (tenant_id int);
--- mend
alter table open enable row level security;
alter table open_root enable row level security;
alter table "Odd ""Schema"."T, 🔑" enable row level security;
