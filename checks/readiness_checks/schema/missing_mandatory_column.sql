/*---
title: Every table has the columns that all tables must have
subject: table
universe: tables that are not mere links
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  When was this row made? The question comes with the first incident, and only a column that was there before answers
  it. Which columns all tables must have is the house's own choice (the parameter columns; each may say its type), so
  it is told and not counted.
mend: |
  Add the column with its default: alter table ... add column created_at timestamptz not null default now(); takes a
  moment only, but gives old rows the time of the change.
links:
  - https://www.postgresql.org/docs/current/sql-altertable.html
---*/
-- The list: names between semicolons, each perhaps with a colon and its type as format_type() writes it. A mere link
-- has no column beside those of its foreign keys and of its primary key.
with wanted as materialized (
    select
        pg_catalog.btrim(pg_catalog.split_part(item.text, ':', 1)) as name,
        nullif(pg_catalog.btrim(pg_catalog.split_part(item.text, ':', 2)), '') as type
    from pg_catalog.unnest(
        pg_catalog.string_to_array(
            coalesce(nullif(pg_catalog.current_setting('readiness.columns', true), ''), 'created_at'), ';'
        )
    ) as item (text)
),

linked as materialized (
    select
        con.conrelid,
        pg_catalog.array_agg(distinct k.attnum) as attnums
    from pg_catalog.pg_constraint as con
    cross join lateral pg_catalog.unnest(con.conkey) as k (attnum)
    where con.contype in ('p', 'f')
    group by con.conrelid
),

-- Of each table the columns of such a name, and how many were dropped: those have no type.
present as materialized (
    select
        att.attrelid,
        pg_catalog.array_agg(att.attname::pg_catalog.text) filter (where att.atttypid <> 0) as names,
        pg_catalog.array_agg(att.attname || ':' || pg_catalog.format_type(att.atttypid, att.atttypmod)) filter (
            where att.atttypid <> 0
        ) as typed,
        pg_catalog.count(*) filter (where att.atttypid = 0) as dropped
    from pg_catalog.pg_attribute as att
    where
        att.attnum > 0
        and (
            att.atttypid = 0
            -- a name is compared sooner than a text, which a longer one would be
            or (
                att.attname = any (array(select w.name::pg_catalog.name from wanted as w))
                and att.attname::pg_catalog.text = any (array(select w.name from wanted as w))
            )
        )
    group by att.attrelid
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    lacks.names is null as ok,
    lacks.names as lacks
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join present on c.oid = present.attrelid
left join linked on c.oid = linked.conrelid
cross join lateral (
    select pg_catalog.string_agg(w.name || coalesce(' ' || w.type, ''), ', ' order by w.name) as names
    from wanted as w
    where
        present.names is null
        or w.name <> all (present.names)
        or (w.type is not null and w.name || ':' || w.type <> all (present.typed))
) as lacks
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relnatts - coalesce(present.dropped, 0) > coalesce(pg_catalog.cardinality(linked.attnums), 0)
order by subject
