--- near misses
create table doc (id int, owner text);
create table forced (id int);
alter table forced enable row level security;
alter table forced force row level security;
alter table forced owner to pg_monitor;
create view bound as select * from forced;
alter view bound owner to pg_monitor;
create table public_doc (id int);
create view open as select * from public_doc;
create view nothing as select 1 as id;
create view reads_policy as select polname from pg_policy;
create table secured (id int);
alter table secured enable row level security;
create view reader as select * from secured;
alter view reader owner to pg_read_all_stats;
create view writes as select 1 as id;
create rule w as on insert to writes do instead insert into secured values (new.id);
--- broken: public.direct, public.inside, public.joined, public.by_owner, "Odd ""Schema"."V, 🔑"
alter table doc enable row level security;
create view direct as select id from doc;
create view inside as select 1 as n where exists (select from doc);
create view joined as select p.id from public_doc as p left join doc as d on p.id = d.id;
create view behind as select * from direct;
create table owned (id int);
alter table owned enable row level security;
alter table owned owner to pg_monitor;
create view by_owner as select * from owned;
alter view by_owner owner to pg_monitor;
create schema "Odd ""Schema";
create view "Odd ""Schema"."V, 🔑" as select * from doc;
alter view behind set (security_barrier = true);
--- broken since 15: public.off
create view off as select * from doc;
alter view off set (security_invoker = false);
create view asks with (security_invoker = on) as select id from doc;
