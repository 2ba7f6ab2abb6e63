/*---
title: The tables of a schema have one owner
subject: schema
universe: schemas with tables
priority: P2
effort: S
credit: ratio
why: |
  Only its owner may alter or drop a table, and what a role creates belongs to that role. Several owners in one schema
  mean that several roles run DDL there: the migrations, somebody by hand, a service at its start. The next migration
  then fails on the tables that aren't its own, and default privileges hold for some of the tables only.
mend: |
  Decide which role owns the schema's tables, the one that runs the migrations, and hand the others over:
  alter table ... owner to ...; for each, or reassign owned by ... to ...; for all that a role has in the database.
links:
  - https://www.postgresql.org/docs/current/sql-reassign-owned.html
  - https://www.postgresql.org/docs/current/ddl-priv.html
---*/
-- Partitions count: one of another owner's is as much in the way. Tables of an extension don't: they are nobody's here.
select
    pg_catalog.quote_ident(ns.nspname) as subject,
    ns.oid as objid,
    pg_catalog.count(distinct c.relowner) = 1 as ok,
    pg_catalog.count(*) as tables,
    pg_catalog.array_agg(distinct pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text) as owners
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and not exists (
        select
        from pg_catalog.pg_depend as d
        where
            d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and d.objid = c.oid
            and d.deptype = 'e'
    )
group by ns.oid, ns.nspname
order by subject
