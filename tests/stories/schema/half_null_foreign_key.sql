--- near misses
create table parent (a int, b int, primary key (a, b));
create table fine (a int not null, b int not null, foreign key (a, b) references parent);
create table optional (a int not null, b int, foreign key (a, b) references parent);
create table full_match (a int, b int, foreign key (a, b) references parent match full);
create table checked (a int, b int, foreign key (a, b) references parent, check (num_nulls(a, b) in (0, 2)));
create table tested (a int, b int, foreign key (a, b) references parent, check ((a is null) = (b is null)));
create table single (id int primary key);
create table refers (x int references single);
--- broken: public.half:half_a_b_fkey, public.other_check:other_check_a_b_fkey, "Odd ""S"."T, x":"k, 🔑"
create table half (a int, b int, foreign key (a, b) references parent);
create table other_check (a int, b int, c int, foreign key (a, b) references parent, check (a > 0), check (a is null or c > 0));
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("A" int, "b,c" int, constraint "k, 🔑" foreign key ("A", "b,c") references parent);
