/*---
title: Keys that count up by themselves are bigint
subject: table
universe: tables with an auto-incremented key
priority: P2
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  An integer key ends at 2,147,483,647, a smallint one at 32,767, and rolled back inserts use up numbers too. On that
  day every insert fails, and changing the type then rewrites the table and its indexes while the service stands still.
  bigint costs four bytes a row, often none at all after alignment.
mend: |
  A key that becomes a uuid (schema/non-uuid-primary-key asks for that) needs nothing else. Where it stays a number, on
  a small table: alter table ... alter column ... type bigint; (it rewrites the table under an exclusive lock, and the
  sequence of a serial column needs alter sequence ... as bigint; too). On a large one add a bigint column, fill it in
  batches behind a trigger, and swap. Foreign keys that refer to it have to follow.
links:
  - https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-INT
---*/
-- Keys of one column that are an identity or have nextval() in their default, whoever owns the sequence.
-- Domains: by the type below them. Partitions: the root stands for them.
with recursive narrow (type) as (
    select t.oid
    from pg_catalog.pg_type as t
    where t.oid in ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype)
    union all
    select d.oid
    from narrow
    inner join pg_catalog.pg_type as d on narrow.type = d.typbasetype and d.typtype = 'd'
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    att.atttypid not in (select narrow.type from narrow) as ok, -- a join would be made for each row
    att.attname as key_column,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as key_type,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
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
left join pg_catalog.pg_attrdef as def on att.attrelid = def.adrelid and att.attnum = def.adnum
where
    pk.contype = 'p'
    and pg_catalog.cardinality(pk.conkey) = 1
    and not c.relispartition
    and (
        att.attidentity <> ''
        -- nextval(regclass) is function 1574 on every version; pg_get_expr() would wait behind DDL
        or pg_catalog.strpos(def.adbin::pg_catalog.text, ':funcid 1574 ') > 0
    )
order by subject
