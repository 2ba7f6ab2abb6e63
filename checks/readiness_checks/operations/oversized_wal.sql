/*---
title: pg_wal is not far larger than its settings make it
subject: server
universe: servers
priority: P2
effort: M
credit: binary
needs: [pg_monitor]
why: |
  The server keeps about max_wal_size of log, and wal_keep_size for its standbys. What lies there beyond that waits for
  somebody: an archiver that fails or is slow, a slot whose reader is gone, a checkpoint that does not end. The disk
  fills, and then the server stops.
mend: |
  See who is waited for: the segments that wait for the archiver, and what a slot keeps, stand beside it. Once they are
  released, the next checkpoint removes the rest. After a load of data that wrote more than max_wal_size between two
  checkpoints it shrinks by itself; where that is every day, raise max_wal_size.
links:
  - https://www.postgresql.org/docs/current/wal-configuration.html
---*/
-- max_wal_size is a soft limit, and a checkpoint takes its time: twice as much is usual under load.
select
    'pg_wal' as subject,
    lies.bytes <= own.bytes * coalesce(
        nullif(pg_catalog.current_setting('readiness.times', true), ''), '2'
    )::pg_catalog.numeric as ok,
    lies.bytes,
    own.bytes as by_settings_bytes,
    waits.segments as waiting_for_the_archiver,
    kept.bytes as kept_by_slots_bytes
from (
    select pg_catalog.sum(f.size)::pg_catalog.int8 as bytes from pg_catalog.pg_ls_waldir() as f
) as lies
cross join (
    select
        (
            1048576 * (
                pg_catalog.max(s.setting::pg_catalog.int8) filter (where s.name in ('max_wal_size', 'min_wal_size'))
                + pg_catalog.max(s.setting::pg_catalog.int8) filter (where s.name = 'wal_keep_size')
            )
        )::pg_catalog.int8 as bytes
    from pg_catalog.pg_settings as s
    where s.name in ('max_wal_size', 'min_wal_size', 'wal_keep_size')
) as own
cross join (
    select pg_catalog.count(*) as segments from pg_catalog.pg_ls_archive_statusdir() as f where f.name like '%.ready'
) as waits
cross join (
    select
        pg_catalog.max(
            pg_catalog.pg_wal_lsn_diff(
                case
                    when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                    else pg_catalog.pg_current_wal_lsn()
                end, s.restart_lsn
            )
        )::pg_catalog.int8 as bytes
    from pg_catalog.pg_replication_slots as s
) as kept
order by subject
