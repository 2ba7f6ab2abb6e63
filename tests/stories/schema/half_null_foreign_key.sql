--- near misses
create table parent (a int, b int, primary key (a, b));
create table fine (a int not null, b int not null, foreign key (a, b) references parent);
create table optional (a int not null, b int, foreign key (a, b) references parent);
create table full_match (a int, b int, foreign key (a, b) references parent match full);
create table checked (a int, b int, foreign key (a, b) references parent, check (num_nulls(a, b) in (0, 2)));
create table tested (a int, b int, foreign key (a, b) references parent, check ((a is null) = (b is null)));
create table said (a int, b int, foreign key (a, b) references parent, check ((a is null and b is null) or (a is not null and b is not null)));
create table never (a int, b int, foreign key (a, b) references parent, check (a is not null), check (b is not null));
create table summed (a int, b int, foreign key (a, b) references parent, check ((a is null)::int + (b is null)::int in (0, 2)));
create table not_one (a int, b int, foreign key (a, b) references parent, check (not num_nonnulls(a, b) = 1));
create table both_ways (a int, b int, foreign key (a, b) references parent, check (a is null or b is not null), check (b is null or a is not null));
create table more (a int, b int, k text, foreign key (a, b) references parent, check (k = 'x' and (a is null) = (b is null)));
create table three_parent (a int, b int, c int, primary key (a, b, c));
create table three (a int, b int, c int, foreign key (a, b, c) references three_parent, check ((a is null) = (b is null)), check ((b is null) = (c is null)));
create table seven_parent (a int, b int, c int, d int, e int, f int, g int, primary key (a, b, c, d, e, f, g));
create table seven (a int, b int, c int, d int, e int, f int, g int, foreign key (a, b, c, d, e, f, g) references seven_parent, check (num_nulls(a, b, c, d, e, f, g) in (0, 7)));
create table single (id int primary key);
create table refers (x int references single);
--- broken since 18: public.told_only:told_only_a_b_fkey
create table told_only (a int, b int, foreign key (a, b) references parent, check ((a is null) = (b is null)) not enforced);
--- broken: public.or_true:or_true_a_b_fkey, public.any_number:any_number_a_b_fkey, public.one_of_them:one_of_them_a_b_fkey, public.one_way:one_way_a_b_fkey, public.at_times:at_times_a_b_fkey, public.two_of_three:two_of_three_a_b_c_fkey, public.many:many_a_b_c_d_e_f_g_fkey, public.half:half_a_b_fkey, public.other_check:other_check_a_b_fkey, "Odd ""S"."T, x":"k, 🔑"
create table half (a int, b int, foreign key (a, b) references parent);
create table other_check (a int, b int, c int, foreign key (a, b) references parent, check (a > 0), check (a is null or c > 0));
create table or_true (a int, b int, foreign key (a, b) references parent, check ((a is null) = (b is null) or true));
create table any_number (a int, b int, foreign key (a, b) references parent, check (num_nulls(a, b) >= 0));
create table one_of_them (a int, b int, foreign key (a, b) references parent, check (a is not null or b is not null));
create table one_way (a int, b int, foreign key (a, b) references parent, check (a is null or b is not null));
create table at_times (a int, b int, k text, foreign key (a, b) references parent, check (k = 'x' or (a is null) = (b is null)));
create table two_of_three (a int, b int, c int, foreign key (a, b, c) references three_parent, check ((a is null) = (b is null)));
create table many (a int, b int, c int, d int, e int, f int, g int, foreign key (a, b, c, d, e, f, g) references seven_parent);
create schema "Odd ""S";
create table "Odd ""S"."T, x" ("A" int, "b,c" int, constraint "k, 🔑" foreign key ("A", "b,c") references parent);
