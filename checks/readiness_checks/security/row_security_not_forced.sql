/*---
title: Row level security binds the owner where the owner is who connects
subject: table
universe: tables with row level security and policies
priority: P1
effort: S
credit: ratio
why: |
  A table's owner passes over its policies, and so does every role that inherits from the owner. Where a service logs in
  as one of them, its queries see every tenant's rows, and nothing looks wrong.
mend: |
  Give the table an owner that nobody logs in as; or force it: alter table ... force row level security;
links:
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
---*/
-- Superusers and roles with BYPASSRLS are exempt either way; forcing it would change nothing for them.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relforcerowsecurity or exempt.roles is null as ok,
    pg_catalog.format(
        E'-- From here on its policies bind the owner too.\nalter table %I.%I force row level security;',
        ns.nspname, c.relname
    ) as remedy,
    exempt.roles as exempt
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
cross join lateral (
    select pg_catalog.array_agg(r.rolname::pg_catalog.text order by r.rolname) as roles
    from pg_catalog.pg_roles as r
    where
        r.rolcanlogin
        and not r.rolsuper
        and not r.rolbypassrls
        and pg_catalog.pg_has_role(r.oid, c.relowner, 'usage')
) as exempt
where
    c.relrowsecurity
    and c.relkind in ('r', 'p')
    and exists (
        select
        from pg_catalog.pg_policy as p
        where p.polrelid = c.oid
    )
order by subject
