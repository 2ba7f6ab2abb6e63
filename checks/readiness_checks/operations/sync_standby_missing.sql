/*---
title: The standbys that commits wait for are there
subject: setting
universe: settings that make commits wait for a standby
priority: P1
effort: M
credit: binary
needs: [primary, pg_monitor]
why: |
  synchronous_standby_names promises that a commit is on a second machine. With fewer of the named ones connected than
  it asks for, every commit waits without end; with synchronous_commit = local or off, none waits for anybody, and the
  promise is empty.
mend: |
  Start the standby that is named, give it that application_name in its primary_conninfo, or name another:
  ANY 1 (a, b) goes on while one of two is there. Without any, set synchronous_standby_names = ''.
links:
  - https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-SYNCHRONOUS-STANDBY-NAMES
---*/
-- A list without a number waits for its first. Who is chosen now has the state sync or quorum. What our own role or
-- session has of synchronous_commit covers what the server gives to others.
with named as (
    select
        s.setting as names,
        coalesce(
            (pg_catalog.regexp_match(s.setting, '(?i)^\s*(?:first|any)?\s*(\d+)\s*\('))[1]::pg_catalog.int4, 1
        ) as wanted
    from pg_catalog.pg_settings as s
    where s.name = 'synchronous_standby_names' and s.setting <> ''
),

chosen as (
    select
        pg_catalog.count(*) as standbys,
        pg_catalog.string_agg(pg_catalog.quote_ident(r.application_name), ', ' order by r.application_name) as names
    from pg_catalog.pg_stat_replication as r
    where r.sync_state in ('sync', 'quorum') and r.state = 'streaming'
)

select
    'synchronous_standby_names' as subject,
    chosen.standbys >= named.wanted as ok,
    null as unseen,
    null as unlock,
    named.names as value,
    named.wanted,
    chosen.names as waiting_for
from named
cross join chosen
union all
select
    'synchronous_commit' as subject,
    case when own.covers then null else s.reset_val not in ('off', 'local') end as ok,
    case when own.covers then 'not_observable' end as unseen,
    pg_catalog.format('alter role %I reset synchronous_commit;', current_user) as unlock,
    s.reset_val as value,
    named.wanted,
    chosen.names as waiting_for
from named
cross join chosen
inner join pg_catalog.pg_settings as s on s.name = 'synchronous_commit'
cross join lateral (select s.source in ('user', 'database user', 'client') as covers) as own
order by subject
