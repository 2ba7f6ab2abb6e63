/*---
title: No table can be written to by everybody
subject: table
universe: tables
priority: P1
effort: S
credit: ratio
why: |
  What is granted to PUBLIC is granted to every role that can connect: to each service, to the reporting tool, to the
  role that somebody makes next year. It also hides what really uses the table.
mend: |
  Grant it to the roles that need it, then revoke it from PUBLIC.
links:
  - https://www.postgresql.org/docs/current/ddl-priv.html
---*/
-- A grant on one column is a grant; revoking it from the table takes those too.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    everybody.may is null as ok,
    pg_catalog.format(
        E'-- Grant it to the roles that need it before.\nrevoke %s on %I.%I from public;',
        pg_catalog.array_to_string(everybody.may, ', '), ns.nspname, c.relname
    ) as remedy,
    everybody.may as public_may
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join (
    select distinct att.attrelid as relid from pg_catalog.pg_attribute as att where att.attacl is not null
) as granted on c.oid = granted.relid
cross join lateral (
    select pg_catalog.array_agg(p.privilege order by p.privilege) as may
    from pg_catalog.unnest(array['insert', 'update', 'delete', 'truncate']) as p (privilege)
    where
        -- where nothing was ever granted, nobody but the owner may do anything
        (c.relacl is not null or granted.relid is not null)
        and (
        pg_catalog.has_table_privilege(0::pg_catalog.oid, c.oid, p.privilege)
        or (
            p.privilege in ('insert', 'update')
            and granted.relid is not null
            and pg_catalog.has_any_column_privilege(0::pg_catalog.oid, c.oid, p.privilege)
        )
        )
) as everybody
where c.relkind in ('r', 'p')
order by subject
