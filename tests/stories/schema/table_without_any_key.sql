--- near misses
create table keyed (id int primary key);
create table unique_only (a int not null unique, b int);
create table included (a int not null, b int);
create unique index on included (a) include (b);
create table root (id int not null, unique (id)) partition by range (id);
create table part partition of root for values from (0) to (10);
create table alembic_version (version_num text);
--- broken: public.keyless, public.nullable, public.partial, public.deferred, public.expression, public.indexed, public.heap, "Odd ""S"."T, x"
create table keyless (a int);
create table nullable (a int unique);
create table partial (a int not null);
create unique index on partial (a) where a > 0;
create table deferred (a int not null unique deferrable);
create table expression (a int not null);
create unique index on expression ((a + 1));
create table indexed (a int not null);
create index on indexed (a);
create table heap (a int) partition by range (a);
create table heap_1 partition of heap for values from (0) to (9);
create schema "Odd ""S";
create table "Odd ""S"."T, x" (a int);
--- mend
alter table keyless add primary key (a);
alter table nullable add primary key (a);
alter table partial add primary key (a);
alter table deferred add primary key (a);
alter table expression add primary key (a);
alter table indexed add primary key (a);
alter table heap add primary key (a);
alter table "Odd ""S"."T, x" add primary key (a);
