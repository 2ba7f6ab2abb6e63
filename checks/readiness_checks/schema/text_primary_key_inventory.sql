/*---
title: Tables keyed by text, for information
subject: table
universe: tables keyed by one character column
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  An inventory, not a defect: which tables have a key of letters. A code that the world gave (a country's, a
  currency's) is a good key. A uuid kept as text takes more than twice its room, in every index and foreign key, and
  equal ones may differ in case; a name or an address as key has to change when it does.
mend: |
  Nothing to mend where the key is a natural code. A uuid in text wants the type uuid.
links:
  - https://www.postgresql.org/docs/current/datatype-character.html
---*/
-- Character types by category, which takes in citext, and domains over any of them. Partitions: the root stands for
-- them.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    false as ok,
    att.attname as key_column,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as key_type
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
inner join pg_catalog.pg_type as t on att.atttypid = t.oid
where
    pk.contype = 'p'
    and pg_catalog.cardinality(pk.conkey) = 1
    and t.typcategory = 'S'
    and not c.relispartition
order by subject
