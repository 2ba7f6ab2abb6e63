/*---
title: The column that a policy compares leads an index
subject: policy
universe: policies that compare a column
priority: P2
effort: S
credit: ratio
why: |
  A policy is a condition on every query of the table. Where it compares tenant_id and no index begins with tenant_id,
  the query of the smallest tenant reads the rows of all. On the day of the beta there are few; with each tenant that
  comes, everybody's queries slow down.
mend: |
  Create an index that begins with the column; where the queries sort or filter by another one, let that follow it.
links:
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
  - https://www.postgresql.org/docs/current/indexes-multicolumn.html
---*/
-- The condition is read as the parser stores it, since pg_get_expr() would wait behind DDL: the columns of the table
-- itself that stand at either side of an operator. One of them is enough: a policy may say more about the same rows.
-- Tables of a few rows are healthy as they are. Partitions go by their root.
with recursive part (root, oid) as (
    select distinct
        p.polrelid as root,
        p.polrelid as oid
    from pg_catalog.pg_policy as p
    union all
    select
        part.root,
        i.inhrelid
    from part
    inner join pg_catalog.pg_inherits as i on part.oid = i.inhparent
),

size as materialized (
    select
        part.root,
        pg_catalog.sum(
            greatest(leaf.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(leaf.oid), 0)
        )::pg_catalog.int8 as estimated_rows
    from part
    inner join pg_catalog.pg_class as leaf on part.oid = leaf.oid
    group by part.root
),

compared as (
    select
        p.oid,
        p.polname,
        p.polrelid,
        (hit.found)[1]::pg_catalog.int2 as attnum
    from pg_catalog.pg_policy as p
    cross join lateral (
        select pg_catalog.regexp_matches(
            p.polqual::pg_catalog.text,
            '[{](?:OPEXPR|SCALARARRAYOPEXPR) [^{}]*:args [(][{](?:RELABELTYPE :arg [{])?'
            || 'VAR :varno 1 :varattno (\d+) [^{}]*:varlevelsup 0',
            'g'
        ) as found
        union all
        select pg_catalog.regexp_matches(
            p.polqual::pg_catalog.text,
            '[}] [{](?:RELABELTYPE :arg [{])?VAR :varno 1 :varattno (\d+) [^{}]*:varlevelsup 0',
            'g'
        ) as found
    ) as hit
    inner join pg_catalog.pg_class as c on p.polrelid = c.oid
    where c.relrowsecurity and not c.relispartition
),

first_key as (
    select
        ix.indrelid,
        ix.indkey[0] as attnum
    from pg_catalog.pg_index as ix
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    where ix.indisvalid and ix.indpred is null
),

judged as (
    select
        compared.oid,
        compared.polname,
        compared.polrelid,
        pg_catalog.bool_or(l.attnum is not null) as led,
        pg_catalog.array_agg(distinct att.attname::pg_catalog.text) as columns
    from compared
    -- what is in no column of the table belongs to a table of a sub-select
    inner join pg_catalog.pg_depend as d
        on
            d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
            and compared.oid = d.objid
            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and compared.polrelid = d.refobjid
            and compared.attnum = d.refobjsubid
    inner join pg_catalog.pg_attribute as att on compared.polrelid = att.attrelid and compared.attnum = att.attnum
    left join first_key as l on compared.polrelid = l.indrelid and compared.attnum = l.attnum
    group by compared.oid, compared.polname, compared.polrelid
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, j.polname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    its.ok,
    case
        when not its.ok and pg_catalog.cardinality(j.columns) = 1
            then
                pg_catalog.format(
                    case
                        -- CONCURRENTLY is not for partitioned tables
                        when c.relkind = 'p' then 'create index %I on %I.%I (%I);'
                        else 'create index concurrently %I on %I.%I (%I);'
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
                                        '_______%s_%s', c.relname, j.columns[1]
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
                    j.columns[1]
                )
    end as remedy,
    j.columns,
    size.estimated_rows
from judged as j
inner join pg_catalog.pg_class as c on j.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join size on c.oid = size.root
cross join lateral (
    select
        j.led or size.estimated_rows < coalesce(
            nullif(pg_catalog.current_setting('readiness.rows', true), ''), '1000'
        )::pg_catalog.int8 as ok
) as its
order by subject
