/*---
title: Every table with data has been analyzed
subject: table
universe: tables
priority: P1
effort: S
credit: ratio
why: |
  The planner knows a table by what ANALYZE has sampled. Of one that was never analyzed it knows neither how many rows
  it has nor how its values are spread, guesses, and picks nested loops for millions of rows. A restore or a major
  upgrade leaves every table like that until somebody runs ANALYZE or autovacuum has come round.
mend: |
  Analyze it: a sample is read, nothing waits. Where autovacuum is switched off for the table, switch it on.
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-STATISTICS
---*/
-- "Never" is: not since the statistics were reset, by the server at hand; a standby keeps no count. Small tables, with
-- fewer rows changed since than the floor, are healthy: autovacuum leaves them alone by design.
-- Partitions hold the rows and are subjects; a partitioned root is not, autovacuum doesn't analyze it either.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case
        when counted.unseen is null
            then counted.last_analyze is not null
            or counted.changed < coalesce(
                nullif(pg_catalog.current_setting('readiness.changed_rows', true), ''), '1000'
            )::pg_catalog.int8
    end as ok,
    counted.unseen,
    case
        when counted.unseen = 'not_configured'
            then 'alter system set track_counts = on; select pg_catalog.pg_reload_conf();'
    end as unlock,
    pg_catalog.format('analyze %I.%I;', ns.nspname, c.relname) as remedy,
    counted.changed as changed_rows,
    counted.last_analyze::pg_catalog.text as last_analyze,
    c.reloptions::pg_catalog.text[] as storage_parameters
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select
        greatest(
            pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)
        ) as last_analyze,
        pg_catalog.pg_stat_get_mod_since_analyze(c.oid) as changed,
        case
            when pg_catalog.pg_is_in_recovery() then 'wrong_role'
            when not pg_catalog.current_setting('track_counts')::pg_catalog.bool then 'not_configured'
        end as unseen
) as counted
where
    c.relkind = 'r'
    and c.relpersistence <> 't'
order by subject
