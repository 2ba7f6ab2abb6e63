/*---
title: Sessions end as they should
subject: database
universe: audited databases
priority: P2
effort: M
credit: binary
needs: [postgres 14]
why: |
  A session that is lost on the way, ended by a fatal error or by an administrator was somebody's request. Many of them
  say that a network in between drops idle connections, that a pool throws sessions away, or that services are killed
  in the middle of their work.
mend: |
  Look at the server's log for the reason (log_disconnections, FATAL lines); keep idle connections alive
  (tcp_keepalives_idle below the firewall's limit), and let services close their pool when they stop.
links:
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW
---*/
-- The columns are there since 14.
select
    pg_catalog.quote_ident(d.datname) as subject,
    ended.badly < coalesce(
        nullif(pg_catalog.current_setting('readiness.sessions', true), ''), '20'
    )::pg_catalog.int8
    or ended.badly * 100 < ended.sessions * coalesce(
        nullif(pg_catalog.current_setting('readiness.percent', true), ''), '5'
    )::pg_catalog.numeric as ok,
    ended.sessions,
    (pg_catalog.to_jsonb(d) ->> 'sessions_abandoned')::pg_catalog.int8 as lost,
    (pg_catalog.to_jsonb(d) ->> 'sessions_fatal')::pg_catalog.int8 as ended_by_errors,
    (pg_catalog.to_jsonb(d) ->> 'sessions_killed')::pg_catalog.int8 as ended_by_administrators,
    coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())::pg_catalog.text as counted_since
from pg_catalog.pg_stat_database as d
cross join lateral (
    select
        (pg_catalog.to_jsonb(d) ->> 'sessions')::pg_catalog.int8 as sessions,
        (pg_catalog.to_jsonb(d) ->> 'sessions_abandoned')::pg_catalog.int8
        + (pg_catalog.to_jsonb(d) ->> 'sessions_fatal')::pg_catalog.int8
        + (pg_catalog.to_jsonb(d) ->> 'sessions_killed')::pg_catalog.int8 as badly
) as ended
where d.datname = pg_catalog.current_database()
order by subject
