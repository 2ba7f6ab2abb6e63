/*---
title: Large indexes are read often enough for what they cost
subject: index
universe: indexes for reading
priority: info
effort: M
credit: ratio
why: |
  Every row that is written is written into each index too. A large one that is read once for ten thousand writes may
  serve the one report of the night, which could do without, or read another. Indexes that no query ever read are
  performance/unused-index's.
mend: |
  See which query reads it (pg_stat_statements, explain), and whether a smaller one would do: partial, BRIN, fewer
  columns. The counters reach back as far as counted_for_days says, and know nothing of the standbys' queries.
links:
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW
---*/
-- Unique, excluding and replica identity indexes enforce something. Pages as the last vacuum or analyze counted them.
with bound as materialized (
    select
        pg_catalog.current_setting('track_counts')::pg_catalog.bool as counting,
        coalesce(
            nullif(pg_catalog.current_setting('readiness.megabytes', true), ''), '100'
        )::pg_catalog.int8 * 1048576 / pg_catalog.current_setting('block_size')::pg_catalog.int8 as pages,
        coalesce(
            nullif(pg_catalog.current_setting('readiness.writes_a_read', true), ''), '10000'
        )::pg_catalog.int8 as writes_a_read,
        pg_catalog.round(extract(
            epoch from pg_catalog.clock_timestamp()
            - coalesce(pg_catalog.pg_stat_get_db_stat_reset_time(d.oid), pg_catalog.pg_postmaster_start_time())
        )::pg_catalog.numeric / 86400, 1)::pg_catalog.float8 as counted_for_days
    from pg_catalog.pg_database as d
    where d.datname = pg_catalog.current_database()
)

select
    pg_catalog.format('%I.%I', ns.nspname, ic.relname) as subject,
    ix.indrelid as objid,
    ns.oid as schemaid,
    case
        when bound.counting
            then ic.relpages < bound.pages
            or counted.scans = 0
            or counted.writes < counted.scans * bound.writes_a_read
    end as ok,
    'not_configured' as unseen,
    'alter system set track_counts = on; select pg_catalog.pg_reload_conf();' as unlock,
    case
        when ic.relpages >= bound.pages
            then (
                select pg_catalog.format('%I.%I', ns.nspname, c.relname)
                from pg_catalog.pg_class as c
                where c.oid = ix.indrelid
            )
    end as on_table,
    counted.scans,
    counted.writes as writes_to_the_table,
    ic.relpages as pages,
    bound.counted_for_days
from pg_catalog.pg_index as ix
inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
inner join pg_catalog.pg_namespace as ns on ic.relnamespace = ns.oid -- its table's too
cross join bound
cross join lateral (
    -- not asked of the small ones, which are most
    select
        case when ic.relpages >= bound.pages then pg_catalog.pg_stat_get_numscans(ic.oid) end as scans,
        case
            when ic.relpages >= bound.pages
                then pg_catalog.pg_stat_get_tuples_inserted(ix.indrelid)
                + pg_catalog.pg_stat_get_tuples_updated(ix.indrelid)
                - pg_catalog.pg_stat_get_tuples_hot_updated(ix.indrelid)
        end as writes
) as counted
where
    ic.relkind = 'i'
    and ic.relpersistence <> 't'
    and not ix.indisunique
    and not ix.indisexclusion
    and not ix.indisreplident
order by subject
