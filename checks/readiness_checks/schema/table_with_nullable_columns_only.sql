/*---
title: Every table has a column beside its key that must be filled
subject: table
universe: tables with columns beside their key
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  Where everything but the key may be null, a row that says nothing is a valid one, and every reader has to be ready for
  it. Mostly nobody decided that: null is what a column is when nothing is said.
mend: |
  Decide column by column what must be there: fill what is null, add a CHECK (column is not null) NOT VALID, validate
  it, then set not null, which takes no scan then, and drop the check. Staging tables may stay.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    pg_catalog.bool_or(att.attnotnull) as ok,
    pg_catalog.count(*) as columns_beside_key
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_attribute as att
    on c.oid = att.attrelid and att.attnum > 0 and att.atttypid <> 0 -- a dropped column has no type
left join pg_catalog.pg_constraint as pk on c.oid = pk.conrelid and pk.contype = 'p'
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and (pk.conkey is null or att.attnum <> all (pk.conkey))
group by c.oid, ns.oid, ns.nspname, c.relname
order by subject
