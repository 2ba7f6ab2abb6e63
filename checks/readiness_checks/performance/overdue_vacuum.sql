/*---
title: Autovacuum comes when it is due
subject: table
universe: tables
priority: P2
effort: M
credit: ratio
why: |
  Each table tells autovacuum when to come: so many dead rows, plus a share of its rows. A table with several times as
  many dead rows waits for a worker that doesn't get round, is cancelled by a lock time after time, or is held back by
  an old transaction. Bloat begins here, days before a query is slow.
mend: |
  Vacuum it now. Then see what autovacuum is busy with (pg_stat_progress_vacuum), what cancels it (the log), what holds
  vacuum back (operations/vacuum-held-back), and whether it is slowed too much (autovacuum_vacuum_cost_limit).
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
---*/
-- The table's own storage parameters go before the server's settings. 18 puts a ceiling on the number
-- (autovacuum_vacuum_max_threshold). Tables without autovacuum are performance/table-without-autovacuum's.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    case
        when around.unseen is null
            then own.is_off
            or c.reltuples < 0
            or around.dead < coalesce(
                nullif(pg_catalog.current_setting('readiness.dead_rows', true), ''), '10000'
            )::pg_catalog.int8
            or around.dead < due.dead_rows * coalesce(
                nullif(pg_catalog.current_setting('readiness.times', true), ''), '3'
            )::pg_catalog.numeric
    end as ok,
    around.unseen,
    case
        when around.unseen = 'not_configured'
            then 'alter system set track_counts = on; select pg_catalog.pg_reload_conf();'
    end as unlock,
    pg_catalog.format('vacuum (analyze) %I.%I;', ns.nspname, c.relname) as remedy,
    around.dead as dead_rows,
    due.dead_rows::pg_catalog.int8 as due_at_dead_rows,
    pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)::pg_catalog.text as last_autovacuum
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select
        pg_catalog.pg_stat_get_dead_tuples(c.oid) as dead,
        case
            when pg_catalog.pg_is_in_recovery() then 'wrong_role'
            when not pg_catalog.current_setting('track_counts')::pg_catalog.bool then 'not_configured'
        end as unseen
) as around
cross join lateral (
    select
        coalesce(pg_catalog.bool_or(o.option ~* '^autovacuum_enabled=(off|false|no|0|f|n|of)$'), false) as is_off,
        pg_catalog.max(o.value) filter (where o.name = 'autovacuum_vacuum_threshold') as threshold,
        pg_catalog.max(o.value) filter (where o.name = 'autovacuum_vacuum_scale_factor') as scale,
        pg_catalog.max(o.value) filter (where o.name = 'autovacuum_vacuum_max_threshold') as ceiling
    from (
        select
            s.option,
            pg_catalog.split_part(s.option, '=', 1) as name,
            case
                when s.option like 'autovacuum_vacuum_%'
                    then pg_catalog.split_part(s.option, '=', 2)::pg_catalog.numeric
            end as value
        from pg_catalog.unnest(c.reloptions) as s (option)
    ) as o
) as own
cross join lateral (
    select
        coalesce(own.threshold, pg_catalog.current_setting('autovacuum_vacuum_threshold')::pg_catalog.numeric)
        + coalesce(own.scale, pg_catalog.current_setting('autovacuum_vacuum_scale_factor')::pg_catalog.numeric)
        * c.reltuples::pg_catalog.numeric as by_rows,
        nullif(coalesce(
            own.ceiling,
            pg_catalog.current_setting('autovacuum_vacuum_max_threshold', true)::pg_catalog.numeric
        ), -1) as ceiling
) as computed
cross join lateral (select least(computed.by_rows, computed.ceiling) as dead_rows) as due
where
    c.relkind in ('r', 'm')
    and c.relpersistence <> 't'
order by subject
