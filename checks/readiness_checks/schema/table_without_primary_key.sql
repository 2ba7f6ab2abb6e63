/*---
title: Every table has a primary key
subject: table
universe: tables
priority: P0
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  A primary key says which row is which. Without one the same row can be stored twice and then can't be told apart,
  no foreign key has a natural target, and logical replication can't find the row that an UPDATE or DELETE is about.
  A unique constraint is not the same: its columns may be null, and tools and object mappers look for the key itself.
mend: |
  Name the columns that identify a row, make them NOT NULL, and build the key without a long lock:
  create unique index concurrently ... on the table (columns); alter table ... add primary key using index ...;
  Where no columns do, add a uuid column with gen_random_uuid() as its default (this rewrites the table).
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS
  - https://www.postgresql.org/docs/current/logical-replication-publication.html
---*/
-- Partitions: the root stands for them; whether a partition alone has a key says nothing of the whole.
-- A table without any column has nothing to make a key of: schema/table-with-few-columns names it.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    pk.conname is not null as ok,
    -- A plain unique index over NOT NULL columns is a key in all but name. Adopting it is a matter of the catalog; a
    -- partitioned table's can't be adopted, nor one that backs a constraint.
    case
        when c.relkind = 'r' and candidate.adoptable
            then pg_catalog.format(
                E'-- The index takes the name of the constraint that is made of it.\n'
                'alter table %I.%I add primary key using index %I;',
                ns.nspname, c.relname, candidate.name
            )
    end as remedy,
    candidate.name as unique_index,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join pg_catalog.pg_constraint as pk on c.oid = pk.conrelid and pk.contype = 'p'
left join lateral (
    select
        ic.relname as name,
        not exists (
            select
            from pg_catalog.pg_constraint as backed
            where backed.conrelid = ix.indrelid and backed.conindid = ix.indexrelid and backed.contype in ('u', 'x')
        ) as adoptable
    from pg_catalog.pg_index as ix
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    where
        ix.indrelid = c.oid
        and pk.oid is null -- here, so that it isn't even looked for where there is a key
        and ix.indisunique
        and ix.indimmediate
        and ix.indisvalid
        and ix.indpred is null
        and ix.indexprs is null
        -- PRIMARY KEY USING INDEX wants the default sort order
        and '0' = all (pg_catalog.string_to_array(ix.indoption::text, ' '))
        and not exists (
            select
            from pg_catalog.pg_attribute as att
            where
                att.attrelid = ix.indrelid
                and att.attnum = any (
                    (pg_catalog.string_to_array(ix.indkey::text, ' ')::pg_catalog.int2[])[1:ix.indnkeyatts]
                )
                and not att.attnotnull
        )
    order by adoptable desc, ix.indnkeyatts asc, ix.indexrelid asc
    limit 1
) as candidate on true
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and not c.relispartition
    and exists (
        select
        from pg_catalog.pg_attribute as att
        where att.attrelid = c.oid and att.attnum > 0 and not att.attisdropped
    )
order by subject
