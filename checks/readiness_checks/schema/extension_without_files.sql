/*---
title: Every extension's files are installed on the server
subject: extension
universe: extensions
priority: P1
effort: S
credit: ratio
why: |
  An extension is rows in the catalog and files on the server. Where a move to another machine or an upgrade left the
  files behind, its functions fail when first called, a dump can't be restored, and pg_upgrade stops.
mend: |
  Install the package that holds the extension for this major version on every server, standbys too; or drop the
  extension where nothing uses it.
links:
  - https://www.postgresql.org/docs/current/view-pg-available-extensions.html
---*/
select
    ext.extname::pg_catalog.text as subject,
    av.name is not null as ok,
    ext.extversion as installed_version
from pg_catalog.pg_extension as ext
left join pg_catalog.pg_available_extensions as av on ext.extname = av.name
order by subject
