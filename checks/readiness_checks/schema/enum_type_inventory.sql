/*---
title: Enum types, for information
subject: type
universe: enum types
priority: info
effort: S
credit: ratio
why: |
  An inventory, not a defect: which closed lists of words the database knows by a type. A label can be added and
  renamed, never dropped, and its place in the order is its place in the list.
mend: |
  Nothing to mend.
links:
  - https://www.postgresql.org/docs/current/datatype-enum.html
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, t.typname) as subject,
    t.oid as objid,
    ns.oid as schemaid,
    false as ok,
    labels.list as labels
from pg_catalog.pg_type as t
inner join pg_catalog.pg_namespace as ns on t.typnamespace = ns.oid
cross join lateral (
    select pg_catalog.array_agg(e.enumlabel::pg_catalog.text order by e.enumsortorder) as list
    from pg_catalog.pg_enum as e
    where e.enumtypid = t.oid
) as labels
where t.typtype = 'e'
order by subject
