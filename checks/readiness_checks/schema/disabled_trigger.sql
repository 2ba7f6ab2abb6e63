/*---
title: Every trigger is enabled
subject: trigger
universe: triggers
priority: P1
effort: S
credit: ratio
why: |
  Triggers keep audit trails, totals and rules that constraints can't express. Somebody switches one off for a bulk
  load, the load fails half way, and nobody switches it on again: from then on rows are written without it, and nothing
  says so. Triggers that fire on replicas only (ENABLE REPLICA) are meant that way.
mend: |
  Enable it, then look for the rows that were written meanwhile: they have not passed it.
links:
  - https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER
---*/
-- Triggers that users made: those inside foreign keys are schema/disabled-foreign-key's. Partitions: a root's trigger
-- has a copy on each of them, which is a subject only where it alone is disabled.
select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, tg.tgname) as subject,
    tg.tgrelid as objid,
    ns.oid as schemaid,
    tg.tgenabled <> 'D' as ok,
    pg_catalog.format(
        E'-- Rows that were written meanwhile have not passed it.\nalter table %I.%I enable trigger %I;',
        ns.nspname, c.relname, tg.tgname
    ) as remedy,
    pg_catalog.format('%I.%I', function_ns.nspname, p.proname) as calls
from pg_catalog.pg_trigger as tg
inner join pg_catalog.pg_class as c on tg.tgrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_proc as p on tg.tgfoid = p.oid
inner join pg_catalog.pg_namespace as function_ns on p.pronamespace = function_ns.oid
left join pg_catalog.pg_trigger as root on tg.tgparentid = root.oid
where
    -- before 15 a copy on a partition is marked internal
    (not tg.tgisinternal or (tg.tgparentid <> 0 and tg.tgconstraint = 0))
    and (tg.tgparentid = 0 or (tg.tgenabled = 'D' and root.tgenabled <> 'D'))
order by subject
