/*---
title: Every index is valid
subject: index
universe: indexes
priority: P1
effort: S
credit: ratio
why: |
  An index whose building CONCURRENTLY was cut short stays behind, marked invalid: no query uses it, every write keeps
  it up all the same, and whoever believes that the migration made it is wrong. An index of a partitioned table is
  invalid until each partition has its part.
mend: |
  Build it again, or drop it. Where a unique index could not be built, two rows have the same key: mend these first.
  What REINDEX left under a name that ends in _ccnew or _ccold is a copy, and is dropped. An index of a partitioned
  table becomes valid when the last partition's own is attached: create index concurrently on each, then
  alter index ... attach partition ...
links:
  - https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
  - https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY
---*/
-- One that is being built just now is invalid until it is done. Who may not see progress sees the builder's lock on the
-- table; VACUUM takes the same, so that says only that it isn't known.
-- Partitions: what is invalid on each alone is a subject, attached or not.
with building as (
    select
        p.relid,
        p.index_relid,
        p.command
    from pg_catalog.pg_stat_progress_create_index as p
    where p.datname = pg_catalog.current_database()
),

held as (
    select
        l.relation,
        pg_catalog.bool_or(building.relid is not null) as seen
    from pg_catalog.pg_locks as l
    left join building on l.relation = building.relid
    where
        l.mode = 'ShareUpdateExclusiveLock'
        and l.granted
        and l.pid <> pg_catalog.pg_backend_pid()
        and l.database = (
            select d.oid
            from pg_catalog.pg_database as d
            where d.datname = pg_catalog.current_database()
        )
    group by l.relation
)

select
    pg_catalog.format('%I.%I', ns.nspname, ic.relname) as subject,
    ix.indrelid as objid,
    ns.oid as schemaid,
    case
        when ix.indisvalid then true
        when being.built then true
        -- or dropped, by the lock on itself
        when exists (select from held where held.relation = ix.indexrelid) then true
        when may.see or not exists (select from held where held.relation = ix.indrelid and not held.seen) then false
    end as ok,
    'locked' as unseen,
    case
        when not may.see then pg_catalog.format('grant pg_monitor to %I;', current_user)
    end as unlock,
    case
        when ix.indisvalid then null
        when ic.relkind = 'I' then null -- the partitions' own are built first, see the mend
        when ic.relname ~ '_cc(new|old)\d*$' or not ix.indislive
            then pg_catalog.format('drop index concurrently %I.%I;', ns.nspname, ic.relname)
        else pg_catalog.format(
            '%sreindex index concurrently %I.%I;',
            case
                when ix.indisunique
                    then E'-- Fails where rows share a key, and leaves one more invalid index: mend these first.\n'
            end,
            ns.nspname, ic.relname
        )
    end as remedy,
    case
        when not ix.indisvalid
            then (
                select pg_catalog.format('%I.%I', ns.nspname, c.relname)
                from pg_catalog.pg_class as c
                where c.oid = ix.indrelid
            )
    end as on_table,
    ix.indisunique as is_unique,
    ix.indisready as kept_up_by_writes,
    case when not ix.indisvalid then coalesce(being.built, false) end as being_built
from pg_catalog.pg_index as ix
inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
inner join pg_catalog.pg_namespace as ns on ic.relnamespace = ns.oid -- its table's too
cross join lateral (
    select
        not ix.indisvalid
        and exists (
            select
            from building
            where
                building.index_relid = ix.indexrelid
                or (building.relid = ix.indrelid and building.command ~ '^REINDEX')
        ) as built
) as being
cross join (select pg_catalog.pg_has_role('pg_read_all_stats', 'usage') as see) as may
where ic.relpersistence <> 't'
order by subject
