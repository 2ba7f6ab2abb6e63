--- near misses
create table a (owner int, code int, size int);
create table b (owner int, code text, size int);
create table c (owner int);
create table two (more int);
create table three (more text);
create table e1 (value int);
create table e2 (value int);
create table e3 (value text);
create schema readiness;
comment on schema readiness is 'readiness (the tool): evidence of audits';
create table readiness.kept (owner text);
--- broken: public.d.owner, public.e.size
create table d (owner text, size int);
create table e (size varchar(3));
--- mend
alter table d alter column owner type int using owner::int;
alter table e alter column size type int using size::int;
