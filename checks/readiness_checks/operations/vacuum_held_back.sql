/*---
title: Nothing old holds vacuum back
subject: session
universe: transactions and slots that can hold vacuum back
priority: P1
effort: M
credit: ratio
why: |
  Vacuum keeps every dead row that the oldest snapshot of the whole server might still see. One forgotten query, one
  prepared transaction, one slot whose reader is gone, or one standby with hot_standby_feedback and a report on it, and
  no table of any database is cleared: all grow, and the transaction ids run on.
mend: |
  End the session, commit or roll back the prepared transaction, start or drop the slot's reader, bound the standby's
  queries (max_standby_streaming_delay without hot_standby_feedback). Autovacuum can't help before.
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
  - https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-HOT-STANDBY-FEEDBACK
---*/
-- By age in transactions, which is what it costs. A dump holds it back too while it runs: transactions is set so that
-- one of a few hours passes. A role without pg_monitor sees that sessions are there, not how far back they look.
with held as (
    select
        a.pid::pg_catalog.text as subject,
        'session' as subject_kind,
        pg_catalog.age(a.backend_xmin) as transactions,
        a.backend_type is not null as seen,
        pg_catalog.format(
            E'-- What it did in this transaction is given up.\nselect pg_catalog.pg_terminate_backend(%s);', a.pid
        ) as remedy,
        a.application_name as by_whom
    from pg_catalog.pg_stat_activity as a
    where
        a.pid <> pg_catalog.pg_backend_pid()
        and coalesce(a.application_name, '') !~ '^readiness/' -- an audit's other one
        and a.datid is not null
        and coalesce(a.backend_type, 'client backend') = 'client backend'
        and not exists (
            select
            from pg_catalog.pg_stat_replication as r
            where r.pid = a.pid
        )
    union all
    select
        r.pid::pg_catalog.text as subject,
        'session' as subject_kind,
        pg_catalog.age(r.backend_xmin) as transactions,
        r.state is not null as seen,
        null as remedy,
        'standby ' || r.application_name as by_whom
    from pg_catalog.pg_stat_replication as r
    union all
    select
        p.gid as subject,
        'transaction' as subject_kind,
        pg_catalog.age(p.transaction) as transactions,
        true as seen,
        case
            when p.database = pg_catalog.current_database()
                then pg_catalog.format(E'-- What it did is given up.\nrollback prepared %L;', p.gid)
        end as remedy,
        'prepared in ' || pg_catalog.quote_ident(p.database) as by_whom
    from pg_catalog.pg_prepared_xacts as p
    union all
    select
        pg_catalog.quote_ident(s.slot_name) as subject,
        'slot' as subject_kind,
        greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)) as transactions,
        true as seen,
        case
            when not s.active
                then
                    pg_catalog.format(
                        E'-- Whoever read from it must be built anew.\nselect pg_catalog.pg_drop_replication_slot(%L);',
                        s.slot_name
                    )
        end as remedy,
        s.slot_type || ' slot' as by_whom
    from pg_catalog.pg_replication_slots as s
)

select
    held.subject,
    case
        when held.seen
            then coalesce(held.transactions, 0) < coalesce(
                nullif(pg_catalog.current_setting('readiness.transactions', true), ''), '10000000'
            )::pg_catalog.int8
    end as ok,
    held.subject_kind,
    'no_permission' as unseen,
    pg_catalog.format('grant pg_monitor to %I;', current_user) as unlock,
    held.remedy,
    held.by_whom,
    held.transactions
from held
order by subject
