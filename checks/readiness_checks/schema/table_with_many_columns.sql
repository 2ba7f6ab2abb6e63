/*---
title: No table comes near the most columns that a table may have
subject: table
universe: tables
priority: P2
effort: L
credit: ratio
why: |
  A table takes 1,600 columns, dropped ones counted, and a row must fit a page of 8 kB: with wide columns the end comes
  at some hundreds. Dropped columns stay for ever, so a migration that adds and drops a column every night gets there.
mend: |
  Split what is used apart into tables of their own, or keep rarely used attributes in jsonb. Dropped columns go when
  the table is written anew: create it like the old one, copy, and swap.
links:
  - https://www.postgresql.org/docs/current/limits.html
---*/
-- Numbers that were given, dropped columns among them (attnums), past readiness.most.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relnatts <= coalesce(
        nullif(pg_catalog.current_setting('readiness.most', true), ''), '400'
    )::pg_catalog.int4 as ok,
    c.relnatts as columns_with_dropped
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
order by subject
