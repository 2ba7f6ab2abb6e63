/*---
title: Every index is read by some query
subject: index
universe: indexes for reading
priority: info
effort: M
credit: ratio
why: |
  An index that no query reads costs room, cache, and work for every row that is written, and keeps updates from being
  cheap (HOT). That it was not read is known for as long as the server has counted, and on the server that was asked:
  the report of the year's end, or a standby's queries, may be all that it is there for.
mend: |
  See that the statistics reach back over a whole cycle of the business (a month, a quarter), and that no standby reads
  it (pg_stat_user_indexes there). Then drop it; building it anew takes one statement. The statement is given only where
  the statistics reach back a week and no standby is seen.
links:
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW
---*/
-- Left out: what enforces something (unique, exclusion), what a foreign key's checks use, and tables of a few rows.
-- Partitions: an index of a partitioned table is one subject, with its parts' reads and rows added up.
-- The window begins with stats_reset, or where that is empty at the earliest with the server's start, since a crash
-- empties the counts too.
with recursive part as (
    select
        ix.indexrelid as root,
        ix.indexrelid,
        ix.indrelid
    from pg_catalog.pg_partitioned_table as pt
    inner join pg_catalog.pg_index as ix on pt.partrelid = ix.indrelid
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    where not ic.relispartition
    union all
    select
        part.root,
        i.inhrelid,
        ix.indrelid
    from part
    inner join pg_catalog.pg_inherits as i on part.indexrelid = i.inhparent
    inner join pg_catalog.pg_index as ix on i.inhrelid = ix.indexrelid
),

of_parts as (
    select
        part.root,
        pg_catalog.sum(pg_catalog.pg_stat_get_numscans(part.indexrelid)) as scans,
        pg_catalog.sum(
            greatest(pg_catalog.pg_stat_get_live_tuples(part.indrelid), c.reltuples::pg_catalog.int8)
        ) filter (where c.relkind <> 'p') as live_rows,
        pg_catalog.sum(ic.relpages) as pages
    from part
    inner join pg_catalog.pg_class as c on part.indrelid = c.oid
    inner join pg_catalog.pg_class as ic on part.indexrelid = ic.oid
    group by part.root
),

-- Of each foreign key, by its table: what its checks look for.
referring as materialized (
    select
        fk.conrelid,
        fk.conkey
    from pg_catalog.pg_constraint as fk
    where fk.contype = 'f'
),

around as materialized (
    select
        case
            when pg_catalog.pg_is_in_recovery() then 'wrong_role'
            when not pg_catalog.current_setting('track_counts')::pg_catalog.bool then 'not_configured'
        end as unseen,
        extract(
            epoch from pg_catalog.clock_timestamp()
            - coalesce(pg_catalog.pg_stat_get_db_stat_reset_time(d.oid), pg_catalog.pg_postmaster_start_time())
        )::pg_catalog.numeric / 86400 as days,
        coalesce(nullif(pg_catalog.current_setting('readiness.rows', true), ''), '1000')::pg_catalog.int8 as least_rows,
        coalesce(nullif(pg_catalog.current_setting('readiness.days', true), ''), '7')::pg_catalog.numeric as least_days,
        (select pg_catalog.count(*) from pg_catalog.pg_stat_replication) as standbys
    from pg_catalog.pg_database as d
    where d.datname = pg_catalog.current_database()
)

select
    pg_catalog.format('%I.%I', ns.nspname, ic.relname) as subject,
    ix.indrelid as objid,
    ns.oid as schemaid,
    case
        when around.unseen is null
            then counted.scans > 0
            or coalesce(counted.live_rows, 0) < around.least_rows
    end as ok,
    around.unseen,
    case
        when around.unseen = 'not_configured'
            then 'alter system set track_counts = on; select pg_catalog.pg_reload_conf();'
    end as unlock,
    case
        when counted.scans > 0 then null
        when around.standbys > 0 or around.days < around.least_days then null
        when ic.relkind = 'I' then pg_catalog.format('drop index %I.%I;', ns.nspname, ic.relname)
        else pg_catalog.format('drop index concurrently %I.%I;', ns.nspname, ic.relname)
    end as remedy,
    case
        when counted.scans = 0 and counted.live_rows >= around.least_rows
            then (
                select pg_catalog.format('%I.%I', ns.nspname, t.relname)
                from pg_catalog.pg_class as t
                where t.oid = ix.indrelid
            )
    end as on_table,
    counted.scans,
    counted.live_rows,
    counted.pages,
    pg_catalog.round(around.days, 1)::pg_catalog.float8 as counted_for_days,
    around.standbys
from pg_catalog.pg_index as ix
inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
inner join pg_catalog.pg_class as c on ix.indrelid = c.oid and c.relkind in ('r', 'p', 'm') -- few beside the indexes
inner join pg_catalog.pg_namespace as ns on ic.relnamespace = ns.oid -- its table's too
left join of_parts on ix.indexrelid = of_parts.root
cross join lateral (
    select
        case when ic.relkind = 'I' then of_parts.scans else pg_catalog.pg_stat_get_numscans(ix.indexrelid) end as scans,
        case
            when ic.relkind = 'I' then of_parts.live_rows
            else greatest(pg_catalog.pg_stat_get_live_tuples(ix.indrelid), c.reltuples::pg_catalog.int8)
        end as live_rows,
        case when ic.relkind = 'I' then of_parts.pages else ic.relpages end as pages
) as counted
cross join around
where
    not ic.relispartition
    and not ix.indisunique
    and not ix.indisexclusion
    and ix.indisvalid
    and ix.indislive
    and ic.relpersistence <> 't'
    and not exists (
        select
        from referring as fk
        where
            fk.conrelid = ix.indrelid
            and ix.indkey[0] = any (fk.conkey) -- told by a number, before texts are taken apart
            and fk.conkey operator(pg_catalog.<@) (
                (pg_catalog.string_to_array(ix.indkey::text, ' ')::int2[])[1:pg_catalog.cardinality(fk.conkey)]
            )
    )
order by subject
