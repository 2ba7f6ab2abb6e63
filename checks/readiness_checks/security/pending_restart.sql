/*---
title: What the configuration says is in force
subject: setting
universe: settings
priority: P2
effort: S
credit: binary
why: |
  A changed setting that takes a restart is written and not in force. Whoever reads the file believes it; the next
  restart, perhaps in the middle of a night, brings the change that nobody has in mind any more.
mend: |
  Restart the server in a window that suits, or take the change back.
links:
  - https://www.postgresql.org/docs/current/view-pg-settings.html
---*/
-- Some settings are hidden from who may not read all.
select
    s.name as subject,
    not s.pending_restart as ok,
    null as unseen,
    null as unlock,
    s.setting as in_force
from pg_catalog.pg_settings as s
union all
select
    'settings that this role does not see' as subject,
    null as ok,
    'no_permission' as unseen,
    pg_catalog.format('grant pg_read_all_settings to %I;', current_user) as unlock,
    null as in_force
where not pg_catalog.pg_has_role('pg_read_all_settings', 'usage')
order by subject
