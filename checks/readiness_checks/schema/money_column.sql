/*---
title: Amounts are numeric, not of the type money
subject: column
universe: columns of numeric and money
priority: P2
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  The type money stores no currency: lc_monetary of the session decides how a value is written and read, so that a dump
  from one server may be refused, or misread, by another. It has a fixed number of decimals, and dividing two amounts
  gives a float.
mend: |
  Change the type to numeric, with the currency in a column beside it. This rewrites the table under an exclusive lock.
links:
  - https://www.postgresql.org/docs/current/datatype-money.html
  - https://wiki.postgresql.org/wiki/Don%27t_Do_This#Don.27t_use_money
---*/
-- Domains and arrays are looked through. Partitions: the root's columns stand for theirs.
with recursive held (type, base) as (
    select
        t.oid as type,
        t.oid as base
    from pg_catalog.pg_type as t
    where t.oid in ('pg_catalog.money'::pg_catalog.regtype, 'pg_catalog.numeric'::pg_catalog.regtype)
    union all
    select
        t.oid,
        held.base
    from held
    inner join pg_catalog.pg_type as t
        on held.type = case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem end
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    held.base = 'pg_catalog.numeric'::pg_catalog.regtype as ok,
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
