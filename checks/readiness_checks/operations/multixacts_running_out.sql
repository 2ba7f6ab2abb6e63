/*---
title: No database comes near the end of its multixact ids
subject: database
universe: databases
priority: P0
effort: M
credit: ratio
why: |
  When several transactions lock one row (foreign keys do), the row bears a multixact id; these are 32 bits wide as
  transaction ids are, and have an end of their own, which a busy system of foreign keys reaches first. Vacuum replaces
  them, from an age of 400 million on by force. An age far beyond says that it does not get through.
mend: |
  Find what holds vacuum back first (old transactions, replication slots, prepared transactions) and end it, then vacuum
  (freeze) the oldest tables. Neither reads nor writes wait for that.
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-MULTIXACT-WRAPAROUND
---*/
-- As operations/transaction-ids-running-out; what has no rows of its own has no age.
select
    pg_catalog.quote_ident(d.datname) as subject,
    pg_catalog.mxid_age(d.datminmxid) < bound.millions * 1000000 as ok,
    case
        when oldest.name is not null then pg_catalog.format('vacuum (freeze) %s;', oldest.name)
    end as remedy,
    pg_catalog.mxid_age(d.datminmxid) as age_multixacts,
    pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::pg_catalog.int8 as autovacuum_freeze_max_age,
    oldest.name as oldest_table,
    oldest.age as oldest_table_age
from pg_catalog.pg_database as d
cross join (
    select
        coalesce(
            nullif(pg_catalog.current_setting('readiness.millions', true), ''), '800'
        )::pg_catalog.numeric as millions
) as bound
left join (
    select
        pg_catalog.format('%I.%I', ns.nspname, c.relname) as name,
        pg_catalog.mxid_age(c.relminmxid) as age
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where c.relkind in ('r', 'm', 't') and c.relminmxid <> '0'::pg_catalog.xid
    order by pg_catalog.mxid_age(c.relminmxid) desc, c.oid asc
    limit 1
) as oldest on d.datname = pg_catalog.current_database()
order by subject
