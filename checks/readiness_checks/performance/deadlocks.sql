/*---
title: Transactions don't deadlock day by day
subject: database
universe: audited databases
priority: P2
effort: M
credit: binary
why: |
  Two transactions that lock the same rows in different order wait for each other until the server ends one of them, a
  second later. Under the load of a beta the rare case becomes the daily one, and each is an error for somebody.
mend: |
  The server's log names both statements of each. Let all transactions lock in one order (by key), keep them short, and
  let the service try the one that was ended again.
links:
  - https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS
---*/
-- The window begins with stats_reset, or at the earliest with the server's start; one shorter than a day counts as one.
select
    pg_catalog.quote_ident(d.datname) as subject,
    d.deadlocks <= counted.days * coalesce(
        nullif(pg_catalog.current_setting('readiness.a_day', true), ''), '1'
    )::pg_catalog.numeric as ok,
    d.deadlocks,
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
