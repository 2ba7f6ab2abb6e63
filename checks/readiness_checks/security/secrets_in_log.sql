/*---
title: The log is not told passwords and personal data
subject: setting
universe: settings that put statements into the log
priority: info
effort: S
credit: ratio
why: |
  With log_statement = ddl or more, what create role says of a password stands in the log as it was typed, and so does a
  statement that fails. Where slow statements are logged, their parameters are too, in full: mail addresses, tokens. A
  log goes further than the database: shippers, search engines, tickets. A trail by statements is worth something too
  (security/audit-trail-missing); so this weighs nothing.
mend: |
  Set passwords with psql's \password, which sends a hash. log_parameter_max_length = 0 (or a few characters), and
  log_parameter_max_length_on_error = 0. Where a trail is needed, pgAudit strikes passwords out.
links:
  - https://www.postgresql.org/docs/current/runtime-config-logging.html
---*/
-- reset_val is what a new session gets; where our own role's or session's setting covers the server's, that can't be
-- seen. Parameters count only where statements are logged at all: all of them, slow ones, a sample, or those of a
-- sample of transactions.
with logged as (
    select
        pg_catalog.max(s.reset_val) filter (where s.name = 'log_statement') as statements,
        (pg_catalog.max(s.reset_val) filter (where s.name = 'log_min_duration_statement'))::pg_catalog.int8 as slow,
        (pg_catalog.max(s.reset_val) filter (where s.name = 'log_min_duration_sample'))::pg_catalog.int8 as sampled,
        (
            pg_catalog.max(s.reset_val) filter (where s.name = 'log_transaction_sample_rate')
        )::pg_catalog.float8 as transactions,
        pg_catalog.bool_or(s.source in ('user', 'database user', 'client')) as covered
    from pg_catalog.pg_settings as s
    where
        s.name in (
            'log_statement', 'log_min_duration_statement', 'log_min_duration_sample', 'log_transaction_sample_rate'
        )
)

select
    s.name as subject,
    case
        when s.source in ('user', 'database user', 'client') then null
        when s.name = 'log_statement' then s.reset_val = 'none'
        when s.name = 'log_min_duration_statement' then s.reset_val <> '0'
        when s.reset_val::pg_catalog.int4 between 0 and 64 then true
        when s.name = 'log_parameter_max_length'
            then
                case
                    when
                        logged.statements in ('mod', 'all')
                        or greatest(logged.slow, logged.sampled) >= 0
                        or logged.transactions > 0
                        then false
                    when not logged.covered then true
                end
        else false
    end as ok,
    'not_observable' as unseen,
    pg_catalog.format(
        E'alter system set %s = %s;\nselect pg_catalog.pg_reload_conf();',
        s.name,
        case s.name when 'log_statement' then 'none' when 'log_min_duration_statement' then '''250ms''' else '0' end
    ) as remedy,
    s.reset_val as value
from pg_catalog.pg_settings as s
cross join logged
where
    s.name in (
        'log_statement', 'log_min_duration_statement', 'log_parameter_max_length', 'log_parameter_max_length_on_error'
    )
order by subject
