/*---
title: No name was cut off
subject: table
universe: tables with their columns, indexes and constraints
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  A name longer than 63 bytes is cut off without an error. One that is exactly that long was most likely longer: the
  code that knows it by its full name doesn't find it, and two long names may have become one.
mend: Rename it to something shorter, in the code too.
links:
  - https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
---*/
-- Bytes, not characters. Names that Postgres made up are cut in the middle and are as long as this on purpose: an index
-- or a constraint whose name ends like one of those is left alone.
with most as (
    select pg_catalog.current_setting('max_identifier_length')::pg_catalog.int4 as bytes
),

long as (
    select
        att.attrelid as relid,
        att.attname::pg_catalog.text as name
    from pg_catalog.pg_attribute as att
    where
        att.attnum > 0
        and att.atttypid <> 0 -- a dropped column has no type
        and pg_catalog.octet_length(att.attname::pg_catalog.text) >= (select most.bytes from most)
    union all
    select
        con.conrelid,
        con.conname::pg_catalog.text
    from pg_catalog.pg_constraint as con
    where
        -- a pattern is dear, and few names are long
        case
            when pg_catalog.octet_length(con.conname::pg_catalog.text) >= (select most.bytes from most)
                then con.conname !~ '_(pkey|key|fkey|check|excl|not_null)[0-9]*$'
        end
    union all
    select
        ix.indrelid,
        ic.relname::pg_catalog.text
    from pg_catalog.pg_index as ix
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    where
        case
            when pg_catalog.octet_length(ic.relname::pg_catalog.text) >= (select most.bytes from most)
                then ic.relname !~ '_(pkey|key|idx|excl)[0-9]*$'
        end
    union all
    select
        c.oid,
        c.relname::pg_catalog.text
    from pg_catalog.pg_class as c
    where pg_catalog.octet_length(c.relname::pg_catalog.text) >= (select most.bytes from most)
),

found as (
    select
        l.relid,
        pg_catalog.array_agg(distinct l.name) as names
    from long as l
    group by l.relid
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    found.names is null as ok,
    found.names as long_names
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join found on c.oid = found.relid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
order by subject
