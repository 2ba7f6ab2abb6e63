/*---
title: Text has no length that was guessed
subject: column
universe: columns of character type
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  varchar(50) saves nothing over text: both take what the value takes. The limit was mostly guessed, and the first name
  that is longer is an error for its owner. Where a length is a rule, a CHECK says so by name and changes without a
  rewrite. An opinion: told, not counted.
mend: |
  alter table ... alter column ... type text; needs no rewrite. Where the length is a rule, add a CHECK on
  char_length(column), NOT VALID first and validated after.
links:
  - https://www.postgresql.org/docs/current/datatype-character.html
---*/
select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    att.atttypid = 'pg_catalog.text'::pg_catalog.regtype or att.atttypmod < 0 as ok,
    pg_catalog.format('alter table %I.%I alter column %I type text;', ns.nspname, c.relname, att.attname) as remedy,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid in ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype)
order by subject
