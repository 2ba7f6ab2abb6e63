/*---
title: Every foreign key has the type of the key that it refers to
subject: constraint
universe: foreign keys
priority: P1
effort: M
credit: ratio
why: |
  A foreign key may be declared between types that differ and can be compared, int beside bigint say. The narrower side
  overflows first: inserts fail one day although both tables look healthy. Until then every join and every check of the
  constraint converts, and the planner may refuse an index. A shorter or longer varchar(n), and a domain over the same
  type, are the same type here.
mend: |
  Give the referring column the type of the referred one (or both the wider type) in one ALTER TABLE. On a large table
  do it in steps: a new column, filled in batches, then swapped. Partition keys, and columns that views, policies or
  generated columns use, need those dropped and made again.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
-- Partitions: a key that a partition inherited is its parent's subject.
-- Domains: compared by the type below them. Arrays can't hide a difference: an array has a type of its own.
with recursive domain_base as (
    select
        d.oid,
        d.typbasetype as base
    from pg_catalog.pg_type as d
    where d.typtype = 'd'
    union all
    select
        below.oid,
        t.typbasetype
    from domain_base as below
    inner join pg_catalog.pg_type as t on below.base = t.oid and t.typtype = 'd'
),

base_type as (
    select
        d.oid,
        d.base
    from domain_base as d
    inner join pg_catalog.pg_type as t on d.base = t.oid and t.typtype <> 'd'
),

pair as (
    select
        fk.oid as constraint_oid,
        k.place,
        mine.attname as column_name,
        mine.atttypid as column_type,
        mine.atttypmod as column_typmod,
        theirs.attname as referred_column,
        theirs.atttypid as referred_type,
        theirs.atttypmod as referred_typmod,
        coalesce(my_base.base, mine.atttypid) <> coalesce(their_base.base, theirs.atttypid) as differ
    from pg_catalog.pg_constraint as fk
    cross join lateral pg_catalog.unnest(fk.conkey) with ordinality as k (attnum, place)
    -- fences: looked up by both columns of the index, however many columns the planner takes a key to have
    cross join lateral (
        select a.*
        from pg_catalog.pg_attribute as a
        where fk.conrelid = a.attrelid and k.attnum = a.attnum
        offset 0 -- noqa: AM09
    ) as mine
    cross join lateral (
        select a.*
        from pg_catalog.pg_attribute as a
        where fk.confrelid = a.attrelid and fk.confkey[k.place] = a.attnum
        offset 0 -- noqa: AM09
    ) as theirs
    left join base_type as my_base on mine.atttypid = my_base.oid
    left join base_type as their_base on theirs.atttypid = their_base.oid
    where fk.contype = 'f' and fk.conparentid = 0
),

compared as (
    select
        pair.constraint_oid,
        not pg_catalog.bool_or(pair.differ) as ok,
        pg_catalog.string_agg(
            pg_catalog.format(
                '%I %s refers to %I %s',
                pair.column_name,
                pg_catalog.format_type(pair.column_type, pair.column_typmod),
                pair.referred_column,
                pg_catalog.format_type(pair.referred_type, pair.referred_typmod)
            ),
            ', ' order by pair.place
        ) filter (where pair.differ) as differences
    from pair
    group by pair.constraint_oid
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, fk.conname) as subject,
    fk.conrelid as objid,
    ns.oid as schemaid,
    compared.ok,
    pg_catalog.format('%I.%I', parent_ns.nspname, parent.relname) as refers_to,
    compared.differences
from compared
inner join pg_catalog.pg_constraint as fk on compared.constraint_oid = fk.oid
inner join pg_catalog.pg_class as c on fk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_class as parent on fk.confrelid = parent.oid
inner join pg_catalog.pg_namespace as parent_ns on parent.relnamespace = parent_ns.oid
order by subject
