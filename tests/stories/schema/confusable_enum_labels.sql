--- near misses
create type fine as enum ('a', 'b', 'ab', 'in progress', 'progress in');
--- broken: public.twice, "Odd ""S"."T, x"
create type twice as enum ('in_progress', 'done', 'In Progress');
create schema "Odd ""S";
create type "Odd ""S"."T, x" as enum ('A', 'a');
--- mend
alter type twice rename value 'In Progress' to 'unused';
alter type "Odd ""S"."T, x" rename value 'A' to 'unused';
