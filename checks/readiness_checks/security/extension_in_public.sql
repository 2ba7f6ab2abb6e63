/*---
title: Extensions have a schema of their own
subject: extension
universe: extensions
priority: info
effort: S
credit: ratio
why: |
  In public, an extension's functions lie among the application's: an API that offers the schema offers them, dumps and
  comparisons of the schema are full of them, and a name of theirs can get in the way of yours.
mend: |
  Move it: create schema extensions; alter extension ... set schema extensions; and put that schema on the search_path
  of who uses it. One that can't be moved is dropped and created anew, with all that depends on it.
links:
  - https://www.postgresql.org/docs/current/sql-alterextension.html
---*/
select
    pg_catalog.quote_ident(x.extname) as subject,
    ns.nspname <> 'public' as ok,
    case
        when x.extrelocatable
            then pg_catalog.format(
                E'-- Whoever calls its functions without a schema needs the new one on the search_path.\n'
                'create schema if not exists extensions;\nalter extension %I set schema extensions;',
                x.extname
            )
    end as remedy,
    ns.nspname as schema
from pg_catalog.pg_extension as x
inner join pg_catalog.pg_namespace as ns on x.extnamespace = ns.oid
order by subject
