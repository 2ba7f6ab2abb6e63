/*---
title: Every foreign key is enforced
subject: constraint
universe: foreign keys
priority: P0
effort: S
credit: ratio
why: |
  A foreign key is kept by triggers inside it, and ALTER TABLE ... DISABLE TRIGGER ALL, which bulk loads like to run,
  switches those off too. The constraint then stands in the catalog, shows as valid in every tool, and checks nothing:
  orphans come in, and deletes cascade to nowhere.
mend: |
  Enable the table's triggers. Then have the rows checked that came in meanwhile: drop the constraint, add it NOT VALID
  and validate it; enabling alone doesn't look at them.
links:
  - https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER
---*/
-- Both sides count: the referring table's triggers check inserts, the referred table's check deletes. Partitions: a key
-- that a partition inherited is its parent's subject.
select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, fk.conname) as subject,
    fk.conrelid as objid,
    ns.oid as schemaid,
    disabled.tables is null as ok,
    pg_catalog.format(
        E'-- Enabling does not look at the rows that came in meanwhile: check them afterwards.\n%s',
        disabled.statements
    ) as remedy,
    disabled.tables as disabled_on
from pg_catalog.pg_constraint as fk
inner join pg_catalog.pg_class as c on fk.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join (
    select
        tg.tgconstraint,
        pg_catalog.array_agg(distinct pg_catalog.format('%I.%I', on_ns.nspname, on_table.relname)) as tables,
        pg_catalog.string_agg(
            pg_catalog.format('alter table %I.%I enable trigger %I;', on_ns.nspname, on_table.relname, tg.tgname),
            E'\n' order by tg.tgname
        ) as statements
    from pg_catalog.pg_trigger as tg
    inner join pg_catalog.pg_class as on_table on tg.tgrelid = on_table.oid
    inner join pg_catalog.pg_namespace as on_ns on on_table.relnamespace = on_ns.oid
    where tg.tgisinternal and tg.tgenabled = 'D'
    group by tg.tgconstraint
) as disabled on fk.oid = disabled.tgconstraint
where
    fk.contype = 'f'
    and fk.conparentid = 0
order by subject
