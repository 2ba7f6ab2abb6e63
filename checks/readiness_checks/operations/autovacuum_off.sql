/*---
title: Autovacuum runs
subject: setting
universe: settings that autovacuum needs
priority: P0
effort: S
credit: binary
why: |
  Without autovacuum dead rows stay, tables and indexes grow, and the planner works with what it knew months ago.
  track_counts is what tells autovacuum where to go: switched off, it goes nowhere. Only against the end of the
  transaction ids does it still start, and then all at once.
mend: |
  Switch it on and reload. Where it takes too much, make it slower (autovacuum_vacuum_cost_limit), not silent.
links:
  - https://www.postgresql.org/docs/current/runtime-config-vacuum.html
---*/
select
    s.name as subject,
    s.reset_val = 'on' as ok,
    pg_catalog.format(E'alter system set %s = on;\nselect pg_catalog.pg_reload_conf();', s.name) as remedy,
    s.reset_val as value,
    s.source as set_by
from pg_catalog.pg_settings as s
where s.name in ('autovacuum', 'track_counts')
order by subject
