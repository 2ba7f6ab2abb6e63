-- Copies are counted, not measured: a block each, which is what they take uncompressed at the most. Where they are
-- compressed nobody knows how much of the log they are, and the advice has been taken.
select
    'server' as subject,
    case
        when w.wal_bytes >= limits.megabytes * 1048576 and spent.days >= limits.days
            then compressed.yes or least(copies.percent, 100) <= limits.percent
    end as ok,
    'insufficient_samples' as unseen,
    w.wal_fpi as page_images,
    pg_catalog.round(least(copies.percent, 100), 1)::pg_catalog.float8 as percent_of_log_at_most,
    pg_catalog.round(w.wal_bytes / greatest(spent.days, 0.001) / 1048576, 1)::pg_catalog.float8 as megabytes_a_day,
    compressed.yes as compressed,
    w.stats_reset as since
from pg_catalog.pg_stat_wal as w
cross join (
    select
        coalesce(
            nullif(pg_catalog.current_setting('readiness.megabytes', true), ''), '1024'
        )::pg_catalog.numeric as megabytes,
        coalesce(
            nullif(pg_catalog.current_setting('readiness.percent', true), ''), '70'
        )::pg_catalog.numeric as percent,
        coalesce(
            nullif(pg_catalog.current_setting('readiness.days', true), ''), '1'
        )::pg_catalog.numeric as days
) as limits
cross join lateral (
    select
        (
            extract(
                epoch from pg_catalog.clock_timestamp() - coalesce(w.stats_reset, pg_catalog.pg_postmaster_start_time())
            ) / 86400
        )::pg_catalog.numeric as days
) as spent
cross join lateral (
    select
        100.0 * w.wal_fpi * pg_catalog.current_setting('block_size')::pg_catalog.int8 / nullif(w.wal_bytes, 0)
            as percent
) as copies
cross join (
    select p.reset_val <> 'off' as yes
    from pg_catalog.pg_settings as p
    where p.name = 'wal_compression'
) as compressed
order by subject
