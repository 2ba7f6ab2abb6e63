/*---
title: No column has a type that pg_upgrade refuses
subject: column
universe: columns of OID alias types
priority: P2
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  regproc, regconfig and their kin store the OID of a function, a text search configuration and so on. A new cluster
  gives those objects other OIDs, so pg_upgrade refuses the whole upgrade as soon as one column has such a type.
  regclass, regrole and regtype are fine: pg_upgrade keeps their OIDs.
mend: |
  Store the name instead: alter table ... alter column ... type text using column::text; and cast where it is used
  (name::regconfig). This rewrites the table under an exclusive lock.
links:
  - https://www.postgresql.org/docs/current/datatype-oid.html
  - https://www.postgresql.org/docs/current/pgupgrade.html
---*/
-- Domains and arrays are looked through, as pg_upgrade does. Partitions: the root's columns stand for theirs.
with recursive held (type, base) as (
    select
        t.oid as type,
        t.oid as base
    from pg_catalog.pg_type as t
    where
        t.oid in (
            'pg_catalog.regclass'::pg_catalog.regtype,
            'pg_catalog.regcollation'::pg_catalog.regtype,
            'pg_catalog.regconfig'::pg_catalog.regtype,
            'pg_catalog.regdictionary'::pg_catalog.regtype,
            'pg_catalog.regnamespace'::pg_catalog.regtype,
            'pg_catalog.regoper'::pg_catalog.regtype,
            'pg_catalog.regoperator'::pg_catalog.regtype,
            'pg_catalog.regproc'::pg_catalog.regtype,
            'pg_catalog.regprocedure'::pg_catalog.regtype,
            'pg_catalog.regrole'::pg_catalog.regtype,
            'pg_catalog.regtype'::pg_catalog.regtype
        )
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
    held.base in (
        'pg_catalog.regclass'::pg_catalog.regtype,
        'pg_catalog.regrole'::pg_catalog.regtype,
        'pg_catalog.regtype'::pg_catalog.regtype
    ) as ok,
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
