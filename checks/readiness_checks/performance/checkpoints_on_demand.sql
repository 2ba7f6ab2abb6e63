/*---
title: Checkpoints come by the clock
subject: server
universe: audited servers
priority: P2
effort: S
credit: binary
why: |
  When max_wal_size is used up before checkpoint_timeout has passed, a checkpoint begins at once. The sooner one follows
  the other, the more whole pages go to the WAL, the faster it fills again, and the less even the latency is.
mend: |
  Raise max_wal_size until most checkpoints are timed: the peak of WAL in checkpoint_timeout, and half as much again. It
  costs room on the disk, and time after a crash.
links:
  - https://www.postgresql.org/docs/current/wal-configuration.html
---*/
-- Counted since the statistics were reset. Backups and CREATE DATABASE ask for checkpoints too: a few prove nothing.
select
    'checkpoints' as subject,
    case
        when not pg_catalog.pg_is_in_recovery()
            then b.checkpoints_req < coalesce(
                nullif(pg_catalog.current_setting('readiness.checkpoints', true), ''), '50'
            )::pg_catalog.int8
            or b.checkpoints_req * 100 < (b.checkpoints_req + b.checkpoints_timed) * coalesce(
                nullif(pg_catalog.current_setting('readiness.percent', true), ''), '30'
            )::pg_catalog.numeric
    end as ok,
    'wrong_role' as unseen,
    pg_catalog.format(
        E'alter system set max_wal_size = ''%sMB'';\nselect pg_catalog.pg_reload_conf();',
        least(2 * s.reset_val::pg_catalog.int8, s.max_val::pg_catalog.int8)
    ) as remedy,
    b.checkpoints_req as on_demand,
    b.checkpoints_timed as by_the_clock,
    s.reset_val::pg_catalog.int8 as max_wal_size_megabytes,
    b.stats_reset::pg_catalog.text as counted_since
from pg_catalog.pg_stat_bgwriter as b
inner join pg_catalog.pg_settings as s on s.name = 'max_wal_size'
order by subject
