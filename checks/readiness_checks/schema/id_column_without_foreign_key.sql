/*---
title: Columns that name another table's row refer to it
subject: column
universe: columns named like the key of a table
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  user_id beside a table users, and no foreign key: rows of users may go and leave orphans that point nowhere, and no
  one will know. A guess by the names, so told and not counted: the column may hold another system's ids.
mend: |
  Look for orphans, decide what becomes of them, then add the key NOT VALID and validate it, which the remedy does, and
  index the column. A key without a delete rule refuses to delete what is referred to.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
-- <name>_id, where one table of the same schema is called <name>, <name>s, <name>es or, for a y, ...ies, and has a
-- primary key of one column of the column's own type.
-- Each side is found first and then joined by hash: by a nested loop this would grow with the square of the tables.
with named as materialized (
    select
        c.relnamespace,
        key.atttypid,
        stem.name,
        pg_catalog.min(c.oid::pg_catalog.int8)::pg_catalog.oid as relid,
        pg_catalog.min(c.relname::pg_catalog.text) as relname,
        pg_catalog.min(key.attname::pg_catalog.text) as key_column
    from pg_catalog.pg_constraint as pk
    inner join pg_catalog.pg_class as c on pk.conrelid = c.oid
    -- a fence: looked up by both columns of the index
    cross join lateral (
        select
            a.attname,
            a.atttypid
        from pg_catalog.pg_attribute as a
        where pk.conrelid = a.attrelid and pk.conkey[1] = a.attnum
        offset 0 -- noqa: AM09
    ) as key
    cross join lateral (
        select c.relname::pg_catalog.text as name
        union
        select pg_catalog.left(c.relname::pg_catalog.text, -1)
        where c.relname like '%s'
        union
        select pg_catalog.left(c.relname::pg_catalog.text, -2)
        where c.relname like '%es'
        union
        select pg_catalog.left(c.relname::pg_catalog.text, -3) || 'y'
        where c.relname like '%ies'
    ) as stem
    where pk.contype = 'p' and pg_catalog.cardinality(pk.conkey) = 1 and not c.relispartition
    group by c.relnamespace, key.atttypid, stem.name
    -- one; of what equals a number the planner expects a two hundredth, and would make the loop
    having pg_catalog.count(*) < 2
),

referring as materialized (
    select
        con.conrelid,
        k.attnum
    from pg_catalog.pg_constraint as con
    cross join lateral pg_catalog.unnest(con.conkey) as k (attnum)
    where con.contype = 'f'
    group by con.conrelid, k.attnum
),

suspect as materialized (
    select
        c.oid,
        c.relnamespace,
        c.relname,
        c.relkind,
        att.attname,
        att.attnum,
        att.atttypid,
        pg_catalog.left(att.attname::pg_catalog.text, -3) as name
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_attribute as att on c.oid = att.attrelid
    where
        c.relkind in ('r', 'p')
        and not c.relispartition
        and att.attnum > 0
        and att.atttypid <> 0 -- a dropped column has no type
        and att.attname like '_%\_id'
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, s.relname, s.attname) as subject,
    s.oid as objid,
    ns.oid as schemaid,
    referring.attnum is not null as ok,
    pg_catalog.format(
        case
            when s.relkind = 'p'
                then
                    E'-- Reads the table under a lock, and fails where a row refers to nothing.\n'
                    'alter table %1$I.%2$I add foreign key (%3$I) references %1$I.%4$I (%5$I);'
            else
                E'-- The second statement fails where a row refers to nothing: mend those rows, then run it again.\n'
                'alter table %1$I.%2$I add constraint %6$I foreign key (%3$I) '
                'references %1$I.%4$I (%5$I) not valid;\n'
                'alter table %1$I.%2$I validate constraint %6$I;'
        end,
        ns.nspname,
        s.relname,
        s.attname,
        named.relname,
        named.key_column,
        'readiness_fk_' || s.oid || '_' || s.attnum
    ) as remedy,
    named.relname as like_key_of
from suspect as s
inner join pg_catalog.pg_namespace as ns on s.relnamespace = ns.oid
inner join named
    on
        s.relnamespace = named.relnamespace
        and s.name = named.name
        and s.atttypid = named.atttypid
        and s.oid <> named.relid
left join referring on s.oid = referring.conrelid and s.attnum = referring.attnum
where
    -- a child has the key itself from its parent, not a reference to it
    not exists (
        select
        from pg_catalog.pg_inherits as i
        where i.inhrelid = s.oid and i.inhparent = named.relid
    )
order by subject
