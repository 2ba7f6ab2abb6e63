--- near misses
create table keyed (id int primary key);
create table by_index (id int not null);
create unique index by_index_id on by_index (id);
alter table by_index replica identity using index by_index_id;
create table full_row (id int);
alter table full_row replica identity full;
create table unpublished (id int);
create table inserts (id int);
create publication p for table keyed, by_index, full_row;
create publication inserts_only for table inserts with (publish = 'insert');
--- broken: public.bare, public.nothing, public.deferred, "Odd ""S"."T, x"
create table bare (id int);
create table nothing (id int primary key);
alter table nothing replica identity nothing;
create table deferred (id int primary key deferrable);
create schema "Odd ""S";
create table "Odd ""S"."T, x" (id int);
create publication q for table bare, nothing, deferred, "Odd ""S"."T, x";
--- mend
alter table bare add primary key (id);
alter table nothing replica identity default;
alter table deferred replica identity full;
alter table "Odd ""S"."T, x" replica identity full;
