/*---
title: Statements and idle transactions of every login role end by themselves
subject: role
universe: login roles that may connect here
priority: P2
effort: S
credit: ratio
why: |
  Without statement_timeout one runaway query works for hours, and those who retry pile up behind it. Without
  idle_in_transaction_session_timeout (or transaction_timeout, since 17) a service that hangs between two statements
  keeps its locks until somebody notices. Neither has a default; both belong to the role, since a migration or a dump
  needs others than a service.
mend: |
  Set both for the role; new sessions have them. Longer than the slowest statement that is meant to end.
links:
  - https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-STATEMENT-TIMEOUT
  - https://www.postgresql.org/docs/current/sql-alterrole.html
---*/
-- What a session begins with: the role's setting for this database goes before the role's, that before the database's,
-- that before one for all, and last the server's. Where one for our own role covers the server's, that is unseen.
-- Superusers, roles for replication and the auditor (whose limits go with each question) are left out.
with own as (
    select
        g.setrole,
        g.setdatabase,
        pg_catalog.split_part(o.setting, '=', 1) as name,
        -- off is 0 in whatever unit
        pg_catalog.split_part(o.setting, '=', 2) !~ '^0+ *[a-z]*$' as is_set
    from pg_catalog.pg_db_role_setting as g
    cross join lateral pg_catalog.unnest(g.setconfig) as o (setting)
    where
        g.setdatabase = 0
        or g.setdatabase = (
            select d.oid
            from pg_catalog.pg_database as d
            where d.datname = pg_catalog.current_database()
        )
),

begun as (
    select
        r.rolname,
        s.name,
        coalesce(
            (
                select o.is_set
                from own as o
                where o.name = s.name and (o.setrole = r.oid or o.setrole = 0)
                order by (o.setrole <> 0) desc, (o.setdatabase <> 0) desc
                limit 1
            ),
            case
                when not exists (
                    select
                    from own as o
                    where o.name = s.name and o.setrole = current_user::pg_catalog.regrole
                ) then s.reset_val <> '0'
            end
        ) as is_set
    from pg_catalog.pg_roles as r
    cross join pg_catalog.pg_settings as s
    where
        r.rolcanlogin
        and not r.rolsuper
        and not r.rolreplication
        and r.rolname <> current_user
        and r.rolname !~ '^pg_'
        and pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'connect')
        and s.name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
),

judged as (
    select
        b.rolname,
        pg_catalog.bool_or(b.is_set) filter (where b.name = 'statement_timeout') as of_statement,
        case
            when pg_catalog.bool_or(b.is_set) filter (where b.name <> 'statement_timeout') then true
            when pg_catalog.bool_or(b.is_set is null) filter (where b.name <> 'statement_timeout') then null
            else false
        end as of_transaction
    from begun as b
    group by b.rolname
)

select
    pg_catalog.quote_ident(j.rolname) as subject,
    j.of_statement and j.of_transaction as ok,
    'not_observable' as unseen,
    pg_catalog.concat_ws(
        E'\n',
        '-- Longer than the slowest that is meant to end.',
        case
            when not j.of_statement
                then pg_catalog.format('alter role %I set statement_timeout = ''60s'';', j.rolname)
        end,
        case
            when not j.of_transaction
                then
                    pg_catalog.format('alter role %I set idle_in_transaction_session_timeout = ''60s'';', j.rolname)
        end
    ) as remedy,
    j.of_statement as statements_end,
    j.of_transaction as idle_transactions_end
from judged as j
order by subject
