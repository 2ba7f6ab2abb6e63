/*---
title: One policy decides for each role and command
subject: table
universe: tables with permissive policies
priority: P2
effort: M
credit: ratio
why: |
  Permissive policies for the same role and command are joined by OR: each is evaluated for every row, in every query,
  and what is permitted can only be told by reading all of them together. The second one usually opens more than its
  author meant.
mend: |
  Make one policy of them, with the conditions joined by OR; or narrow each to its own command and role. What all of
  them must hold belongs into a restrictive policy (as restrictive).
links:
  - https://www.postgresql.org/docs/current/sql-createpolicy.html
---*/
-- A policy for PUBLIC meets those for every role; one for all commands meets those for each.
select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    pg_catalog.count(other.oid) = 0 as ok,
    pg_catalog.array_agg(distinct p.polname::pg_catalog.text) filter (where other.oid is not null) as policies
from pg_catalog.pg_policy as p
inner join pg_catalog.pg_class as c on p.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join pg_catalog.pg_policy as other
    on
        p.polrelid = other.polrelid
        and p.oid <> other.oid
        and other.polpermissive
        and (p.polcmd = other.polcmd or p.polcmd = '*' or other.polcmd = '*')
        and (p.polroles && other.polroles or 0 = any (p.polroles) or 0 = any (other.polroles))
where p.polpermissive
group by c.oid, c.relname, ns.oid, ns.nspname
order by subject
