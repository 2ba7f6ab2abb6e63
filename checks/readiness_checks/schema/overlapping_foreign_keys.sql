/*---
title: No column belongs to two foreign keys
subject: constraint
universe: foreign keys
priority: info
effort: M
credit: ratio
why: |
  Two foreign keys that share a column bind it to two tables: a value must be in both, and delete rules of both act on
  it. That is right for a tenant's column that is part of several composite keys, and mostly a mistake otherwise.
mend: Drop the one that isn't meant, or waive where the shared column is a tenant's.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
-- Two keys over the same columns to the same table are schema/duplicate-foreign-key's. A column that is a part of
-- composite keys only is a tenant's, most likely: not told.
with shared as (
    select
        one.oid,
        pg_catalog.array_agg(other.conname::pg_catalog.text order by other.conname) as with_keys
    from pg_catalog.pg_constraint as one
    inner join pg_catalog.pg_constraint as other
        on
            one.conrelid = other.conrelid
            and one.oid <> other.oid
            and one.conkey operator(pg_catalog.&&) other.conkey
            and not (
                one.confrelid = other.confrelid
                and one.conkey operator(pg_catalog.<@) other.conkey
                and one.conkey operator(pg_catalog.@>) other.conkey
            )
            and not (pg_catalog.cardinality(one.conkey) > 1 and pg_catalog.cardinality(other.conkey) > 1)
    where one.contype = 'f' and other.contype = 'f' and one.conparentid = 0 and other.conparentid = 0
    group by one.oid
)

select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, fk.conname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    shared.with_keys is null as ok,
    shared.with_keys as shares_columns_with
from pg_catalog.pg_constraint as fk
inner join pg_catalog.pg_class as c on fk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join shared on fk.oid = shared.oid
where fk.contype = 'f' and fk.conparentid = 0
order by subject
