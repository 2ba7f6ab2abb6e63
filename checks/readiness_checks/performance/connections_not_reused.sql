/*---
title: Sessions are used again, not opened for each piece of work
subject: database
universe: audited databases
priority: P2
effort: M
credit: binary
needs: [postgres 14]
why: |
  Each new session costs the server a process, a login and caches to fill, some milliseconds of CPU in all. A service
  that opens one for each request spends more on that than on its queries, and under load the server is busy with
  logins.
mend: |
  Give the service a pool that keeps its sessions, or put PgBouncer between. Where there is a pool, see that it isn't
  made anew for each request, and that idle sessions live longer than the pauses between requests.
links:
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW
---*/
-- The counters are those of the statistics' window; before 14 sessions were not counted. The ages of others' sessions
-- are hidden from a role without pg_monitor.
with of_roles as (
    select
        pg_catalog.quote_ident(r.rolname) as role,
        pg_catalog.count(*) as sessions,
        pg_catalog.round(
            pg_catalog.percentile_cont(0.5) within group (
                order by extract(epoch from pg_catalog.clock_timestamp() - a.backend_start)
            )::pg_catalog.numeric, 1
        ) as median_age
    from pg_catalog.pg_stat_activity as a
    inner join pg_catalog.pg_roles as r on a.usesysid = r.oid
    where
        a.datname = pg_catalog.current_database()
        and a.backend_type = 'client backend'
        and a.application_name !~ '^readiness/'
    group by r.rolname
)

select
    pg_catalog.quote_ident(d.datname) as subject,
    counted.sessions < 100
    or counted.sessions < counted.seconds * coalesce(
        nullif(pg_catalog.current_setting('readiness.per_second', true), ''), '1'
    )::pg_catalog.numeric
    or counted.transactions >= counted.sessions * coalesce(
        nullif(pg_catalog.current_setting('readiness.transactions', true), ''), '10'
    )::pg_catalog.numeric as ok,
    counted.sessions as sessions_opened,
    pg_catalog.round(
        (counted.sessions / counted.seconds)::pg_catalog.numeric, 3
    )::pg_catalog.float8 as opened_per_second,
    pg_catalog.round(
        counted.transactions / nullif(counted.sessions, 0)::pg_catalog.numeric, 1
    )::pg_catalog.float8 as transactions_per_session,
    array(
        select pg_catalog.format('%s: %s, median age %s s', o.role, o.sessions, o.median_age)
        from of_roles as o
        where o.median_age is not null
        order by o.role
    ) as sessions_now,
    coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())::pg_catalog.text as counted_since
from pg_catalog.pg_stat_database as d
cross join lateral (
    select
        (pg_catalog.to_jsonb(d) ->> 'sessions')::pg_catalog.int8 as sessions,
        d.xact_commit + d.xact_rollback as transactions,
        greatest(1, extract(
            epoch from pg_catalog.clock_timestamp() - coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())
        )) as seconds
) as counted
where d.datname = pg_catalog.current_database()
order by subject
