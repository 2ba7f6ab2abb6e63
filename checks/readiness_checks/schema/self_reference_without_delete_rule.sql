/*---
title: A table that refers to itself says what becomes of the children
subject: constraint
universe: foreign keys of a table to itself
priority: info
effort: S
credit: ratio
why: |
  Trees in a table (replies, folders, managers) are deleted from the top. Without a delete rule the first delete of a
  node with children fails, mostly in production, since test trees are flat.
mend: |
  Choose: cascade where children belong to the parent, set null where they outlive it, restrict where a delete must be
  refused, said on purpose. Drop the key and add it again with the rule, NOT VALID and validated after.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, fk.conname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    fk.confdeltype <> 'a' as ok
from pg_catalog.pg_constraint as fk
inner join pg_catalog.pg_class as c on fk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    fk.contype = 'f'
    and fk.conparentid = 0
    and fk.confrelid = fk.conrelid
order by subject
