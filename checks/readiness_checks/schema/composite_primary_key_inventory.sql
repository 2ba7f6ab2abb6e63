/*---
title: Tables keyed by several columns, for information
subject: table
universe: tables keyed by several columns
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  An inventory, not a defect: which tables have a key of more than one column. Tables that join two others, and
  partitioned ones, want just that; object mappers and foreign keys that refer to such a table are clumsier for it.
mend: |
  Nothing to mend.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS
---*/
-- Partitions: the root stands for them.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    false as ok,
    pg_catalog.cardinality(pk.conkey) as column_count,
    key_columns.list as key_columns
from pg_catalog.pg_constraint as pk
inner join pg_catalog.pg_class as c on pk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select pg_catalog.string_agg(pg_catalog.quote_ident(att.attname), ', ' order by k.place) as list
    from pg_catalog.unnest(pk.conkey) with ordinality as k (attnum, place)
    inner join pg_catalog.pg_attribute as att on pk.conrelid = att.attrelid and k.attnum = att.attnum
) as key_columns
where
    pk.contype = 'p'
    and pg_catalog.cardinality(pk.conkey) > 1
    and not c.relispartition
order by subject
