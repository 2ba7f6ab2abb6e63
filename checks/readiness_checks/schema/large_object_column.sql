/*---
title: Binary data lies in its rows, not in large objects
subject: column
universe: columns of bytea and large objects
priority: P2
effort: L
credit: ratio
spares_bookkeeping: true
why: |
  A large object lies outside the table, in one catalog for the whole database; the row holds its number only. Deleting
  the row leaves the object behind, row security and grants of the table don't reach it, logical replication doesn't
  carry it, and many of them make a dump or an upgrade very slow.
mend: |
  Move the data into a bytea column (up to some megabytes) or an object store, then unlink the objects (vacuumlo finds
  the orphans). An oid column that holds something else, the number of a catalog's row, is better off as regclass or
  its kin, or wants a waiver.
links:
  - https://www.postgresql.org/docs/current/largeobjects.html
  - https://www.postgresql.org/docs/current/lo.html
---*/
-- lo is a domain over oid, from the extension of that name; domains are looked through, arrays are not: a list of oids
-- is no reference to a large object. Partitions: the root's columns stand for theirs.
with recursive held (type, base) as (
    select
        t.oid as type,
        t.oid as base
    from pg_catalog.pg_type as t
    where t.oid in ('pg_catalog.oid'::pg_catalog.regtype, 'pg_catalog.bytea'::pg_catalog.regtype)
    union all
    select
        d.oid,
        held.base
    from held
    inner join pg_catalog.pg_type as d on held.type = d.typbasetype and d.typtype = 'd'
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    held.base = 'pg_catalog.bytea'::pg_catalog.regtype as ok,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join held on att.atttypid = held.type
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid = any (array(select h.type from held as h)) -- told by the column alone, before any join
order by subject
