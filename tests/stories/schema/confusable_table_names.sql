--- near misses
create table user_roles (id int);
create table user_rules (id int);
create schema other;
create table other.userroles (id int);
create table "🔑" (id int);
create table "🐘" (id int);
--- broken: public."userRoles", public.user_roles
create table "userRoles" (id int);
--- mend
alter table "userRoles" rename to archived_roles;
