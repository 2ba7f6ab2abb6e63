/*---
title: No table is defined in two schemas
subject: table
universe: tables
priority: P0
effort: L
credit: ratio
spares_bookkeeping: true
why: |
  Two tables of one name, public.users beside auth.users, are two truths about one thing: services write to one and read
  from the other, and which of them an unqualified name means depends on search_path. Mostly one is the remains of a
  migration, or was created by a service at its start. Capital letters don't make a name another one here.
mend: |
  Find out which table the services use (pg_stat_user_tables counts reads and writes), move the rows that are only in
  the other over, and drop that. Until then a view in its place may keep old code running. Schemas that hold one tenant
  each have tables of the same names by design: ignore them in the policy, or waive.
links:
  - https://www.postgresql.org/docs/current/ddl-schemas.html
---*/
-- A definition is an ordinary or a partitioned table. Not one: a partition (its root is), a view or a foreign table,
-- a temporary table, what an extension owns, what lies in a system schema or one that the policy ignores. The frame
-- leaves the same out as subjects; here they must not count as somebody's twin either. Bookkeeping tables are each
-- other's twins only, and the frame spares them.
with definition as (
    select
        c.oid,
        c.relname,
        ns.oid as schemaid,
        ns.nspname,
        c.reltuples,
        pg_catalog.lower(c.relname::pg_catalog.text) as name
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where
        c.relkind in ('r', 'p')
        and c.relpersistence <> 't'
        and not c.relispartition
        and ns.nspname !~ '^pg_'
        and ns.nspname <> 'information_schema'
        and not (
            ns.nspname = 'readiness'
            and coalesce(
                pg_catalog.starts_with(pg_catalog.obj_description(ns.oid, 'pg_namespace'), 'readiness (the tool)'),
                false
            )
        )
        and ns.nspname <> all (
            coalesce(
                nullif(pg_catalog.current_setting('readiness.ignored_schemas', true), ''), '{}'
            )::pg_catalog.name[]
        )
        and not exists (
            select
            from pg_catalog.pg_depend as d
            where
                d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and d.objid = c.oid
                and d.deptype = 'e'
        )
),

same_name as (
    select
        d.name,
        pg_catalog.count(distinct d.nspname) as schemas,
        -- a few of them: where each tenant has a schema, each table has a thousand twins
        (
            pg_catalog.array_agg(pg_catalog.format('%I.%I', d.nspname, d.relname) order by d.nspname, d.relname)
        )[1:21] as tables
    from definition as d
    group by d.name
)

select
    pg_catalog.format('%I.%I', d.nspname, d.relname) as subject,
    d.oid as objid,
    d.schemaid,
    same_name.schemas = 1 as ok,
    (
        pg_catalog.array_remove(same_name.tables, pg_catalog.format('%I.%I', d.nspname, d.relname))
    )[1:20] as also_defined_as,
    same_name.schemas as schemas_with_it,
    nullif(d.reltuples::pg_catalog.int8, -1) as estimated_rows
from definition as d
inner join same_name on d.name = same_name.name
order by subject
