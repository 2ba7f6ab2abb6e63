/*---
title: Every table with row level security has a policy
subject: table
universe: tables with row level security
priority: info
effort: S
credit: ratio
why: |
  Row level security without a policy shows nobody a row but the owner and roles that are exempt. That may be meant, as
  the lock on a table that only functions reach; or the policies were forgotten, and queries find nothing without any
  error. A policy that says so (using (false)) tells the two apart.
mend: |
  Write the policies that the services need; where the lock is meant, say it: create policy nobody on ... using (false);
links:
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
---*/
-- A partition that is locked is as it should be: its rows are reached through the root, by the root's policies.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    pg_catalog.count(p.oid) > 0 as ok,
    pg_catalog.format(
        E'-- Where the lock is meant. Else write the policies that the services need.\n'
        'create policy nobody on %I.%I using (false);',
        ns.nspname, c.relname
    ) as remedy,
    pg_catalog.count(p.oid) as policies
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join pg_catalog.pg_policy as p on c.oid = p.polrelid
where
    c.relrowsecurity
    and c.relkind in ('r', 'p')
    and not c.relispartition
group by c.oid, c.relname, ns.oid, ns.nspname
order by subject
