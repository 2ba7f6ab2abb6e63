--- parameters: most=5
--- near misses
create table fine (a int, b int, c int, d int, e int);
--- broken: public.wide, public.worn
create table wide (a int, b int, c int, d int, e int, f int);
create table worn (a int, b int, c int, d int, e int);
alter table worn drop column e;
alter table worn add column f int;
--- mend
drop table wide, worn;
