/*---
title: The log tells who connected, when, and to what
subject: setting
universe: settings of the log
priority: P2
effort: S
credit: ratio
why: |
  After an incident the log is what is left. Without log_connections and log_disconnections nobody can say who was in,
  and from where; without time, role and database in front of each line nobody can say whose line it is.
mend: |
  log_connections = on, log_disconnections = on, log_line_prefix = '%m [%p] %q%u@%d %h ' (or csvlog, jsonlog, which hold
  all of it), log_error_verbosity = default; then select pg_reload_conf();
links:
  - https://www.postgresql.org/docs/current/runtime-config-logging.html
---*/
-- An escape may have a width (%-10u); %% is a percent sign. csvlog and jsonlog take the collector: without it their
-- lines go to stderr, with the prefix. Without a destination, or with log_min_messages = fatal, no such line is
-- written, whatever these say. Since 18 log_connections is a list, kept as it was typed: of a session's steps
-- `authorization` alone names role and database. reset_val is what a new session gets. Where a role's or a database's
-- own setting covers the server's, that can't be seen.
with wanted as (
    select
        s.name,
        s.reset_val as value,
        s.source in ('database', 'user', 'database user', 'client') as covered,
        pg_catalog.current_setting('log_destination') <> ''
        and pg_catalog.current_setting('log_min_messages') not in ('fatal', 'panic')
        and case s.name
            when 'log_connections'
                then pg_catalog.lower(s.reset_val) ~ '(^|[ ,])(on|true|yes|1|all|authorization)($|[ ,])'
            when 'log_disconnections' then s.reset_val = 'on'
            when 'log_error_verbosity' then s.reset_val <> 'terse'
            else
                (
                    prefix.escapes ~ '%-?\d*[mtn]'
                    and prefix.escapes ~ '%-?\d*u'
                    and prefix.escapes ~ '%-?\d*d'
                )
                or (
                    pg_catalog.current_setting('log_destination') ~ '(csv|json)log'
                    and pg_catalog.current_setting('logging_collector') = 'on'
                )
        end as ok
    from pg_catalog.pg_settings as s
    cross join lateral (select pg_catalog.replace(s.reset_val, '%%', '') as escapes) as prefix
    where s.name in ('log_connections', 'log_disconnections', 'log_error_verbosity', 'log_line_prefix')
)

select
    w.name as subject,
    case when not w.covered then w.ok end as ok,
    case when w.covered then 'not_observable' end as unseen,
    pg_catalog.format(
        E'alter system set %s = %L;\nselect pg_catalog.pg_reload_conf();',
        w.name,
        case w.name
            when 'log_line_prefix' then '%m [%p] %q%u@%d %h ' when 'log_error_verbosity' then 'default' else 'on'
        end
    ) as remedy,
    w.value
from wanted as w
order by subject
