--- near misses
create table plain (id int, v text);
create table tuned (id int) with (autovacuum_vacuum_scale_factor = 0.01);
create table switched_on (id int) with (autovacuum_enabled = on);
create temporary table scratch (id int) with (autovacuum_enabled = off);
create table root (id int) partition by range (id);
--- broken: public.switched_off, public.by_word, public.of_toast, public.twice, public.part, "Odd ""Schema"."T, 🔑"
create table switched_off (id int) with (autovacuum_enabled = off);
create table by_word (id int) with (autovacuum_enabled = 'FALSE');
create table of_toast (v text) with (toast.autovacuum_enabled = false);
create table twice (v text) with (autovacuum_enabled = 0, toast.autovacuum_enabled = 0);
create table part partition of root for values from (0) to (10) with (autovacuum_enabled = no);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, 🔑" (id int) with (autovacuum_enabled = off);
