--- near misses
create table tenants (id int primary key);
create table a (tenant int, id int, primary key (tenant, id));
create table b (tenant int, id int, primary key (tenant, id));
create table composite (tenant int, a int, b int, foreign key (tenant, a) references a, foreign key (tenant, b) references b);
create table twice (x int references tenants, constraint again foreign key (x) references tenants);
create table parted (id int primary key) partition by range (id);
create table parted_1 partition of parted for values from (0) to (10);
create table points (x int references parted);
--- broken: public."both":one, public."both":two
create table other (id int primary key);
create table "both" (x int, constraint one foreign key (x) references tenants, constraint two foreign key (x) references other);
--- mend
alter table "both" drop constraint two;
