/*---
title: Damaged pages show by their checksums, and none has shown
subject: setting
universe: settings that show damage, and databases in which it showed
priority: P1
effort: M
credit: binary
why: |
  Disks, controllers and file systems return wrong bytes now and then, and say nothing. With data checksums Postgres
  notices when it reads such a page, and a backup tool when it copies one; without, the damage is copied into every
  backup until the last good one is gone. What was noticed is counted by database; who got the error may have tried
  again and gone on.
mend: |
  Stop the server, run pg_checksums --enable --pgdata=..., start it; or do that on a standby and switch over to it. A
  new cluster has them by default since 18 (initdb --data-checksums before).
  Where pages failed: find them (pg_checksums --check on a stopped copy, or pg_amcheck), restore what they hold from a
  backup of before, replace the disk, and then pg_stat_reset() in that database.
links:
  - https://www.postgresql.org/docs/current/checksums.html
---*/
-- The counters are of all databases, and of what they share. Without checksums they are null.
select
    s.name as subject,
    s.setting = 'on' as ok,
    'setting' as subject_kind,
    s.setting as value,
    null as pages_failed,
    null as last_failed_at
from pg_catalog.pg_settings as s
where s.name = 'data_checksums'
union all
select
    coalesce('pages of ' || pg_catalog.quote_ident(d.datname), 'pages that all databases share') as subject,
    d.checksum_failures = 0 as ok,
    'database' as subject_kind,
    null as value,
    d.checksum_failures as pages_failed,
    d.checksum_last_failure::pg_catalog.text as last_failed_at
from pg_catalog.pg_stat_database as d
where d.checksum_failures is not null
order by subject
