/*---
title: Every embedding column of a large table has a vector index
subject: column
universe: embedding columns
priority: P1
effort: M
credit: ratio
why: |
  Without an IVFFlat or HNSW index every search for the nearest embeddings computes the distance to every row. That is
  exact and quick for a few thousand rows, and takes seconds for a million.
mend: |
  Create an HNSW index whose operator class is that of the distance which the queries ask for: vector_cosine_ops for
  <=>, vector_l2_ops for <->, vector_ip_ops for <#>; with another one it is never used. It is approximate:
  hnsw.ef_search sets how much it looks at. Let maintenance_work_mem hold the graph while it is built.
links:
  - https://github.com/pgvector/pgvector#indexing
---*/
-- Columns of pgvector's types, by their names; whatever access method indexes them in another than btree's or hash's
-- way serves. Partitions: their root is the subject.
-- Which distance the queries ask for isn't in the catalog: the operator classes that are there are told.
select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    its.ok,
    case
        when not its.ok
            then
                pg_catalog.format(
                    case
                        -- CONCURRENTLY is not for partitioned tables
                        when c.relkind = 'p' then 'create index %I on %I.%I using hnsw (%I %I);'
                        else 'create index concurrently %I on %I.%I using hnsw (%I %I);'
                    end,
                    -- as Postgres would name it, with the next number where it is taken
                    (
                        select
                            base.name || coalesce(
                                pg_catalog.max(
                                    coalesce(
                                        nullif(pg_catalog.substring(taken.relname::pg_catalog.text, '\d*$'), ''), '0'
                                    )::pg_catalog.int4 + 1
                                ) filter (where taken.oid is not null)::pg_catalog.text, ''
                            )
                        from (
                            select
                                -- cut to 56 bytes
                                pg_catalog.substr(
                                    pg_catalog.format(
                                        '_______%s_%s', c.relname, att.attname
                                    )::pg_catalog.name::pg_catalog.text,
                                    8
                                ) || '_idx' as name
                        ) as base
                        left join pg_catalog.pg_class as taken
                            on
                                taken.relnamespace = ns.oid
                                and taken.relname >= base.name::pg_catalog.name
                                and taken.relname < (base.name || ':')::pg_catalog.name
                                and pg_catalog.substr(
                                    taken.relname::pg_catalog.text, pg_catalog.length(base.name) + 1
                                ) ~ '^\d{0,3}$'
                        group by base.name
                    ),
                    ns.nspname,
                    c.relname,
                    att.attname,
                    t.typname || '_cosine_ops'
                )
    end as remedy,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type,
    size.estimated_rows,
    served.operator_classes
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_type as t on att.atttypid = t.oid
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    -- -1 is "never analyzed": then what the statistics have counted
    select greatest(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid)) as estimated_rows
) as size
left join (
    select
        ix.indrelid,
        key.attnum,
        pg_catalog.array_agg(distinct oc.opcname::pg_catalog.text) as operator_classes
    from pg_catalog.pg_index as ix
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    inner join pg_catalog.pg_am as am on ic.relam = am.oid
    cross join lateral pg_catalog.generate_series(1, ix.indnkeyatts) as k (place)
    cross join lateral (
        select
            pg_catalog.split_part(ix.indkey::pg_catalog.text, ' ', k.place)::pg_catalog.int2 as attnum,
            pg_catalog.split_part(ix.indclass::pg_catalog.text, ' ', k.place)::pg_catalog.oid as opclass
    ) as key
    inner join pg_catalog.pg_opclass as oc on key.opclass = oc.oid
    where ix.indisvalid and ix.indpred is null and am.amname not in ('btree', 'hash')
    group by ix.indrelid, key.attnum
) as served on att.attrelid = served.indrelid and att.attnum = served.attnum
cross join lateral (
    select
        served.operator_classes is not null
        or size.estimated_rows < coalesce(
            nullif(pg_catalog.current_setting('readiness.rows', true), ''), '10000'
        )::pg_catalog.int8 as ok
) as its
where
    t.typname in ('vector', 'halfvec', 'sparsevec')
    and t.typtype = 'b'
    and att.attnum > 0
    and not att.attisdropped
    and c.relkind in ('r', 'p', 'm')
    and not c.relispartition
    and c.relpersistence <> 't'
order by subject
