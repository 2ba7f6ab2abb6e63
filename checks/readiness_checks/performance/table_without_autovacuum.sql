/*---
title: Autovacuum is off for no table
subject: table
universe: tables
priority: P1
effort: S
credit: ratio
why: |
  Somebody switches autovacuum off for one table, for a bulk load, and it stays off: dead rows and old statistics pile
  up there alone, until the one large table is slow and nobody knows why. Only against the end of the transaction ids
  does autovacuum still come by.
mend: |
  Reset the storage parameter. Where autovacuum is too slow for the table, let it come more often
  (autovacuum_vacuum_scale_factor).
links:
  - https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-STORAGE-PARAMETERS
---*/
-- Partitions hold the rows and are subjects; a partitioned root takes no such parameter. TOAST tables have their own.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    not (own.is_off or coalesce(of_toast.is_off, false)) as ok,
    pg_catalog.format(
        'alter table %I.%I reset (%s);', ns.nspname, c.relname,
        pg_catalog.concat_ws(
            ', ',
            case when own.is_off then 'autovacuum_enabled' end,
            case when of_toast.is_off then 'toast.autovacuum_enabled' end
        )
    ) as remedy,
    c.reloptions::pg_catalog.text[] as storage_parameters,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join pg_catalog.pg_class as toast on c.reltoastrelid = toast.oid
cross join lateral (
    select coalesce(pg_catalog.bool_or(o.option ~* '^autovacuum_enabled=(off|false|no|0|f|n|of)$'), false) as is_off
    from pg_catalog.unnest(c.reloptions) as o (option)
) as own
cross join lateral (
    select pg_catalog.bool_or(o.option ~* '^autovacuum_enabled=(off|false|no|0|f|n|of)$') as is_off
    from pg_catalog.unnest(toast.reloptions) as o (option)
) as of_toast
where
    c.relkind in ('r', 'm')
    and c.relpersistence <> 't'
order by subject
