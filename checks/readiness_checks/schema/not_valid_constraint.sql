/*---
title: Every constraint holds for the rows that were there before it
subject: constraint
universe: CHECK and FOREIGN KEY constraints
priority: P1
effort: S
credit: ratio
why: |
  NOT VALID adds a constraint quickly: new rows are checked, old ones are not. It is half of a safe migration; the other
  half is VALIDATE CONSTRAINT. Until that has run, rows that break the rule may be there, the planner may not rely on
  it, and a dump of them won't restore.
mend: |
  Validate it. The table is read once, and neither reads nor writes wait meanwhile. Where that fails, its message names
  a row that breaks the rule: mend the rows first.
links:
  - https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
---*/
-- Partitions and children: a constraint that was inherited is its parent's subject; validating the parent's validates
-- it too. Domains: their constraints have no table and are not looked at.
select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, con.conname) as subject,
    con.conrelid as objid,
    ns.oid as schemaid,
    con.convalidated as ok,
    case
        when not con.convalidated
            then pg_catalog.format('alter table %I.%I validate constraint %I;', ns.nspname, c.relname, con.conname)
    end as remedy,
    case con.contype when 'f' then 'foreign key' else 'check' end as constraint_type,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_constraint as con
inner join pg_catalog.pg_class as c on con.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    con.contype in ('c', 'f')
    and con.conparentid = 0
    and con.coninhcount = 0
order by subject
