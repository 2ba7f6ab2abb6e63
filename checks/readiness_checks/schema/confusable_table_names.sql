/*---
title: No two tables of a schema can be taken for each other
subject: table
universe: tables
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  "userRoles" beside user_roles: names that differ by capitals or underscores alone are one name to people. Somebody
  reads from one and writes to the other, and both queries succeed.
mend: Find out which one is used (pg_stat_user_tables counts), bring the rows together, and drop or rename the other.
links:
  - https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
---*/
with definition as (
    select
        c.oid,
        c.relnamespace,
        c.relname,
        pg_catalog.lower(pg_catalog.regexp_replace(c.relname, '[^[:alnum:]]', '', 'g')) as word
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
),

same as (
    select
        d.relnamespace,
        d.word,
        pg_catalog.array_agg(d.relname::pg_catalog.text order by d.relname) as names
    from definition as d
    group by d.relnamespace, d.word
)

select
    pg_catalog.format('%I.%I', ns.nspname, d.relname) as subject,
    d.oid as objid,
    ns.oid as schemaid,
    pg_catalog.cardinality(same.names) = 1 or d.word = '' as ok,
    pg_catalog.array_remove(same.names, d.relname::pg_catalog.text) as like_names
from definition as d
inner join pg_catalog.pg_namespace as ns on d.relnamespace = ns.oid
inner join same on d.relnamespace = same.relnamespace and d.word = same.word
order by subject
