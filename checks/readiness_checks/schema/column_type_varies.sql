/*---
title: A column name means one type
subject: column
universe: columns whose name stands in three tables or more
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  user_id is uuid in nine tables and text in the tenth: joins need casts, which no index serves, and one writer sends
  what another can't read. The odd one out is mostly older, or a copy from elsewhere.
mend: Change the odd ones over to the type of the others, with the foreign keys that they should have.
links:
  - https://www.postgresql.org/docs/current/typeconv-overview.html
---*/
-- The type without its length. A name's type is the one that most tables give it; told are the others, where at least
-- two thirds agree. Names that mean anything (id, value, data, key, type) are left out.
with typed as (
    select
        att.attrelid,
        att.attname,
        att.atttypid,
        c.relname,
        c.relnamespace
    from pg_catalog.pg_attribute as att
    inner join pg_catalog.pg_class as c on att.attrelid = c.oid
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where
        c.relkind in ('r', 'p')
        and not c.relispartition
        and c.relpersistence <> 't'
        and att.attnum > 0
        and att.atttypid <> 0 -- a dropped column has no type
        and att.attname not in ('id', 'value', 'data', 'key', 'type')
        and ns.nspname !~ '^pg_'
        and ns.nspname <> 'information_schema'
        and not (
            ns.nspname = 'readiness'
            and coalesce(
                pg_catalog.starts_with(pg_catalog.obj_description(ns.oid, 'pg_namespace'), 'readiness (the tool)'),
                false
            )
        )
),

counted as (
    select
        t.attname,
        t.atttypid,
        pg_catalog.count(*) as tables,
        pg_catalog.sum(pg_catalog.count(*)) over (partition by t.attname) as of_all
    from typed as t
    group by t.attname, t.atttypid
),

usual as materialized (
    select
        c.attname,
        c.atttypid,
        c.tables,
        pg_catalog.format_type(c.atttypid, null) as type -- here, for names are fewer than columns
    from counted as c
    where c.of_all >= 3 and c.tables * 3 >= c.of_all * 2
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, t.relname, t.attname) as subject,
    t.attrelid as objid,
    ns.oid as schemaid,
    t.atttypid = usual.atttypid as ok,
    case when t.atttypid = usual.atttypid then usual.type else pg_catalog.format_type(t.atttypid, null) end as type,
    usual.type as usual_type,
    usual.tables as tables_with_usual_type
from typed as t
inner join usual on t.attname = usual.attname
inner join pg_catalog.pg_namespace as ns on t.relnamespace = ns.oid
order by subject
