/*---
title: Every table with policies has row level security enabled
subject: table
universe: tables with policies
priority: P1
effort: S
credit: ratio
why: |
  A policy does nothing until row level security is enabled on its table. Whoever reads the schema sees a rule, and
  every query passes over it: everybody with a grant sees all rows.
mend: |
  Try the policies as the services' roles (`set role`), then enable row level security. Where the policies are not
  wanted any more, drop them.
links:
  - https://www.postgresql.org/docs/current/ddl-rowsecurity.html
---*/
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    c.relrowsecurity as ok,
    pg_catalog.format(
        E'-- From here on its policies decide who sees and changes which row.\n'
        'alter table %I.%I enable row level security;',
        ns.nspname, c.relname
    ) as remedy,
    pg_catalog.array_agg(p.polname::pg_catalog.text order by p.polname) as policies
from pg_catalog.pg_policy as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
group by c.oid, c.relname, c.relrowsecurity, ns.oid, ns.nspname
order by subject
