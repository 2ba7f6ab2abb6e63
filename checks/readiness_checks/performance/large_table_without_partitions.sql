/*---
title: Very large tables are partitioned
subject: table
universe: tables that hold rows
priority: info
effort: L
credit: ratio
why: |
  Old rows leave a partitioned table with one DROP, and vacuum, reindexing and a restore take it part by part. In one
  piece a delete of last year's rows is millions of dead ones. A hint by number of rows: a table that only grows by what
  it is asked for may do without.
mend: |
  Partition by what the rows leave by, mostly time, before the table is larger still: make the partitioned table beside
  it, move the rows in steps, change the names in one transaction.
links:
  - https://www.postgresql.org/docs/current/ddl-partitioning.html
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relispartition
    or greatest(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid)) < coalesce(
        nullif(pg_catalog.current_setting('readiness.rows', true), ''), '50000000'
    )::pg_catalog.int8 as ok,
    greatest(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid)) as estimated_rows
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where c.relkind = 'r' and c.relpersistence <> 't'
order by subject
