/*---
title: No session waits long for another one's lock
subject: session
universe: other sessions
priority: P2
effort: M
credit: ratio
why: |
  A session that waits for a lock waits for another one to end its transaction, and whoever asks for a lock behind it
  waits for both. A minute of it is an outage of what they serve. A look at one moment: nothing found now says nothing
  of yesterday, which log_lock_waits tells.
mend: |
  select pg_blocking_pids(PID) names whom it waits for. Keep transactions short, bound the wait (lock_timeout), and run
  DDL with a lock_timeout of its own.
links:
  - https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION
---*/
-- How long a session waits is not known; how long its statement runs is, which is no less. A role without pg_monitor
-- sees the sessions, not what they wait for.
select
    a.pid::pg_catalog.text as subject,
    case
        when a.backend_type is not null
            then coalesce(
                a.wait_event_type <> 'Lock'
                or statement.seconds < coalesce(
                    nullif(pg_catalog.current_setting('readiness.seconds', true), ''), '60'
                )::pg_catalog.numeric,
                true
            )
    end as ok,
    'no_permission' as unseen,
    pg_catalog.format('grant pg_monitor to %I;', current_user) as unlock,
    a.usename::pg_catalog.text as by_role,
    a.application_name,
    a.wait_event as waits_for_a,
    statement.seconds::pg_catalog.int8 as statement_seconds
from pg_catalog.pg_stat_activity as a
cross join lateral (
    select extract(epoch from pg_catalog.clock_timestamp() - a.query_start) as seconds
) as statement
where
    coalesce(a.backend_type, 'client backend') = 'client backend'
    and a.datname = pg_catalog.current_database()
    and a.pid <> pg_catalog.pg_backend_pid() -- the one that asks
    and coalesce(a.application_name, '') !~ '^readiness/' -- an audit's other one
order by subject
