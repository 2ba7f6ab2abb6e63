/*---
title: Every table has a key that tells its rows apart
subject: table
universe: tables
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  Without a primary key or an immediate unique index over columns that can't be null, one row can't be addressed: it
  can't be mended alone, duplicates can't be refused, and logical replication has nothing to find it by. Told beside
  schema/table-without-primary-key, which counts: of its tables these are the ones with no key of any kind.
mend: Find the columns that tell the rows apart, clear up duplicates, and make them the primary key.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS
---*/
-- Partitions: the root stands for them.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    exists (
        select
        from pg_catalog.pg_index as ix
        where
            ix.indrelid = c.oid
            and ix.indisunique
            and ix.indisvalid
            and ix.indimmediate
            and ix.indpred is null
            and ix.indexprs is null
            and (
                ix.indisprimary -- whose columns are never null
                or not exists (
                    select
                    from pg_catalog.unnest(
                        -- int2vector counts from 0, and INCLUDE columns lie behind indnkeyatts
                        (pg_catalog.string_to_array(ix.indkey::text, ' ')::pg_catalog.int2[])[1:ix.indnkeyatts]
                    ) as key (attnum)
                    cross join lateral (
                        select a.attnotnull
                        from pg_catalog.pg_attribute as a
                        where a.attrelid = c.oid and a.attnum = key.attnum
                        -- a fence: looked up by both columns of the index
                        offset 0 -- noqa: AM09
                    ) as att
                    where not att.attnotnull
                )
            )
    ) as ok,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
order by subject
