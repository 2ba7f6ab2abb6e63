/*---
title: Damaged pages show by their checksums
subject: setting
universe: settings that show damage
priority: P1
effort: M
credit: binary
why: |
  Disks, controllers and file systems return wrong bytes now and then, and say nothing. With data checksums Postgres
  notices when it reads such a page, and a backup tool when it copies one; without, the damage is copied into every
  backup until the last good one is gone.
mend: |
  Stop the server, run pg_checksums --enable --pgdata=..., start it; or do that on a standby and switch over to it. A
  new cluster has them by default since 18 (initdb --data-checksums before).
links:
  - https://www.postgresql.org/docs/current/checksums.html
---*/
select
    s.name as subject,
    s.setting = 'on' as ok,
    s.setting as value
from pg_catalog.pg_settings as s
where s.name = 'data_checksums'
order by subject
