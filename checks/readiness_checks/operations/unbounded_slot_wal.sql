/*---
title: What a replication slot may keep has a bound
subject: setting
universe: settings that bound replication slots
priority: P2
effort: S
credit: binary
why: |
  Without max_slot_wal_keep_size one reader that stays away lets WAL pile up until the disk is full and the server
  stops. With it, that reader loses its slot, and everybody else goes on.
mend: |
  Set it to what the disk can spare, and to more than what is written in the longest outage that a reader should
  survive.
links:
  - https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-MAX-SLOT-WAL-KEEP-SIZE
---*/
-- Only where there are slots. Half of the WAL volume is a start; its size can't be seen from here.
select
    'max_slot_wal_keep_size' as subject,
    s.setting::pg_catalog.int8 >= 0 as ok,
    E'alter system set max_slot_wal_keep_size = ''20GB'';\nselect pg_catalog.pg_reload_conf();' as remedy,
    slots.number as slots,
    s.setting::pg_catalog.int8 as megabytes
from pg_catalog.pg_settings as s
cross join (
    select pg_catalog.count(*) as number from pg_catalog.pg_replication_slots as r where not r.temporary
) as slots
where s.name = 'max_slot_wal_keep_size' and slots.number > 0
order by subject
