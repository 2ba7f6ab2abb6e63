/*---
title: The server counts what it does
subject: setting
universe: settings that statistics hang on
priority: P2
effort: S
credit: ratio
why: |
  When something is slow, the first question is what the server was doing. track_activities shows each session's
  statement, track_counts the work on each table and index, track_io_timing how long reading and writing took, without
  which nobody can tell a slow disk from a bad plan.
mend: |
  Switch it on and reload. For track_io_timing look at pg_test_timing first: below 100 ns a call nobody will notice it.
links:
  - https://www.postgresql.org/docs/current/runtime-config-statistics.html
---*/
select
    s.name as subject,
    s.reset_val = 'on' as ok,
    pg_catalog.format(E'alter system set %s = on;\nselect pg_catalog.pg_reload_conf();', s.name) as remedy,
    s.reset_val as value,
    s.source as set_by
from pg_catalog.pg_settings as s
where s.name in ('track_activities', 'track_counts', 'track_io_timing')
order by subject
