/*---
title: Blocks come from the disk in a few milliseconds
subject: database
universe: databases whose reads are timed
priority: info
effort: M
credit: ratio
why: |
  A query that finds its blocks in memory takes microseconds for each, and one that waits for a slow disk milliseconds:
  no index helps against that. The mean over all reads since the statistics were reset tells what the storage gives
  under the platform's own load; what the operating system still had in its cache counts as a fast read.
mend: |
  See what the volume is allowed (operations a second of a cloud's disk, a neighbour on the same storage, a rebuilding
  array), and what reads so much: performance/large-table-read-whole, performance/slow-statement. More memory for the
  server keeps more of the data out of the disk's way.
links:
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW
  - https://www.postgresql.org/docs/current/runtime-config-statistics.html#GUC-TRACK-IO-TIMING
---*/
-- Reads are timed by sessions that have track_io_timing on, so the time of all reads is at least the one that is shown:
-- slow is slow for certain, and fast is told only where the server times all of them, and of so many that it says
-- something.
select
    pg_catalog.quote_ident(d.datname) as subject,
    case
        when s.blk_read_time / nullif(s.blks_read, 0) > limits.milliseconds and s.blks_read >= limits.reads then false
        when io.timed and s.blks_read >= limits.reads then true
    end as ok,
    case when io.timed then 'insufficient_samples' else 'not_configured' end as unseen,
    case when not io.timed then 'alter system set track_io_timing = on; select pg_reload_conf();' end as unlock,
    s.blks_read as blocks_read,
    pg_catalog.round((s.blk_read_time / nullif(s.blks_read, 0))::pg_catalog.numeric, 3)::pg_catalog.float8
        as mean_milliseconds,
    limits.milliseconds,
    s.stats_reset as since
from pg_catalog.pg_stat_database as s
inner join pg_catalog.pg_database as d on s.datid = d.oid
cross join (
    select
        coalesce(
            nullif(pg_catalog.current_setting('readiness.milliseconds', true), ''), '10'
        )::pg_catalog.float8 as milliseconds,
        coalesce(
            nullif(pg_catalog.current_setting('readiness.reads', true), ''), '10000'
        )::pg_catalog.int8 as reads
) as limits
cross join (
    -- for all sessions, not for this one alone
    select p.reset_val = 'on' as timed
    from pg_catalog.pg_settings as p
    where p.name = 'track_io_timing'
) as io
where d.datname = pg_catalog.current_database()
order by subject
