--- near misses
create domain amount_id as int;
create domain amount_id_2 as amount_id check (value > 0);
create table parent (id int primary key, code varchar(50) unique, a bigint, b text, unique (a, b));
create table ok_same (id int primary key, p int references parent);
create table ok_length (id int primary key, c varchar(51) references parent (code));
create table ok_domain (id int primary key, p amount_id_2 references parent);
create table ok_composite (id int primary key, b text, a bigint, foreign key (a, b) references parent (a, b));
create table ok_root (id int, p int references parent) partition by range (id);
create table ok_part partition of ok_root for values from (0) to (10);
create table by_domain (id amount_id primary key);
create table ok_to_domain (p int references by_domain);
create table tags (id int[] primary key);
create table ok_array (t int[] references tags);
--- broken: public.wide:wide_p_fkey, public.varchar_to_text:varchar_to_text_b_fkey, public.second:second_fk, public.root:root_p_fkey, public.domain_other:domain_other_p_fkey, "Odd ""Schema"."T, x":"fk 🔑, ""q"""
create table texts (id text primary key);
create table wide (id int primary key, p bigint references parent);
create table varchar_to_text (b varchar(36) references texts);
create table second (a bigint, b varchar, constraint second_fk foreign key (a, b) references parent (a, b));
create table root (id int, p smallint references parent) partition by range (id);
create table part partition of root for values from (0) to (10);
create domain long_id as bigint;
create table domain_other (p long_id references parent);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("P, p" bigint, constraint "fk 🔑, ""q""" foreign key ("P, p") references public.parent);
--- mend
alter table wide alter column p type int;
alter table varchar_to_text alter column b type text;
alter table second alter column b type text;
alter table root alter column p type int;
alter table domain_other alter column p type int;
alter table "Odd ""Schema"."T, x" alter column "P, p" type int;
