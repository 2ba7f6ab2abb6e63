/*---
title: No index is the exact double of another
subject: index
universe: indexes
priority: P1
effort: S
credit: ratio
why: |
  Two indexes with the same method, columns, expressions, operator classes, collations, order and condition answer the
  same queries. The second one answers none more; it costs room, cache, and work for every row that is written. Mostly a
  framework made one for a key that had one already.
mend: |
  Drop one. Kept is the one that more hangs on: a partition of a larger index, a key, what a foreign key or the replica
  identity relies on, else the older. No row is lost.
links:
  - https://www.postgresql.org/docs/current/sql-dropindex.html
---*/
-- Compared as the catalog stores it: pg_get_indexdef() would wait behind DDL, and prints an index's own name. Where in
-- its statement an expression stood, and whether a cast was written out, makes no difference.
-- One unique and the other not: performance/redundant-index. Invalid ones: performance/invalid-index.
-- Partitions: an index attached to its parent's can't be dropped alone, and is its parent's subject.
with alike as materialized (
    -- Only where two indexes of a table have the same columns is there anything to compare.
    select
        ix.indrelid,
        ix.indkey::pg_catalog.text as columns
    from pg_catalog.pg_index as ix
    group by ix.indrelid, ix.indkey::pg_catalog.text
    having pg_catalog.count(*) > 1
),

key as (
    select
        con.conindid,
        pg_catalog.bool_or(con.contype = 'p') as is_primary,
        pg_catalog.min(con.conname::pg_catalog.text) filter (where con.contype in ('p', 'u', 'x')) as name,
        pg_catalog.count(*) filter (where con.contype = 'f') as foreign_keys
    from pg_catalog.pg_constraint as con
    where con.conindid <> 0 and con.contype in ('p', 'u', 'x', 'f')
    group by con.conindid
),

described as (
    select
        ix.indexrelid,
        ix.indrelid,
        ix.indisreplident,
        ic.relispartition,
        key.name as key_name,
        coalesce(key.is_primary, false) as is_primary,
        coalesce(key.foreign_keys, 0) as foreign_keys,
        pg_catalog.concat_ws(
            '|',
            ic.relam, ix.indnkeyatts, ix.indkey, ix.indclass, ix.indcollation, ix.indoption, ix.indisunique,
            -- a column since 15
            case when ix.indisunique then pg_catalog.to_jsonb(ix) ->> 'indnullsnotdistinct' end,
            'of ' || pg_catalog.regexp_replace(
                ix.indexprs::pg_catalog.text, ':(\w*location|\w*format|list_start|list_end) -?\d+', '', 'g'
            ),
            'where ' || pg_catalog.regexp_replace(
                ix.indpred::pg_catalog.text, ':(\w*location|\w*format|list_start|list_end) -?\d+', '', 'g'
            )
        ) as definition,
        ix.indimmediate
    from pg_catalog.pg_index as ix
    inner join alike on ix.indrelid = alike.indrelid and ix.indkey::pg_catalog.text = alike.columns
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    left join key on ix.indexrelid = key.conindid
    where
        ix.indisvalid
        and ix.indisready
        and ix.indislive
        and ic.relpersistence <> 't'
),

ranked as (
    select
        d.indexrelid,
        d.indrelid,
        pg_catalog.first_value(d.indexrelid) over of_one_definition as kept,
        pg_catalog.first_value(d.indimmediate) over of_one_definition as kept_immediate,
        pg_catalog.row_number() over of_one_definition as place
    from described as d
    window of_one_definition as (
        partition by d.indrelid, d.definition
        order by
            d.relispartition desc, d.is_primary desc, d.indimmediate desc, d.key_name is not null desc,
            d.foreign_keys > 0 desc, d.indisreplident desc, d.indexrelid asc
    )
),

-- The names of few, looked up one by one.
twin as materialized (
    select
        r.indexrelid,
        r.kept_immediate,
        r.place,
        (select c.relname from pg_catalog.pg_class as c where c.oid = r.indrelid) as on_table,
        (select c.relname from pg_catalog.pg_class as c where c.oid = r.kept) as kept
    from ranked as r
)

select
    pg_catalog.format('%I.%I', ns.nspname, ic.relname) as subject,
    ix.indrelid as objid,
    ns.oid as schemaid,
    twin.place is null or twin.place = 1 or ix.indisexclusion or coalesce(key.is_primary, false) as ok,
    case
        when twin.place is null or twin.place = 1 then null
        when key.foreign_keys > 0 then null -- these would have to go first
        -- What is told at once today would be told at the commit only, and no ON CONFLICT could name it.
        when ix.indimmediate and not twin.kept_immediate then null
        else
            case
                when ix.indisreplident
                    then pg_catalog.format(
                        E'alter table %I.%I replica identity using index %I;\n', ns.nspname, twin.on_table, twin.kept
                    )
                else ''
            end || case
                when key.name is not null
                    then pg_catalog.format('alter table %I.%I drop constraint %I;', ns.nspname, twin.on_table, key.name)
                -- CONCURRENTLY is not for indexes of partitioned tables
                when ic.relkind = 'I' then pg_catalog.format('drop index %I.%I;', ns.nspname, ic.relname)
                else pg_catalog.format('drop index concurrently %I.%I;', ns.nspname, ic.relname)
            end
    end as remedy,
    case when twin.place > 1 then pg_catalog.format('%I.%I', ns.nspname, twin.on_table) end as on_table,
    case when twin.place > 1 then pg_catalog.format('%I.%I', ns.nspname, twin.kept) end as double_of,
    coalesce(key.foreign_keys, 0) as foreign_keys_that_rely_on_it,
    ic.reloptions::pg_catalog.text[] as storage_parameters
from pg_catalog.pg_index as ix
inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
inner join pg_catalog.pg_namespace as ns on ic.relnamespace = ns.oid -- its table's too
left join key on ix.indexrelid = key.conindid
left join twin on ix.indexrelid = twin.indexrelid
where
    ix.indisvalid
    and ix.indisready
    and ix.indislive
    and ic.relpersistence <> 't'
    and not ic.relispartition
order by subject
