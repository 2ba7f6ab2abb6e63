--- near misses
create table flat (id int primary key, a int, b int, unique (a, b));
create table included (id int, n int, primary key (id) include (n));
create table no_key (a int, b int, unique (a, b));
create table schema_migrations (a int, b int, primary key (a, b));
--- broken: public.pair, public.cube, public.root, "Odd ""Schema"."T, x"
create table pair (a int, b int, primary key (a, b));
create table cube (a int, b int, c int, d int, e int, f int, primary key (a, b, c, d, e, f));
create table root (a int, b int, primary key (a, b)) partition by range (b);
create table part partition of root for values from (0) to (10);
create schema "Odd ""Schema";
create table "Odd ""Schema"."T, x" ("a, b" int, c int, primary key ("a, b", c));
--- mend
drop table pair, cube, root, "Odd ""Schema"."T, x";
