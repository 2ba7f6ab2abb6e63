/*---
title: No replication slot has lost the log that it stands for
subject: slot
universe: replication slots
priority: P1
effort: M
credit: ratio
why: |
  A slot whose WAL was removed (max_slot_wal_keep_size), or whose rows vacuum took, is still listed, and its reader can
  never go on: the standby or the connector has to be built anew. One that is unreserved will be there soon.
mend: |
  Build the reader anew, then drop the slot. Raise max_slot_wal_keep_size to more than the longest outage writes.
links:
  - https://www.postgresql.org/docs/current/view-pg-replication-slots.html
---*/
-- Why a slot was given up stands in columns that came with 16 and 17.
select
    pg_catalog.format('%I', s.slot_name) as subject,
    coalesce(s.wal_status, 'reserved') not in ('unreserved', 'lost')
    and coalesce(pg_catalog.to_jsonb(s) ->> 'conflicting', 'false') <> 'true'
    and pg_catalog.to_jsonb(s) ->> 'invalidation_reason' is null as ok,
    case
        when s.wal_status = 'lost'
            then
                pg_catalog.format(
                    E'-- Its reader must be built anew.\nselect pg_catalog.pg_drop_replication_slot(%L);', s.slot_name
                )
    end as remedy,
    s.wal_status,
    s.safe_wal_size as safe_wal_bytes,
    pg_catalog.to_jsonb(s) ->> 'invalidation_reason' as given_up_for
from pg_catalog.pg_replication_slots as s
where not s.temporary
order by subject
