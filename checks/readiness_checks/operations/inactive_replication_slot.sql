/*---
title: Every replication slot has somebody at its end
subject: slot
universe: replication slots
priority: P1
effort: S
credit: ratio
why: |
  A slot keeps WAL for whoever reads from it, and holds vacuum back for a logical reader, without end: when the
  standby or the connector is gone and its slot is not, the disk fills until the server stops.
mend: |
  Start what reads from it. Where that is gone for good, drop the slot; who came back later would have to be built anew.
  max_slot_wal_keep_size bounds what a slot can keep.
links:
  - https://www.postgresql.org/docs/current/warm-standby.html#STREAMING-REPLICATION-SLOTS
---*/
-- Temporary slots go with their session. Slots that a standby has from its primary (since 17) are at rest by design,
-- for as long as it is one: promoted, it keeps the mark, which means nothing there.
select
    pg_catalog.format('%I', s.slot_name) as subject,
    s.active
    or (pg_catalog.pg_is_in_recovery() and coalesce(pg_catalog.to_jsonb(s) ->> 'synced', 'false') = 'true') as ok,
    pg_catalog.format(
        E'-- Whoever read from it must be built anew.\nselect pg_catalog.pg_drop_replication_slot(%L);', s.slot_name
    ) as remedy,
    s.slot_type as kind_of_slot,
    s.database as of_database,
    pg_catalog.pg_wal_lsn_diff(written.lsn, s.restart_lsn)::pg_catalog.int8 as retained_bytes,
    s.wal_status,
    pg_catalog.to_jsonb(s) ->> 'inactive_since' as inactive_since
from pg_catalog.pg_replication_slots as s
cross join (
    select
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end as lsn
) as written
where not s.temporary
order by subject
