-- Counted since the statistics were reset. Backups and CREATE DATABASE ask for checkpoints too: a few prove nothing.
select
    'checkpoints' as subject,
    case
        when not pg_catalog.pg_is_in_recovery()
            then b.num_requested < coalesce(
                nullif(pg_catalog.current_setting('readiness.checkpoints', true), ''), '50'
            )::pg_catalog.int8
            or b.num_requested * 100 < (b.num_requested + b.num_timed) * coalesce(
                nullif(pg_catalog.current_setting('readiness.percent', true), ''), '30'
            )::pg_catalog.numeric
    end as ok,
    'wrong_role' as unseen,
    pg_catalog.format(
        E'alter system set max_wal_size = ''%sMB'';\nselect pg_catalog.pg_reload_conf();',
        least(2 * s.reset_val::pg_catalog.int8, s.max_val::pg_catalog.int8)
    ) as remedy,
    b.num_requested as on_demand,
    b.num_timed as by_the_clock,
    s.reset_val::pg_catalog.int8 as max_wal_size_megabytes,
    b.stats_reset::pg_catalog.text as counted_since
from pg_catalog.pg_stat_checkpointer as b
inner join pg_catalog.pg_settings as s on s.name = 'max_wal_size'
order by subject
