/*---
title: Columns of jsonb, for information
subject: column
universe: columns of jsonb
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  An inventory, not a defect: where documents lie inside rows. What is asked for often, or has to hold for every row,
  is better off as a column with a type and a constraint; what is searched inside wants a GIN index.
mend: |
  Nothing to mend.
links:
  - https://www.postgresql.org/docs/current/datatype-json.html#JSON-INDEXING
---*/
-- Domains and arrays are looked through. Partitions: the root's columns stand for theirs.
with recursive held (type) as (
    select t.oid
    from pg_catalog.pg_type as t
    where t.oid = 'pg_catalog.jsonb'::pg_catalog.regtype
    union all
    select t.oid
    from held
    inner join pg_catalog.pg_type as t
        on held.type = case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem end
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    false as ok,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type,
    gin.attnum is not null as has_gin_index
from pg_catalog.pg_attribute as att
inner join held on att.atttypid = held.type
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join (
    select distinct
        ix.indrelid,
        key.attnum::pg_catalog.int2 as attnum
    from pg_catalog.pg_class as ic
    inner join pg_catalog.pg_index as ix on ic.oid = ix.indexrelid
    cross join lateral pg_catalog.unnest(
        pg_catalog.string_to_array(ix.indkey::pg_catalog.text, ' ')
    ) as key (attnum)
    where ic.relam = 2742 -- gin, on every version
) as gin on att.attrelid = gin.indrelid and att.attnum = gin.attnum
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid = any (array(select h.type from held as h)) -- told by the column alone, before any join
order by subject
