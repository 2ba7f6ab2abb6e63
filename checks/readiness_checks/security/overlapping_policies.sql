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
-- A policy for PUBLIC meets those for every role; one for all commands meets those for each. They are counted by role
-- and command, not compared with each other: a table may have a policy for each of a thousand tenants.
with permitted as (
    select distinct
        p.polrelid,
        p.oid,
        p.polname::pg_catalog.text as name,
        named.role,
        command.letter
    from pg_catalog.pg_policy as p
    cross join pg_catalog.unnest(p.polroles) as named (role)
    cross join pg_catalog.unnest(
        case p.polcmd when '*' then array['r', 'a', 'w', 'd'] else array[p.polcmd::pg_catalog.text] end
    ) as command (letter)
    where p.polpermissive
),

met as (
    select
        p.polrelid,
        p.name,
        case
            when p.role = 0 then pg_catalog.count(*) over of_command > 1 -- it stands there once itself
            else
                pg_catalog.count(*) over of_role > 1
                or pg_catalog.count(*) filter (where p.role = 0) over of_command > 0
        end as another
    from permitted as p
    window
        of_command as (partition by p.polrelid, p.letter),
        of_role as (partition by p.polrelid, p.letter, p.role)
)

select
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    not pg_catalog.bool_or(met.another) as ok,
    pg_catalog.array_agg(distinct met.name) filter (where met.another) as policies
from met
inner join pg_catalog.pg_class as c on met.polrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
group by c.oid, c.relname, ns.oid, ns.nspname
order by subject
