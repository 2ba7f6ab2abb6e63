/*---
title: Every table says in a comment what it is for
subject: table
universe: tables
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  A name alone tells the next reader little. A comment travels with the schema into every tool that shows it, and into
  the documentation that is made from it. The share of tables that have one is told, and not counted.
mend: Say in a sentence what a row of it is.
links:
  - https://www.postgresql.org/docs/current/sql-comment.html
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    d.description is not null as ok,
    (
        select pg_catalog.count(*)
        from pg_catalog.pg_description as told
        where told.objoid = c.oid and told.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and told.objsubid > 0
    ) as columns_with_comment
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join pg_catalog.pg_description as d
    on c.oid = d.objoid and d.objsubid = 0 and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
where
    c.relkind in ('r', 'p')
    and not c.relispartition
order by subject
