/*---
title: Every subscription is applied
subject: subscription
universe: subscriptions of this database
priority: P1
effort: M
credit: ratio
needs: [primary]
why: |
  A subscription that was disabled, by hand or by an error (disable_on_error), or whose worker fails at the same row
  every few seconds, goes quietly behind, and its publisher keeps all its log for it. Tables that were never copied are
  empty.
mend: |
  The server's log tells the row and the constraint that stop it. Mend that row, or skip the transaction
  (alter subscription ... skip), then alter subscription ... enable;
links:
  - https://www.postgresql.org/docs/current/logical-replication-conflicts.html
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-SUBSCRIPTION-STATS
---*/
-- A worker that fails is started again after seconds, so it is mostly seen absent. One that waits for a publisher that
-- says nothing is there, and has received nothing yet. Beside it there may be workers that it gives large transactions
-- to (since 16); those are its own.
select
    pg_catalog.quote_ident(s.subname) as subject,
    s.subenabled and worker.has_received and tables.unready = 0 as ok,
    case
        when not s.subenabled then pg_catalog.format('alter subscription %I enable;', s.subname)
    end as remedy,
    s.subenabled as enabled,
    worker.runs as worker_runs,
    worker.has_received,
    tables.unready as tables_not_copied,
    tables.number as tables
from pg_catalog.pg_subscription as s
cross join lateral (
    select
        pg_catalog.count(w.pid) > 0 as runs,
        pg_catalog.count(w.received_lsn) > 0 as has_received
    from pg_catalog.pg_stat_subscription as w
    where w.subid = s.oid and w.relid is null and pg_catalog.to_jsonb(w) ->> 'leader_pid' is null
) as worker
cross join lateral (
    select
        pg_catalog.count(*) as number,
        pg_catalog.count(*) filter (where r.srsubstate <> 'r') as unready
    from pg_catalog.pg_subscription_rel as r
    where r.srsubid = s.oid
) as tables
inner join pg_catalog.pg_database as d on s.subdbid = d.oid and d.datname = pg_catalog.current_database()
order by subject
