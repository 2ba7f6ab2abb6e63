/*---
title: Few transactions are rolled back
subject: database
universe: audited databases
priority: info
effort: M
credit: binary
why: |
  A transaction that is rolled back was work for nothing: a violated constraint, a serialization failure, a deadlock, a
  timeout, or a pool that rolls back what it doesn't know. Some frameworks roll back after each read, which costs
  nothing; so this is a hint.
mend: |
  The server's log has the errors (log_min_messages). Where a framework ends its reads by ROLLBACK, nothing is wrong.
links:
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW
---*/
select
    pg_catalog.quote_ident(d.datname) as subject,
    d.xact_rollback < coalesce(
        nullif(pg_catalog.current_setting('readiness.rollbacks', true), ''), '1000'
    )::pg_catalog.int8
    or d.xact_rollback * 100 < (d.xact_commit + d.xact_rollback) * coalesce(
        nullif(pg_catalog.current_setting('readiness.percent', true), ''), '10'
    )::pg_catalog.numeric as ok,
    d.xact_rollback as rolled_back,
    d.xact_commit as committed,
    coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())::pg_catalog.text as counted_since
from pg_catalog.pg_stat_database as d
where d.datname = pg_catalog.current_database()
order by subject
