--- near misses
create table fine (id uuid primary key, user_uuid uuid, uuid_source text, code varchar(36), fluid text, uuid_count int);
create table short (id varchar(20) primary key);
create table flyway_schema_history (installed_rank int primary key, uuid text);
--- broken: public.sized.id, public.named.user_uuid, public.named.guid, "Odd ""S"."T, x".the_uuid
create table sized (id char(36) primary key);
create table named (id int primary key, user_uuid text, guid varchar);
create schema "Odd ""S";
create table "Odd ""S"."T, x" (the_uuid text);
--- mend
alter table sized alter column id type uuid using id::uuid;
alter table named alter column user_uuid type uuid using user_uuid::uuid, alter column guid type uuid using guid::uuid;
alter table "Odd ""S"."T, x" alter column the_uuid type uuid using the_uuid::uuid;
