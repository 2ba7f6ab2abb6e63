/*---
title: There is room for more connections
subject: server
universe: limits of connections
priority: P1
effort: M
credit: ratio
why: |
  When the last slot is taken the next client is turned away, the health check and the administrator among them. What is
  nearly full on a quiet day is full on the first busy one. Databases and roles can have limits of their own.
mend: |
  Bound the services' pools so that their sum fits, or put a pooler between (PgBouncer in transaction mode). Raising
  max_connections takes a restart and memory.
links:
  - https://www.postgresql.org/docs/current/runtime-config-connection.html
---*/
-- Slots are taken by client sessions; replication and background workers have their own. A role without pg_monitor
-- can't tell these apart: what it can't tell counts as taken where that changes nothing, else it isn't known.
with sessions as (
    select
        a.datid,
        a.usesysid,
        a.backend_type is null as hidden
    from pg_catalog.pg_stat_activity as a
    where
        a.usesysid is not null
        and (a.backend_type = 'client backend' or (a.backend_type is null and a.datid is not null))
),

limits as (
    select
        'all connections' as subject,
        pg_catalog.current_setting('max_connections')::pg_catalog.int8
        - pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8
        - coalesce(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int8, 0) as most,
        pg_catalog.count(*) filter (where not sessions.hidden) as seen,
        pg_catalog.count(*) filter (where sessions.hidden) as hidden
    from sessions
    union all
    select
        'database ' || pg_catalog.quote_ident(d.datname) as subject,
        d.datconnlimit as most,
        pg_catalog.count(*) filter (where not sessions.hidden) as seen,
        pg_catalog.count(*) filter (where sessions.hidden) as hidden
    from pg_catalog.pg_database as d
    left join sessions on d.oid = sessions.datid
    where d.datconnlimit > 0
    group by d.oid, d.datname, d.datconnlimit
    union all
    select
        'role ' || pg_catalog.quote_ident(r.rolname) as subject,
        r.rolconnlimit as most,
        pg_catalog.count(*) filter (where not sessions.hidden) as seen,
        pg_catalog.count(*) filter (where sessions.hidden) as hidden
    from pg_catalog.pg_roles as r
    left join sessions on r.oid = sessions.usesysid
    where r.rolconnlimit > 1 and r.rolcanlogin
    group by r.oid, r.rolname, r.rolconnlimit
)

select
    l.subject,
    case
        when l.seen + l.hidden < l.most * bound.percent / 100 then true
        when l.seen >= l.most * bound.percent / 100 then false
    end as ok,
    'no_permission' as unseen,
    pg_catalog.format('grant pg_monitor to %I;', current_user) as unlock,
    l.seen + l.hidden as taken,
    l.most
from limits as l
cross join (
    select
        coalesce(
            nullif(pg_catalog.current_setting('readiness.percent', true), ''), '80'
        )::pg_catalog.numeric as percent
) as bound
order by subject
