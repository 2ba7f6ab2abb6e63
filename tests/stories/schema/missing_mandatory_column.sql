--- parameters: columns=created_at; made_by: text
--- near misses
create table fine (id int primary key, created_at timestamptz, made_by text);
create table one (id int primary key);
create table link (a int references one, b int references one, primary key (a, b));
create table link_of_old (a int references one, said text, b int references one, primary key (a, b));
alter table link_of_old drop column said;
--- broken: public.undated, public.other_type
create table undated (id int primary key, name text, made_by text);
create table other_type (id int primary key, created_at date, made_by int);
--- mend
alter table undated add column created_at timestamptz;
alter table other_type alter column made_by type text;
