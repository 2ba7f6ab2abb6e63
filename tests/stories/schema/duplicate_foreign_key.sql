--- near misses
create table parent (id int primary key, a int, b int, unique (a, b), unique (b, a));
create table other_parent (id int primary key);
create table two_targets (p int references parent, constraint also foreign key (p) references other_parent);
create table two_columns (p int references parent, q int references parent);
create table self (id int primary key, up int references self);
create table crossed (x int, y int, constraint one foreign key (x, y) references parent (a, b), constraint two foreign key (x, y) references parent (b, a));
create table root (id int, p int references parent) partition by range (id);
create table part partition of root for values from (0) to (10);
--- broken: public.twice:twice_p_fkey, public.twice:again, public.swapped:one, public.swapped:two, public."Twice, ""x""":"a 🔑", public."Twice, ""x""":"b, c", public.part_root:part_root_p_fkey, public.part_root:more, public.leaf_beside:own, public.unvalidated:older, public.unvalidated:newer
create table twice (p int references parent, constraint again foreign key (p) references parent);
create table swapped (x int, y int, constraint one foreign key (x, y) references parent (a, b), constraint two foreign key (y, x) references parent (b, a));
create table "Twice, ""x""" (p int, constraint "a 🔑" foreign key (p) references parent, constraint "b, c" foreign key (p) references parent);
create table part_root (id int, p int references parent, constraint more foreign key (p) references parent) partition by range (id);
create table part_leaf partition of part_root for values from (0) to (10);
create table root_beside (id int, p int, constraint of_root foreign key (p) references parent) partition by range (id);
create table leaf_beside partition of root_beside for values from (0) to (10);
alter table leaf_beside add constraint own foreign key (p) references parent;
create table unvalidated (p int);
alter table unvalidated add constraint older foreign key (p) references parent not valid;
alter table unvalidated add constraint newer foreign key (p) references parent;
