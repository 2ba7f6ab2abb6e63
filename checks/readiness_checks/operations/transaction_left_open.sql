/*---
title: No session keeps a transaction open that it does not work in
subject: session
universe: other sessions
priority: P1
effort: M
credit: ratio
why: |
  A transaction keeps its locks and holds vacuum back for as long as it is open. One that waits for its application
  (idle in transaction) does no work meanwhile: an exception without a rollback, a call to another service in the
  middle of it, a debugger. One that works for hours does the same harm.
mend: |
  Find the place in the application by the session's name and its last statement, and end the transaction before it
  waits for something else. idle_in_transaction_session_timeout bounds what slips through.
links:
  - https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT
---*/
-- Of clients, in every database: vacuum's horizon is the server's. A role without pg_monitor sees the sessions, not
-- their state; and nobody sees that of a session for which track_activities is off.
select
    a.pid::pg_catalog.text as subject,
    case
        when a.backend_type is not null and coalesce(a.state, '') <> 'disabled'
            then not coalesce(
                (a.state ~ '^idle in transaction' and waits.seconds >= bound.idle)
                or waits.open_seconds >= bound.open,
                false
            )
    end as ok,
    case when a.state = 'disabled' then 'not_observable' else 'no_permission' end as unseen,
    case
        when a.state = 'disabled' then E'alter system set track_activities = on;\nselect pg_catalog.pg_reload_conf();'
        else pg_catalog.format('grant pg_monitor to %I;', current_user)
    end as unlock,
    pg_catalog.format(
        E'-- What it did in this transaction is given up.\nselect pg_catalog.pg_terminate_backend(%s);', a.pid
    ) as remedy,
    a.usename::pg_catalog.text as by_role,
    a.datname::pg_catalog.text as in_database,
    a.application_name,
    a.state,
    waits.seconds::pg_catalog.int8 as in_this_state_seconds,
    waits.open_seconds::pg_catalog.int8 as transaction_open_seconds
from pg_catalog.pg_stat_activity as a
cross join lateral (
    select
        extract(epoch from pg_catalog.clock_timestamp() - a.state_change) as seconds,
        extract(epoch from pg_catalog.clock_timestamp() - a.xact_start) as open_seconds
) as waits
cross join (
    select
        coalesce(
            nullif(pg_catalog.current_setting('readiness.idle_seconds', true), ''), '300'
        )::pg_catalog.numeric as idle,
        coalesce(
            nullif(pg_catalog.current_setting('readiness.open_seconds', true), ''), '3600'
        )::pg_catalog.numeric as open
) as bound
where
    coalesce(a.backend_type, 'client backend') = 'client backend'
    and a.datid is not null
    and a.pid <> pg_catalog.pg_backend_pid() -- the one that asks
    and coalesce(a.application_name, '') !~ '^readiness/' -- an audit's other one
order by subject
