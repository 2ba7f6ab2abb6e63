--- near misses
create table told (id int);
comment on table told is 'what it is for';
create table root (id int) partition by range (id);
comment on table root is 'what it is for';
create table part partition of root default;
create view v as select 1 as x;
create table schema_migrations (version text);
--- broken: public.untold, "Odd ""S"."T, x"
create table untold (id int);
comment on column untold.id is 'a column says it, the table does not';
create schema "Odd ""S";
create table "Odd ""S"."T, x" (id int);
--- mend
comment on table untold is 'told';
comment on table "Odd ""S"."T, x" is 'told';
