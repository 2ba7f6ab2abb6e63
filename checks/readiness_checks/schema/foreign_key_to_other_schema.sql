/*---
title: Foreign keys stay within their schema
subject: constraint
universe: foreign keys
priority: info
effort: M
credit: ratio
why: |
  Where a schema belongs to one service, a foreign key into another's ties the two together: neither can be dumped,
  restored, moved or migrated alone, and a delete on one side takes locks and rows on the other. Between a shared schema
  of users and the rest it is what one database is for. So this is told, and weighs nothing.
mend: |
  Nothing, where the tie is meant. Else keep the id without the constraint, and let the services reconcile.
links:
  - https://www.postgresql.org/docs/current/ddl-schemas.html
---*/
-- Partitions: a key that a partition inherited is its parent's subject.
select
    pg_catalog.format('%I.%I:%I', ns.nspname, child.relname, fk.conname) as subject,
    fk.conrelid as objid,
    ns.oid as schemaid,
    child.relnamespace = parent.relnamespace as ok,
    pg_catalog.format('%I.%I', parent_ns.nspname, parent.relname) as refers_to
from pg_catalog.pg_constraint as fk
inner join pg_catalog.pg_class as child on fk.conrelid = child.oid
inner join pg_catalog.pg_namespace as ns on child.relnamespace = ns.oid
inner join pg_catalog.pg_class as parent on fk.confrelid = parent.oid
inner join pg_catalog.pg_namespace as parent_ns on parent.relnamespace = parent_ns.oid
where
    fk.contype = 'f'
    and fk.conparentid = 0
order by subject
