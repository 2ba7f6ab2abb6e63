/*---
title: Vacuum keeps up with dead rows
subject: table
universe: tables
priority: P1
effort: S
credit: ratio
why: |
  An UPDATE or DELETE leaves the old row version behind until vacuum clears it away. Where dead versions reach a large
  share of the live ones, every scan reads them along, indexes grow, and the room is not given back. Mostly autovacuum
  is switched off for the table, set too slow for it, or held back by a transaction, a replication slot or a prepared
  transaction that has been open for hours.
mend: |
  Vacuum the table, then find out why autovacuum did not: the storage parameters of the table, old xmin in
  pg_stat_activity, pg_replication_slots and pg_prepared_xacts, the cost limits. VACUUM doesn't block reads or writes.
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html
---*/
-- Counted since the statistics were reset, by the server at hand: a standby knows nothing of its primary's dead rows.
-- Partitions hold the rows and are subjects; a partitioned root holds none.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case
        when counted.unseen is null
            then not (
                counted.dead >= coalesce(
                    nullif(pg_catalog.current_setting('readiness.dead_rows', true), ''), '1000'
                )::pg_catalog.int8
                and counted.dead >= counted.live * coalesce(
                    nullif(pg_catalog.current_setting('readiness.dead_percent', true), ''), '40'
                )::pg_catalog.numeric / 100
            )
    end as ok,
    counted.unseen,
    case
        when counted.unseen = 'not_configured'
            then 'alter system set track_counts = on; select pg_catalog.pg_reload_conf();'
    end as unlock,
    pg_catalog.format('vacuum (analyze) %I.%I;', ns.nspname, c.relname) as remedy,
    counted.dead as dead_rows,
    counted.live as live_rows,
    greatest(
        pg_catalog.pg_stat_get_last_vacuum_time(c.oid), pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)
    )::pg_catalog.text as last_vacuum,
    c.reloptions::pg_catalog.text[] as storage_parameters
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select
        pg_catalog.pg_stat_get_dead_tuples(c.oid) as dead,
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
