/*---
title: No large table is read from end to end all day
subject: table
universe: tables that hold rows
priority: info
effort: M
credit: ratio
why: |
  A sequential scan of a large table is right for a report, and wrong for what services ask all day: each costs time in
  proportion to the table, and pushes out of the cache what others need. Where it happens a hundred times a day, an
  index is missing, or a condition is written so that none can be used. Which statement, the counters don't tell.
mend: |
  Find the statement by pg_stat_statements (many blocks a call, few rows), explain it, and index what it filters by.
links:
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW
---*/
-- Rows that scans returned, in multiples of the table, by day: a scan that ends early (limit) counts for what it read.
-- The window begins with stats_reset, or at the earliest with the server's start; one shorter than a day counts as one.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case
        when pg_catalog.current_setting('track_counts')::pg_catalog.bool
            then size.estimated_rows < coalesce(
                nullif(pg_catalog.current_setting('readiness.rows', true), ''), '100000'
            )::pg_catalog.int8
            or pg_catalog.pg_stat_get_tuples_returned(c.oid) < size.estimated_rows * counted.days * coalesce(
                nullif(pg_catalog.current_setting('readiness.times_a_day', true), ''), '100'
            )::pg_catalog.numeric
    end as ok,
    'not_configured' as unseen,
    'alter system set track_counts = on; select pg_catalog.pg_reload_conf();' as unlock,
    size.estimated_rows,
    pg_catalog.pg_stat_get_numscans(c.oid) as sequential_scans,
    pg_catalog.pg_stat_get_tuples_returned(c.oid) as rows_read_by_them,
    pg_catalog.round(counted.days, 1)::pg_catalog.float8 as counted_for_days
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select greatest(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid)) as estimated_rows
) as size
cross join (
    select
        greatest(1, extract(
            epoch from pg_catalog.clock_timestamp()
            - coalesce(pg_catalog.pg_stat_get_db_stat_reset_time(d.oid), pg_catalog.pg_postmaster_start_time())
        )::pg_catalog.numeric / 86400) as days
    from pg_catalog.pg_database as d
    where d.datname = pg_catalog.current_database()
) as counted
where c.relkind in ('r', 'm') and c.relpersistence <> 't'
order by subject
