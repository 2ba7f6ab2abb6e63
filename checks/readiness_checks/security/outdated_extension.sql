/*---
title: Every extension has the version that the server brings
subject: extension
universe: extensions
priority: P2
effort: S
credit: ratio
why: |
  An upgrade of the server brings new libraries; the extension's objects in the database stay what they were until
  somebody updates them. The mended function, the closed hole, the new index type are then on the disk and not in use.
mend: |
  Read the extension's release notes, then: alter extension ... update;
links:
  - https://www.postgresql.org/docs/current/sql-alterextension.html
---*/
-- One whose files the server doesn't have can't be told; nor does it work.
select
    pg_catalog.quote_ident(x.extname) as subject,
    x.extversion = a.default_version as ok,
    case
        when
            exists (
                select
                from pg_catalog.pg_extension_update_paths(x.extname) as p
                where p.source = x.extversion and p.target = a.default_version and p.path is not null
            )
            then pg_catalog.format('alter extension %I update;', x.extname)
    end as remedy,
    case when a.name is null then 'not_observable' end as unseen,
    x.extversion as installed,
    a.default_version as available
from pg_catalog.pg_extension as x
left join pg_catalog.pg_available_extensions() as a on x.extname = a.name
order by subject
