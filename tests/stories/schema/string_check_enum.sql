--- near misses
create type mood as enum ('sad', 'ok');
create domain status as text check (value in ('on', 'off'));
create table codes (code text primary key);
create table fine (
    id int primary key, m mood, many mood[], s status, c text references codes,
    single text check (single = 'a'), single_in text check (single_in in ('a')),
    pattern text check (pattern ~ '^(a|b)$'), likes text check (likes like 'a%' or likes like 'b%'),
    negative text check (negative not in ('a', 'b')), negated text check (not (negated in ('a', 'b'))),
    wrapped text check (upper(wrapped) in ('A', 'B')), upper text check (upper(upper) in ('A', 'B')),
    padded char(1) check (upper(padded) in ('A', 'B')), x text, y text check (length(y) > 2), n int check (n in (1, 2)), present text check (present is not null),
    inner_part text check ((inner_part = 'a' or inner_part = 'b') is not false),
    computed text check (computed in ('a', lower('B'))), unequal text check (unequal <> 'a' or unequal <> 'b'),
    joined text check (joined = 'a' and joined = 'b'), quoted text check (quoted <> ' = ''a'' OR quoted = ''b'''),
    later text check (later in ('a', 'b')), anyway text check (anyway in ('a', 'b') or true), with_null text check (with_null in ('a', 'b', null)), or_null text check (or_null = 'a' or or_null = 'b' or null), brace text check (brace = '{a,b}'), of_null text check (of_null is null)
);
alter table fine add check ((x = 'a' and y = 'b') or (x = 'c' and y = 'd'));
alter table fine drop column later;
create table alembic_version (version_num text check (version_num in ('a', 'b')));
create extension citext;
create table ext_state (a text check (a in ('x', 'y')));
alter extension citext add table ext_state;
--- near misses since 18
create table told_only (s text check (s in ('a', 'b')) not enforced);
--- broken: public.plain.a, public.plain.b, public.plain.c, public.plain.ci, public.plain.d, public.plain.any_text, public.plain.any_array, public.plain.any_varchar, public.plain.unset, public.plain.padded, public.plain.ors, public.plain.nullable, public.plain.null_first, public.plain.swapped, public.plain.hostile, public.plain."D'e, ""f"" 🔑", public.plain.text, public.plain.upper, public.plain.twice, public.plain.late, public.plain.mixed, public.root.s, public.parent.s, public.child.s
create domain word as varchar(9);
create domain word_2 as word;
create table plain (
    id int primary key, a text check (a in ('x', 'y')), b varchar(9) check (b in ('x', 'y')), c char(1) check (c in ('x', 'y')),
    ci citext check (ci in ('x', 'y')), d word_2 check (d in ('x', 'y')), any_text text check (any_text = any ('{x,y}')),
    any_varchar varchar(9) check (any_varchar = any ('{x,y}')), any_array text check (any_array = any (array['x', 'y'])), ors text check (ors = 'x' or ors = 'y' or ors = 'z'),
    nullable varchar check (nullable in ('x', 'y') or nullable is null), null_first text check (null_first is null or null_first in ('x', 'y')),
    swapped text check ('x' = swapped or 'y' = swapped), hostile text check (hostile in ('it''s', E'a\\b', '(x) or ', '"q"', 'a,b', '{}')),
    "D'e, ""f"" 🔑" text check ("D'e, ""f"" 🔑" in ('x', 'y')), text text check (text in ('x', 'y')), upper text check (upper in ('x', 'y')),
    unset bpchar(2) check (unset in ('x', 'y')), padded char(1) check (padded = any (array['x', 'y'])), twice text check (twice in ('x', 'y')) check (twice in ('x', 'z')), late text, mixed text check (mixed = 'x' or mixed in ('y', 'z')), other mood
);
alter table plain add check (late in ('x', 'y')) not valid;
create table root (id int, s text check (s in ('x', 'y'))) partition by range (id);
create table part partition of root for values from (0) to (10);
create table parent (s text check (s in ('x', 'y')));
create table child () inherits (parent);
--- mend
create type letters as enum ('x', 'y');
alter table plain drop constraint plain_a_check;
alter table plain alter column a type letters using a::letters;
alter table plain drop column b, drop column c, drop column ci, drop column d, drop column any_text, drop column any_array, drop column any_varchar, drop column unset, drop column padded, drop column ors;
alter table plain drop column nullable, drop column null_first, drop column swapped, drop column hostile, drop column "D'e, ""f"" 🔑";
alter table plain drop column text, drop column upper, drop column twice, drop column late, drop column mixed;
alter table root drop constraint root_s_check;
alter table parent drop constraint parent_s_check;
