/*---
title: Table names need no quotes for their case
subject: table
universe: tables
priority: info
effort: M
credit: ratio
why: |
  Postgres folds a name to lower case unless it stands in double quotes. A table called "Orders" is found only by those
  who quote it each time, in every query, script and tool; select * from Orders looks for orders. Object mappers quote
  for you, people in psql at night don't.
mend: |
  Rename it, and leave a view of the old name until all code has moved: alter table ... rename to ...; takes a moment.
links:
  - https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
---*/
-- Letters outside of ASCII are not folded and need no quotes. Partitions have names of their own, and are subjects.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relname !~ '[A-Z]' as ok
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
order by subject
