/*---
title: Every table has more than one column
subject: table
universe: tables
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  A table of one column can say that a value exists and nothing about it; a table of none says nothing at all. A list
  of allowed words may want just that. Often, though, it is the remains of a refactoring, or a test.
mend: |
  Drop it, give it what it should say of its rows, or leave it as the list that it is.
links:
  - https://www.postgresql.org/docs/current/ddl-basics.html
---*/
-- Dropped columns don't count. Partitions: the root stands for them.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relnatts - coalesce(dropped.columns, 0) > 1 as ok,
    c.relnatts - coalesce(dropped.columns, 0) as columns
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join (
    select
        a.attrelid,
        pg_catalog.count(*) as columns
    from pg_catalog.pg_attribute as a
    where a.atttypid = 0 and a.attnum > 0 -- a dropped column has no type
    group by a.attrelid
) as dropped on c.oid = dropped.attrelid
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and not c.relispartition
order by subject
