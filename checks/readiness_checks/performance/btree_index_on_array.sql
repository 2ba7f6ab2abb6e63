/*---
title: No btree index has an array for a key
subject: index
universe: btree indexes
priority: info
effort: S
credit: ratio
why: |
  A btree index on an array finds rows whose whole array is equal, or sorts by it. The questions that are asked of
  arrays (does it contain this, do they overlap) it can't answer; a GIN index answers them. A long array doesn't fit
  into a btree at all: the insert fails then.
mend: |
  Ask what the queries ask. For @>, <@ and && make a GIN index (create index concurrently ... using gin (...)) and drop
  the btree index; where the whole array is compared, or must be unique, keep it.
links:
  - https://www.postgresql.org/docs/current/gin.html
---*/
-- INCLUDE columns are no key. Partitions: an index attached to its parent's is its parent's subject.
select
    pg_catalog.format('%I.%I', ns.nspname, ic.relname) as subject,
    ix.indrelid as objid,
    ns.oid as schemaid,
    arrays.list is null as ok,
    case
        when arrays.list is not null
            then (
                select pg_catalog.format('%I.%I', ns.nspname, c.relname)
                from pg_catalog.pg_class as c
                where c.oid = ix.indrelid
            )
    end as on_table,
    arrays.list as array_columns,
    ix.indisunique as is_unique
from pg_catalog.pg_index as ix
inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
inner join pg_catalog.pg_namespace as ns on ic.relnamespace = ns.oid -- its table's too
left join (
    select
        keyed.indexrelid,
        pg_catalog.array_agg(pg_catalog.quote_ident(att.attname) order by key.place) as list
    from pg_catalog.pg_type as t
    inner join pg_catalog.pg_attribute as att on t.oid = att.atttypid
    inner join pg_catalog.pg_index as keyed on att.attrelid = keyed.indrelid and att.attnum = any (keyed.indkey)
    cross join lateral pg_catalog.unnest(
        pg_catalog.string_to_array(keyed.indkey::pg_catalog.text, ' ')::pg_catalog.int2[]
    ) with ordinality as key (attnum, place)
    where t.typcategory = 'A' and att.attnum > 0 and att.attnum = key.attnum and key.place <= keyed.indnkeyatts
    group by keyed.indexrelid
) as arrays on ix.indexrelid = arrays.indexrelid
where
    ic.relam = 403 -- btree, on every version
    and not ic.relispartition
    and ic.relpersistence <> 't'
order by subject
