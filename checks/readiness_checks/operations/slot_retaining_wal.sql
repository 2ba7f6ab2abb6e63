/*---
title: No replication slot keeps much more log than its reader needs
subject: slot
universe: replication slots
priority: P2
effort: S
credit: ratio
why: |
  What a slot keeps lies in pg_wal until its reader has confirmed it. A reader that is connected and does not get on
  (a consumer that hangs, a standby on a slow line) fills the disk as surely as one that is gone.
mend: |
  See why its reader does not confirm: pg_stat_replication for a standby, the consumer's own log for a logical one.
  max_slot_wal_keep_size bounds what it can cost.
links:
  - https://www.postgresql.org/docs/current/warm-standby.html#STREAMING-REPLICATION-SLOTS
---*/
-- More than the WAL that the server keeps for itself between two checkpoints, and a limit besides.
select
    pg_catalog.format('%I', s.slot_name) as subject,
    coalesce(pg_catalog.pg_wal_lsn_diff(written.lsn, s.restart_lsn), 0) <= greatest(
        coalesce(
            nullif(pg_catalog.current_setting('readiness.megabytes', true), ''), '10240'
        )::pg_catalog.numeric,
        own.megabytes
    ) * 1048576 as ok,
    pg_catalog.pg_wal_lsn_diff(written.lsn, s.restart_lsn)::pg_catalog.int8 as retained_bytes,
    s.active,
    s.slot_type as kind_of_slot
from pg_catalog.pg_replication_slots as s
cross join (
    select
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end as lsn
) as written
cross join (
    select p.setting::pg_catalog.numeric as megabytes from pg_catalog.pg_settings as p where p.name = 'max_wal_size'
) as own
where not s.temporary
order by subject
