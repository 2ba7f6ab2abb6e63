/*---
title: No database comes near the end of its transaction ids
subject: database
universe: databases
priority: P0
effort: M
credit: ratio
why: |
  Transaction ids are 32 bits wide: two thousand million transactions after a row was written vacuum must have frozen
  it. Autovacuum sees to that when a table is 200 million transactions old. An age far beyond says that it does not
  get through: switched off, too slow, stopped by a lock, or held back by an old transaction, a replication slot or a
  prepared transaction. At the end the server takes no more writes.
mend: |
  Find what holds vacuum back first (pg_stat_activity.backend_xmin, pg_replication_slots, pg_prepared_xacts) and end
  it, then vacuum (freeze) the oldest tables. Neither reads nor writes wait for that. A database that takes no
  connections is seen to by autovacuum alone.
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
---*/
-- pg_database holds the oldest of each database's tables. The oldest table is named for the database that we are in;
-- relations without rows of their own (partitioned tables, views, sequences) have no age.
select
    pg_catalog.quote_ident(d.datname) as subject,
    pg_catalog.age(d.datfrozenxid) < bound.millions * 1000000 as ok,
    case
        when oldest.name is not null then pg_catalog.format('vacuum (freeze) %s;', oldest.name)
    end as remedy,
    pg_catalog.age(d.datfrozenxid) as age_transactions,
    (2147483648 - 3000000 - pg_catalog.age(d.datfrozenxid)) as left_transactions,
    pg_catalog.current_setting('autovacuum_freeze_max_age')::pg_catalog.int8 as autovacuum_freeze_max_age,
    oldest.name as oldest_table,
    oldest.age as oldest_table_age
from pg_catalog.pg_database as d
cross join (
    select
        coalesce(
            nullif(pg_catalog.current_setting('readiness.millions', true), ''), '500'
        )::pg_catalog.numeric as millions
) as bound
left join (
    select
        pg_catalog.format('%I.%I', ns.nspname, c.relname) as name,
        pg_catalog.age(c.relfrozenxid) as age
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where c.relkind in ('r', 'm', 't') and c.relfrozenxid <> '0'::pg_catalog.xid
    order by pg_catalog.age(c.relfrozenxid) desc, c.oid asc
    limit 1
) as oldest on d.datname = pg_catalog.current_database()
order by subject
