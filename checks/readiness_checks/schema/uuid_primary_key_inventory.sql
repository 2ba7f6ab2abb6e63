/*---
title: Tables keyed by uuid, for information
subject: table
universe: tables keyed by one uuid column
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  An inventory, not a defect: which tables have a uuid of their own as key. Random ones (version 4) scatter inserts over
  the whole index, which large tables feel; version 7, built into PostgreSQL 18, keeps them in order of time.
mend: |
  Nothing to mend.
links:
  - https://www.postgresql.org/docs/current/functions-uuid.html
---*/
-- Domains: by the type below them. Partitions: the root stands for them.
with recursive uuids (type) as (
    select t.oid
    from pg_catalog.pg_type as t
    where t.oid = 'pg_catalog.uuid'::pg_catalog.regtype
    union all
    select d.oid
    from uuids
    inner join pg_catalog.pg_type as d on uuids.type = d.typbasetype and d.typtype = 'd'
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    false as ok,
    att.attname as key_column,
    att.atthasdef as has_default
from pg_catalog.pg_constraint as pk
inner join pg_catalog.pg_class as c on pk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
-- a fence: looked up by both columns of the index
cross join lateral (
    select a.*
    from pg_catalog.pg_attribute as a
    where pk.conrelid = a.attrelid and pk.conkey[1] = a.attnum
    offset 0 -- noqa: AM09
) as att
where
    pk.contype = 'p'
    and att.atttypid = any (array(select u.type from uuids as u)) -- a join would be made for each row
    and pg_catalog.cardinality(pk.conkey) = 1
    and not c.relispartition
order by subject
