/*---
title: No table is named by a reserved word
subject: table
universe: tables
priority: info
effort: M
credit: ratio
why: |
  A table called user or order has to stand in double quotes wherever it is named, and forgetting them need not be an
  error: select * from user asks for the name of the session's role, and answers.
mend: |
  Rename it, to the plural say, and leave a view of the old name until all code has moved.
links:
  - https://www.postgresql.org/docs/current/sql-keywords-appendix.html
---*/
-- Reserved by the server's own list, whatever the letters' case: fully, or but for functions and types.
-- Partitions have names of their own, and are subjects.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    reserved.word is null as ok
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join pg_catalog.pg_get_keywords() as reserved
    on pg_catalog.lower(c.relname::pg_catalog.text) = reserved.word and reserved.catcode in ('R', 'T')
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
order by subject
