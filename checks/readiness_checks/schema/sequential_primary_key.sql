/*---
title: No key gives away how many rows there are
subject: table
universe: tables with a primary key of one column
priority: info
effort: L
credit: ratio
spares_bookkeeping: true
why: |
  A key that a sequence counts up can be guessed: who knows order 1041 asks for 1042, and two orders a week apart tell
  how many were sold between. Rows of two databases can't be merged, and a client can't name a row before the server
  has. Random keys (uuid) have none of this; they cost more room, and version 7 of them keeps inserts in order.
mend: |
  Not every sequential key is a fault; one that leaves the database (addresses, interfaces) deserves a uuid. Add the
  uuid column beside it, move the foreign keys over, then make it the key.
links:
  - https://www.postgresql.org/docs/current/datatype-uuid.html
  - https://www.postgresql.org/docs/current/ddl-identity-columns.html
---*/
-- Partitions: the root stands for them.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    not numbered.yes as ok,
    att.attname as key_column,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as key_type,
    case when att.attidentity <> '' then 'identity' when numbered.yes then 'nextval() as default' end as numbered_by
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
left join pg_catalog.pg_attrdef as def on att.attrelid = def.adrelid and att.attnum = def.adnum
cross join lateral (
    -- Numbers, by the type's category, which domains share. nextval(regclass) is function 1574 on every version; read
    -- as the parser stores it, since pg_get_expr() would wait behind DDL, and a sequence that is named by a text
    -- leaves no dependency.
    select
        t.typcategory = 'N'
        and (
            att.attidentity <> ''
            or coalesce(pg_catalog.strpos(def.adbin::pg_catalog.text, ':funcid 1574 ') > 0, false)
        ) as yes
) as numbered
where
    pk.contype = 'p'
    and pg_catalog.cardinality(pk.conkey) = 1
    and not c.relispartition
order by subject
