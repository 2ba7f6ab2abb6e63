/*---
title: What the planner knows of each table is of today
subject: table
universe: tables
priority: P2
effort: S
credit: ratio
why: |
  The planner chooses by a sample that ANALYZE took. Where a large share of the rows has changed since, it plans for a
  table that is no more: it expects none of the new month's rows, and takes a nested loop for a million. Autovacuum
  analyzes again after a tenth by default; a share far beyond says that it doesn't get round.
mend: |
  Analyze the table now: a sample is read, nothing waits. Then see why autovacuum did not come: switched off for the
  table, or too few workers for so many tables.
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-STATISTICS
---*/
-- Counted since the statistics were reset, by the server at hand; a standby keeps no count. What was never analyzed is
-- performance/never-analyzed-table's. Partitions hold the rows and are subjects.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case
        when counted.unseen is null
            then counted.changed < coalesce(
                nullif(pg_catalog.current_setting('readiness.changed_rows', true), ''), '1000'
            )::pg_catalog.int8
            or counted.changed < counted.live * coalesce(
                nullif(pg_catalog.current_setting('readiness.changed_percent', true), ''), '50'
            )::pg_catalog.numeric / 100
            or counted.last_analyze is null
    end as ok,
    counted.unseen,
    case
        when counted.unseen = 'not_configured'
            then 'alter system set track_counts = on; select pg_catalog.pg_reload_conf();'
    end as unlock,
    pg_catalog.format('analyze %I.%I;', ns.nspname, c.relname) as remedy,
    counted.changed as changed_rows,
    counted.live as live_rows,
    counted.last_analyze::pg_catalog.text as last_analyze
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select
        greatest(
            pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)
        ) as last_analyze,
        pg_catalog.pg_stat_get_mod_since_analyze(c.oid) as changed,
        pg_catalog.pg_stat_get_live_tuples(c.oid) as live,
        case
            when pg_catalog.pg_is_in_recovery() then 'wrong_role'
            when not pg_catalog.current_setting('track_counts')::pg_catalog.bool then 'not_configured'
        end as unseen
) as counted
where
    c.relkind = 'r'
    and c.relpersistence <> 't'
order by subject
