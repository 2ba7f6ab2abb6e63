/*---
title: Columns that are named or sized like UUIDs are of type uuid
subject: column
universe: columns named or sized like UUIDs
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  A UUID in text takes 37 bytes instead of 16, in every index too, compares by the rules of a language, and lets in
  what is no UUID. This goes by names and lengths alone and needs no row; schema/uuid-in-text looks at the values.
mend: |
  alter table ... alter column ... type uuid using column::uuid; rewrites the table under an exclusive lock. Foreign
  keys that refer to it follow in the same transaction.
links:
  - https://www.postgresql.org/docs/current/datatype-uuid.html
---*/
-- By name: uuid or guid as a word of it. By size: a key of 32, 36 or 38 characters.
select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    att.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype as ok,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and (
        (
            att.atttypid in (
                'pg_catalog.uuid'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype,
                'pg_catalog.varchar'::pg_catalog.regtype, 'pg_catalog.bpchar'::pg_catalog.regtype
            )
            and att.attname ~* '(^|_)(uuid|guid)(_|$)' -- behind the type, since a pattern is dear
            -- text that only speaks of one: uuid_source, uuid_version
            and att.attname !~* 'uuid_(source|version|format|type|kind|name)$'
        )
        or (
            att.atttypid in ('pg_catalog.varchar'::pg_catalog.regtype, 'pg_catalog.bpchar'::pg_catalog.regtype)
            and att.atttypmod - 4 in (32, 36, 38)
            and exists (
                select
                from pg_catalog.pg_constraint as pk
                where pk.conrelid = c.oid and pk.contype = 'p' and att.attnum = any (pk.conkey)
            )
        )
    )
order by subject
