/*---
title: Tomorrow's rows have a partition
subject: table
universe: tables partitioned by time
priority: P0
effort: S
credit: ratio
why: |
  A table that is partitioned by time refuses the first row past its last partition: every insert fails, mostly at
  midnight on the first of a month. A default partition takes such rows in, and then stands in the way: the partition
  that should hold them can't be attached before they are moved out.
mend: |
  Create the partitions ahead, by a job that says when it fails. Where the default partition holds rows already: detach
  it, create the partition, and insert the rows again.
links:
  - https://www.postgresql.org/docs/current/ddl-partitioning.html
---*/
-- Range partitions over one column of a date or timestamp type. The bounds are expressions that pg_get_expr() reads
-- behind DDL only: relations that DDL stands before (readiness.locked_relations) are left out, and named by the frame.
with root as (
    select
        c.oid,
        c.relname,
        ns.nspname
    from pg_catalog.pg_partitioned_table as pt
    inner join pg_catalog.pg_class as c on pt.partrelid = c.oid
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    inner join pg_catalog.pg_attribute as att on c.oid = att.attrelid and pt.partattrs[0] = att.attnum
    where
        pt.partstrat = 'r'
        and pt.partnatts = 1
        and not c.relispartition
        and att.atttypid in (
            'pg_catalog.date'::pg_catalog.regtype,
            'pg_catalog.timestamp'::pg_catalog.regtype,
            'pg_catalog.timestamptz'::pg_catalog.regtype
        )
        and c.oid <> all (
            coalesce(
                nullif(pg_catalog.current_setting('readiness.locked_relations', true), ''), '{}'
            )::pg_catalog.oid[]
        )
),

part as materialized (
    select
        i.inhparent as root,
        p.oid,
        p.relname,
        p.relpages,
        p.reltuples,
        pg_catalog.pg_get_expr(p.relpartbound, p.oid) as bound
    from pg_catalog.pg_inherits as i
    inner join root on i.inhparent = root.oid
    inner join pg_catalog.pg_class as p on i.inhrelid = p.oid
    where
        p.oid <> all (
            coalesce(
                nullif(pg_catalog.current_setting('readiness.locked_relations', true), ''), '{}'
            )::pg_catalog.oid[]
        )
),

reach as (
    select
        p.root,
        pg_catalog.bool_or(p.bound = 'DEFAULT') as has_default,
        pg_catalog.bool_or(p.bound = 'DEFAULT' and (p.reltuples > 0 or p.relpages > 0)) as default_has_rows,
        pg_catalog.count(*) filter (where p.bound <> 'DEFAULT') as partitions,
        pg_catalog.max(
            case
                when p.bound like '% TO (MAXVALUE)' then 'infinity'::pg_catalog.timestamptz
                else pg_catalog.substring(p.bound, ' TO \(''(.*)''\)$')::pg_catalog.timestamptz
            end
        ) as until
    from part as p
    group by p.root
)

select
    pg_catalog.format('%I.%I', root.nspname, root.relname) as subject,
    root.oid as objid,
    not coalesce(reach.default_has_rows, false)
    and coalesce(
        reach.until > pg_catalog.now() + pg_catalog.make_interval(
            days => coalesce(nullif(pg_catalog.current_setting('readiness.days_ahead', true), ''), '7')::pg_catalog.int4
        ),
        false
    ) as ok,
    coalesce(reach.partitions, 0) as partitions,
    reach.until::pg_catalog.text as last_partition_ends,
    coalesce(reach.has_default, false) as has_default,
    coalesce(reach.default_has_rows, false) as default_has_rows
from root
left join reach on root.oid = reach.root
order by subject
