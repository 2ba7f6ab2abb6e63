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
-- reset_val is what a new session gets. Parameters count only where statements are logged at all.
with logged as (
    select
        pg_catalog.max(s.reset_val) filter (where s.name = 'log_statement') as statements,
        (pg_catalog.max(s.reset_val) filter (where s.name = 'log_min_duration_statement'))::pg_catalog.int8 as slow,
        (pg_catalog.max(s.reset_val) filter (where s.name = 'log_min_duration_sample'))::pg_catalog.int8 as sampled
    from pg_catalog.pg_settings as s
)

select
    s.name as subject,
    case s.name
        when 'log_statement' then s.reset_val = 'none'
        when 'log_min_duration_statement' then s.reset_val <> '0'
        when 'log_parameter_max_length'
            then
                (logged.statements in ('none', 'ddl') and logged.slow < 0 and logged.sampled < 0)
                or s.reset_val::pg_catalog.int4 between 0 and 64
        else s.reset_val::pg_catalog.int4 between 0 and 64
    end as ok,
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
