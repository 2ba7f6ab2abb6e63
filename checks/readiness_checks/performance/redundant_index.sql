/*---
title: No index is just the beginning of another
subject: index
universe: plain btree indexes
priority: P2
effort: S
credit: ratio
why: |
  A btree index on (a, b) answers every query that one on (a) answers. The shorter one costs room, cache, and work for
  every row that is written, and adds a little speed at most, where the longer one is very much larger.
mend: |
  Drop the shorter one, on a large and busy table after a look at its use (pg_stat_user_indexes, on standbys too). No
  row is lost, and building it anew takes one statement.
links:
  - https://www.postgresql.org/docs/current/indexes-multicolumn.html
---*/
-- Neither unique nor with INCLUDE columns, no constraint's: such indexes do more than find rows. The longer one is
-- valid, has the same condition, and begins with the same columns or expressions, operator classes, collations, order.
-- Exact doubles: performance/duplicate-index. Partitions: an index attached to its parent's is its parent's subject.
with described as (
    select
        ix.indexrelid,
        ix.indrelid,
        ix.indisunique,
        ix.indnkeyatts,
        ix.indnatts,
        ic.relname,
        ic.relnamespace,
        ic.relkind,
        ic.relpages,
        not (
            ix.indisunique or ix.indisexclusion or ix.indnatts > ix.indnkeyatts or ic.relispartition
        ) as plain,
        -- each with a space behind it, so that a beginning ends where an item does
        ix.indkey::pg_catalog.text || ' ' as columns,
        ix.indclass::pg_catalog.text || ' ' as classes,
        ix.indcollation::pg_catalog.text || ' ' as collations,
        ix.indoption::pg_catalog.text || ' ' as options,
        ix.indkey[0] as first_column,
        ix.indexprs,
        ix.indpred
    from pg_catalog.pg_index as ix
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    where
        ic.relam = 403 -- btree, on every version
        and ix.indisvalid
        and ix.indisready
        and ix.indislive
        and ic.relpersistence <> 't'
),

-- What numbers say comes first: expressions and conditions are long texts, compared where all else agrees.
pair as materialized (
    select
        s.indexrelid,
        s.indexprs,
        s.indpred,
        l.relname as by_name,
        l.relpages as by_pages,
        l.indexprs as by_indexprs,
        l.indpred as by_indpred
    from described as s
    inner join described as l on s.indrelid = l.indrelid and s.first_column = l.first_column
    where
        s.plain
        and s.indexrelid <> l.indexrelid
        and s.indnkeyatts <= l.indnkeyatts
        and (s.indnkeyatts < l.indnkeyatts or l.indisunique or l.indnatts > l.indnkeyatts)
        and pg_catalog.starts_with(l.columns, s.columns)
        and pg_catalog.starts_with(l.classes, s.classes)
        and pg_catalog.starts_with(l.collations, s.collations)
        and pg_catalog.starts_with(l.options, s.options)
),

covered as (
    select
        p.indexrelid,
        pg_catalog.min(p.by_name::pg_catalog.text) as by_name,
        pg_catalog.min(p.by_pages) as by_pages
    from pair as p
    cross join lateral (
        -- an expression stands as 0 among the columns, and in this list at its turn
        select
            coalesce(pg_catalog.regexp_replace(p.indexprs::pg_catalog.text, noise.words, '', 'g'), '') as shorter,
            coalesce(pg_catalog.regexp_replace(p.by_indexprs::pg_catalog.text, noise.words, '', 'g'), '') as longer,
            coalesce(pg_catalog.regexp_replace(p.indpred::pg_catalog.text, noise.words, '', 'g'), '') as condition,
            coalesce(pg_catalog.regexp_replace(p.by_indpred::pg_catalog.text, noise.words, '', 'g'), '') as by_condition
        from (select ':(\w*location|\w*format|list_start|list_end) -?\d+' as words) as noise
    ) as told
    where
        told.condition = told.by_condition
        and pg_catalog.starts_with(pg_catalog.rtrim(told.longer, ')'), pg_catalog.rtrim(told.shorter, ')'))
    group by p.indexrelid
)

select
    pg_catalog.format('%I.%I', ns.nspname, d.relname) as subject,
    d.indrelid as objid,
    ns.oid as schemaid,
    covered.indexrelid is null as ok,
    case
        when covered.indexrelid is null then null
        -- CONCURRENTLY is not for indexes of partitioned tables
        when d.relkind = 'I' then pg_catalog.format('drop index %I.%I;', ns.nspname, d.relname)
        else pg_catalog.format('drop index concurrently %I.%I;', ns.nspname, d.relname)
    end as remedy,
    case
        when covered.indexrelid is not null
            then (
                select pg_catalog.format('%I.%I', ns.nspname, c.relname)
                from pg_catalog.pg_class as c
                where c.oid = d.indrelid
            )
    end as on_table,
    case when covered.indexrelid is not null then pg_catalog.format('%I.%I', ns.nspname, covered.by_name) end as begins,
    d.relpages as pages,
    covered.by_pages as pages_of_the_longer
from described as d
inner join pg_catalog.pg_namespace as ns on d.relnamespace = ns.oid -- its table's too
left join covered on d.indexrelid = covered.indexrelid
where d.plain
order by subject
