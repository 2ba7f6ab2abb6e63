/*---
title: Queries sort and hash in memory
subject: database
universe: audited databases
priority: P2
effort: M
credit: binary
why: |
  A sort or a hash that doesn't fit into work_mem goes to temporary files, and becomes as slow as the disk. A few
  reports at night do; gigabytes each day say that everyday queries do.
mend: |
  log_temp_files names the statements. Raise work_mem for the role that runs the reports (alter role ... set work_mem),
  not for all at once: each sort of each session may take as much. Or index what is sorted.
links:
  - https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-WORK-MEM
---*/
-- The window begins with stats_reset, or at the earliest with the server's start; one shorter than a day counts as one.
select
    pg_catalog.quote_ident(d.datname) as subject,
    d.temp_bytes <= counted.days * 1048576 * coalesce(
        nullif(pg_catalog.current_setting('readiness.megabytes_a_day', true), ''), '10240'
    )::pg_catalog.numeric as ok,
    d.temp_files,
    d.temp_bytes,
    pg_catalog.round(counted.days, 1)::pg_catalog.float8 as counted_for_days
from pg_catalog.pg_stat_database as d
cross join lateral (
    select
        greatest(1, extract(
            epoch from pg_catalog.clock_timestamp() - coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())
        )::pg_catalog.numeric / 86400) as days
) as counted
where d.datname = pg_catalog.current_database()
order by subject
