/*---
title: Every table is tied to another one
subject: table
universe: tables
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  A table that no foreign key leaves or reaches is a log, a setting, a leftover, or a part of the model whose ties only
  the code knows. Worth a look each, and nothing to count.
mend: Add the foreign keys that it should have; drop it where nothing uses it; else it is fine as it is.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
with tied as materialized (
    select fk.conrelid as relid from pg_catalog.pg_constraint as fk where fk.contype = 'f'
    union
    select fk.confrelid from pg_catalog.pg_constraint as fk where fk.contype = 'f'
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    tied.relid is not null as ok,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join tied on c.oid = tied.relid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
order by subject
